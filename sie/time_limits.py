"""A limit of processor time for a piece of Python, in any thread.

Nothing here knows what is limited; it is the last resort behind bounds that do not need a clock.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LOOKS = 20
"""How often the time is looked at before it is over."""


class TimeOver(Exception):
    """What was tried took longer than it may."""


class _Interruption(BaseException):
    """Passes through `except Exception` in the code that is limited."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End a block that takes longer than so many seconds of its thread's processor time.

    By the processor's clock a busy machine ends no more than an idle one does. In the main thread
    a signal interrupts, regular expressions too; in others a second thread does, between two
    instructions of Python: Ray Data's workers compute in such threads.

    Raises
    ------
    TimeOver
        When the time is over.
    """
    main = threading.current_thread() is threading.main_thread()
    watch = _by_signal if main and hasattr(signal, "setitimer") else _by_thread
    try:
        stop = watch(seconds)
        try:
            yield
        finally:
            stop()
    except _Interruption:
        raise TimeOver(f"takes longer than {seconds:g} s") from None


def _by_signal(seconds: float) -> Callable[[], None]:
    end = time.thread_time() + seconds

    def look(number: int, frame: Any) -> None:
        if time.thread_time() >= end:  # the timer counts other threads, too
            raise _Interruption

    before = signal.signal(signal.SIGVTALRM, look)
    # again and again: some code drops exceptions, and an object's end always does
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, max(seconds / LOOKS, 0.01))

    def stop() -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)

    return stop


def _by_thread(seconds: float) -> Callable[[], None]:
    watched = threading.get_ident()
    clock = _clock_of(watched)
    end = clock() + seconds
    over, lock = threading.Event(), threading.Lock()

    def look() -> None:
        while not over.wait(max(seconds / LOOKS, 0.01)):
            with lock:
                if not over.is_set() and clock() >= end:
                    _set_exception(watched, _Interruption)

    threading.Thread(target=look, name="time-limit", daemon=True).start()

    def stop() -> None:
        with lock:
            over.set()
            # one that has not come yet must not come later
            _set_exception(watched, None)

    return stop


def _clock_of(thread: int) -> Callable[[], float]:
    """Return the processor time of a thread of this process; the wall's where there is none."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic
    number = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(number)


def _set_exception(thread: int, kind: type[BaseException] | None) -> None:
    given = ctypes.py_object(kind) if kind is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), given)
