from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable

import pytest

from sie.time_limits import TimeOver, time_limit


def in_a_thread(compute: Callable[[], object]) -> object:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(compute())
        except BaseException as error:  # noqa: BLE001 - handed over
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def here(compute: Callable[[], object]) -> object:
    try:
        return compute()
    except TimeOver as error:
        return error


def endless() -> None:
    with time_limit(0.2):
        while True:
            try:
                sum(range(1000))
            except Exception:  # noqa: BLE001 - as a parser may
                continue


@pytest.mark.parametrize("where", [here, in_a_thread])
def test_what_never_ends_is_ended(where):
    assert isinstance(where(endless), TimeOver)


@pytest.mark.parametrize("where", [here, in_a_thread])
def test_what_ends_in_time_is_left_alone(where):
    def quick() -> int:
        with time_limit(5):
            return sum(range(1000))

    assert where(quick) == 499500


@pytest.mark.parametrize("where", [here, in_a_thread])
def test_waiting_costs_no_time(where):
    def wait() -> str:
        with time_limit(0.1):
            time.sleep(0.4)
        return "waited"

    assert where(wait) == "waited"


def test_an_endless_regular_expression_is_ended():
    with pytest.raises(TimeOver, match=r"longer than 0\.2 s"), time_limit(0.2):
        re.match(r"(a*)*$", "a" * 40 + "b")


def test_an_error_passes_and_the_signal_is_put_back():
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(KeyError), time_limit(5):
        raise KeyError("own")
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_limit_of_a_thread_does_not_come_late():
    def often() -> int:
        for _ in range(200):
            with time_limit(0.0005):
                pass
        return sum(range(10_000))

    assert in_a_thread(often) == 49_995_000
