"""Work in order, again and again until the store takes it, without holding anybody up."""

import threading

import pytest

from sie.errors import SieError, TrackingError
from sie.tracking import writer as module
from sie.tracking.writer import BackgroundWriter


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.02)


def test_work_is_done_in_order_and_tried_until_it_succeeds(caplog):
    done, failures = [], [3]

    def work(number):
        if number == 2 and failures[0]:
            failures[0] -= 1
            raise TrackingError("away")
        done.append(number)

    writer = BackgroundWriter("test")
    for number in range(5):
        writer.submit(lambda number=number: work(number))
    writer.drain(10)
    assert done == [0, 1, 2, 3, 4]
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "away",
        "the MLflow store answers again",
    ]
    writer.end()


def test_waiting_for_a_store_that_is_away_ends():
    def away():
        raise TrackingError("away")

    writer = BackgroundWriter("test")
    writer.submit(away)
    with pytest.raises(TrackingError, match="away"):
        writer.drain(0.2)
    assert writer.waiting == 1
    writer.end()


def test_waiting_for_a_store_that_hangs_ends():
    hanging = threading.Event()
    writer = BackgroundWriter("test")
    writer.submit(hanging.wait)
    with pytest.raises(TrackingError, match=r"has not answered in 0\.1 s"):
        writer.drain(0.1)
    hanging.set()
    writer.end()


def test_a_mistake_of_ours_is_not_swallowed():
    writer = BackgroundWriter("test")
    writer.submit(lambda: 1 / 0)
    with pytest.raises(TrackingError, match="recording failed: ZeroDivisionError") as caught:
        writer.drain(10)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(TrackingError, match="recording failed"):
        writer.submit(lambda: None)


def test_what_the_store_refuses_for_good_holds_up_nothing_else(caplog):
    def refused():
        raise TrackingError("deleted", refused=True)

    done = []
    writer = BackgroundWriter("test")
    writer.submit(refused)
    writer.submit(lambda: done.append(1))
    with pytest.raises(TrackingError, match="deleted"):
        writer.drain(10)
    assert done == [1] and writer.waiting == 0
    assert caplog.messages == ["deleted; this is not recorded, and kept on disk"]
    writer.end()


def test_an_error_that_is_no_absence_of_the_store_is_raised_as_it_is():
    def taken():
        raise SieError("another process")

    writer = BackgroundWriter("test")
    writer.submit(taken)
    with pytest.raises(SieError, match="another process"):
        writer.drain(10)


def test_idle_work_is_done_while_there_is_nothing_else():
    seen = threading.Semaphore(0)
    writer = BackgroundWriter("test", seen.release, 0.01)
    assert seen.acquire(timeout=10)
    assert seen.acquire(timeout=10)
    writer.end()
