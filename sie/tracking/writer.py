"""Writing in the background, in order, until the store takes it.

A thread of its own, so that neither a slow nor an absent store holds up what is being recorded;
what is written is handed over as functions.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from sie.errors import SieError, TrackingError

log = logging.getLogger(__name__)

Work = Callable[[], None]

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0


class BackgroundWriter:
    """Carries out work one after the other; what the store does not take is tried again.

    What it refuses for good is left out, said, and raised where the end is waited for.

    The thread does not keep the process alive: what must outlive it is on disk already.

    Parameters
    ----------
    name : str
        Of the thread.
    idle : callable, optional
        Done when there has been nothing to do for `idle_s` seconds; never tried again.
    idle_s : float
        Seconds.
    """

    def __init__(self, name: str, idle: Work | None = None, idle_s: float = 30.0) -> None:
        self._work: deque[Work] = deque()
        self._state = threading.Condition()
        self._failure: TrackingError | None = None
        self._refused: TrackingError | None = None
        self._crash: BaseException | None = None
        self._hurry = threading.Event()
        self._ended = False
        self._idle, self._idle_s = idle, idle_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How much is not done yet."""
        return len(self._work)

    @property
    def incomplete(self) -> bool:
        """Whether anything is not done: waiting, or refused."""
        return bool(self._work) or self._refused is not None

    @property
    def failure(self) -> TrackingError | None:
        """What the store said last, while it does not take what it is given."""
        return self._failure

    def submit(self, work: Work) -> None:
        """Have something done after all that came before.

        Raises
        ------
        SieError
            When nothing is written any more: another process has taken over, or a mistake of ours.
        """
        self.require()
        with self._state:
            self._work.append(work)
            self._state.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until all is done.

        Raises
        ------
        TrackingError
            When the store has not taken it after so many seconds; it goes on being tried. When it
            has refused some of it.
        """
        self._hurry.set()  # no need to sit out a long pause
        with self._state:
            done = self._state.wait_for(lambda: not self._work or self._crash, seconds)
        self.require()
        if done and self._refused is not None:
            raise self._refused
        if not done:
            raise self._failure or TrackingError(
                f"the MLflow store has not answered in {seconds:g} s"
            )

    def require(self) -> None:
        """Raise what has ended the writing for good, if anything has; `submit` says what."""
        if isinstance(self._crash, SieError):
            raise self._crash
        if self._crash is not None:
            raise TrackingError(f"recording failed: {_words(self._crash)}") from self._crash

    def end(self) -> None:
        """Do nothing more."""
        with self._state:
            self._ended = True
            self._work.clear()
            self._state.notify_all()
        self._hurry.set()

    def _run(self) -> None:
        wait = FIRST_WAIT_S
        while not self._ended:
            work = self._next()
            try:
                if work is not None:
                    work()
                elif self._idle is not None and not self._ended:
                    self._idle()
            except TrackingError as error:
                if work is None:
                    continue
                if error.refused:
                    log.error("%s; this is not recorded, and kept on disk", error)
                    self._refused = self._refused or error
                    self._done()
                    continue
                self._note(error)
                self._hurry.wait(wait)
                self._hurry.clear()
                wait = min(2 * wait, LONGEST_WAIT_S)
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                log.error("nothing is recorded any more: %s", _words(error))
                with self._state:
                    self._crash = error
                    self._state.notify_all()
                return
            else:
                wait = FIRST_WAIT_S
                if work is not None:
                    self._done()

    def _next(self) -> Work | None:
        """Wait for the next work; None when it is time for the idle work, or the end."""
        with self._state:
            self._state.wait_for(lambda: self._work or self._ended, self._idle_s)
            return self._work[0] if self._work and not self._ended else None

    def _note(self, error: TrackingError) -> None:
        if self._failure is None:
            log.warning("%s; going on, what ended is kept on disk and recorded later", error)
        self._failure = error

    def _done(self) -> None:
        with self._state:
            if self._work:
                self._work.popleft()
            if self._failure is not None:
                log.warning("the MLflow store answers again")
            self._failure = None
            self._state.notify_all()


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, SieError) else f"{type(error).__name__}: {error}"
