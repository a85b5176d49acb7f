"""Starting Ray where the machine is too busy for it, and where it never starts."""

import contextlib
import itertools
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from processes import command_line, family
from ray._private import services
from ray.exceptions import RaySystemError

from sie.errors import SieError
from sie.search import session
from sie.search.session import start_ray, stop_ray

HURRY = {**vars(time), "monotonic": itertools.count(0, 31).__next__}
"""A clock by which Ray has waited long enough at once."""


def raylets():
    """Return the raylets below this process."""
    words = {pid: command_line(pid).split() for pid in family(os.getpid())}
    # a process that is ending has no command line any more
    return [pid for pid, line in words.items() if line and "/raylet" in line[0]]


@pytest.fixture
def without_ray():
    """Make sure that Ray does not run in this process, whatever other files' tests left."""
    stop_ray()


@pytest.fixture
def slow_starts(monkeypatch, without_ray):
    """Let the first start of a node take longer than Ray waits; return the starts."""
    real, starts = ray.init, []
    monkeypatch.setattr(session, "STARTS", 2)

    def init(**options):
        starts.append(options)
        if len(starts) < session.STARTS:
            with monkeypatch.context() as slow:
                slow.setattr(services, "get_node", _not_yet)
                slow.setattr("ray._private.node.time", SimpleNamespace(**HURRY))
                return real(**options)
        return real(**options)

    monkeypatch.setattr(ray, "init", init)
    yield starts
    stop_ray()


def _not_yet(*args):
    raise RuntimeError("no node info yet")


def test_a_node_that_is_slow_is_started_again_and_leaves_nothing_behind(slow_starts):
    assert start_ray(None) >= 1
    assert len(slow_starts) == session.STARTS
    assert len(raylets()) == 1


def listening():
    """Return the addresses that this process's children listen on, as Linux writes them."""
    sockets = set()
    for pid in family(os.getpid()):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(link.readlink().name)
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[n] for n in (1, 3, 9))
            if state == "0A" and f"socket:[{inode}]" in sockets:
                found.add(local.partition(":")[0])
    return found


@pytest.mark.usefixtures("without_ray")
def test_a_node_of_this_machine_listens_on_it_alone_and_works():
    try:
        start_ray(None)
        assert ray.get(ray.remote(lambda: 42).remote()) == 42
        # of the second kind of address too it is the mapped 127.0.0.1
        assert {address[-16:] for address in listening()} <= {"0100007F", "FFFF00000100007F"}
        assert listening()
    finally:
        stop_ray()


@pytest.mark.usefixtures("without_ray")
def test_a_node_that_never_starts_is_one_line(monkeypatch):
    def init(**options):
        raise Exception("The current node timed out during startup.\nThis could happen")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(SieError, match=r"cannot start Ray .* timed out during startup") as caught:
        start_ray(None)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("without_ray")
def test_a_mistake_of_ours_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(ray, "init", lambda wrong: None)
    with pytest.raises(TypeError):
        start_ray(None)


@pytest.mark.usefixtures("without_ray")
@pytest.mark.parametrize("error", [Exception("timed\nout"), RaySystemError("timed\nout")])
def test_a_cluster_that_cannot_be_joined_is_one_line(monkeypatch, error):
    def init(**options):
        raise error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(session, "require_cluster", lambda address: None)
    with pytest.raises(SieError, match=r"cannot reach the Ray cluster at head:1: .*out") as caught:
        start_ray("head:1")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("without_ray")
def test_ray_does_not_start_again_by_itself_once_it_was_left():
    start_ray(None)
    stop_ray()
    with pytest.raises(RaySystemError, match="not been started"):
        ray.get_actor("nobody")
    assert not ray.is_initialized()
