"""A start of Ray that takes too long, played: a busy machine cannot be had on demand."""

from __future__ import annotations

import signal
import subprocess

import pytest

from sie.errors import SieError
from sie.search import session

# what Ray 2.60 raises, word for word (ray/_private/node.py)
SLOW = Exception(
    "The current node timed out during startup. This could happen because some of the raylet "
    "failed to startup or the GCS has become overloaded."
)


@pytest.fixture
def starts(monkeypatch):
    """The endings of the next starts of Ray, None for a good one; those that are left."""
    endings = Endings()

    def init(**options):
        if (ending := endings.pop(0)) is not None:
            endings.children.append(subprocess.Popen(["sleep", "60"]))
            raise ending

    monkeypatch.setattr(session.ray, "init", init)
    yield endings
    for child in endings.children:
        child.kill()
        child.wait()


class Endings(list):
    def __init__(self):
        super().__init__()
        self.children = []


def test_a_slow_start_is_tried_again_and_leaves_no_process(starts):
    starts += [SLOW, None]
    session._init(None, {})
    assert starts == []
    (child,) = starts.children
    assert child.wait(timeout=10) == -signal.SIGKILL


def test_processes_of_others_are_left_alone(starts):
    other = subprocess.Popen(["sleep", "60"])
    starts.children.append(other)
    starts += [SLOW, None]
    session._init(None, {})
    assert other.poll() is None


def test_a_machine_that_stays_busy_is_one_line(starts):
    starts += [SLOW] * session.STARTS
    with pytest.raises(SieError, match="did not start on this machine within 30 s, 3 times") as it:
        session._init(None, {})
    assert "\n" not in str(it.value)


def test_other_failures_are_not_hidden(starts):
    starts += [Exception("something new")]
    with pytest.raises(Exception, match="something new"):
        session._init(None, {})
    starts += [ConnectionError("no\nroute")]
    with pytest.raises(SieError, match="cannot reach the Ray cluster at head:6379: no route"):
        session._init("head:6379", {})
