"""A head that goes away, as seen through its port."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from processes import command_line, family, kill

from sie.search import lifeline
from sie.search.lifeline import HeadLost, HeadWatch, Lifeline


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lifeline, "LOST_S", 0.6)
    monkeypatch.setattr(lifeline, "LOOK_S", 0.1)


@pytest.fixture
def head():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield server


def address_of(server):
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.usefixtures("quick")
def test_a_head_that_answers_is_not_lost_and_one_that_goes_away_ends_the_search(head):
    watcher = Lifeline(address_of(head))
    watch = HeadWatch(watcher)
    watcher.start()
    time.sleep(1.2)
    watch.on_step_begin(0, [])
    head.close()
    wait_for(lambda: watcher.lost)
    with pytest.raises(HeadLost, match="lost the Ray cluster: its head 127") as caught:
        watch.on_step_begin(0, [])
    assert "\n" not in str(caught.value)
    watcher.leave()
    watcher.join(5)
    assert not watcher.is_alive()


@pytest.mark.usefixtures("quick")
def test_a_head_that_is_away_for_a_moment_is_not_lost(head):
    address = head.getsockname()
    watcher = Lifeline(address_of(head))
    watcher.start()
    head.close()
    time.sleep(0.3)
    with socket.create_server(address, backlog=100):
        time.sleep(1.0)
        assert not watcher.lost
        watcher.leave()
        watcher.join(5)


def test_a_process_that_hangs_in_ray_is_ended_with_one_line():
    code = (
        "import time; from sie.search import lifeline as l; "
        "l.LOST_S, l.LOOK_S, l.LEAVE_S = 0.2, 0.1, 0.3; "
        "l.Lifeline('127.0.0.1:9').start(); time.sleep(60)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: lost the Ray cluster: its head 127.0.0.1:9")


@pytest.mark.usefixtures("quick")
def test_a_driver_that_was_stopped_itself_does_not_take_the_head_for_lost(head, monkeypatch):
    now, ended, answers = [0.0], [], iter([False, False, True])
    monkeypatch.setattr(lifeline, "LEAVE_S", 0)
    monkeypatch.setattr(lifeline, "LOST_S", 40)
    monkeypatch.setattr(lifeline, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(os, "_exit", ended.append)

    def ask(seconds):
        now[0] += 1000
        if not next(answers, False):
            raise TimeoutError
        watcher.leave()

    watcher = Lifeline(address_of(head), ask)
    watcher.run()
    assert (watcher.lost, ended) == (False, [])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [AttributeError("gcs_client"), ValueError(), RuntimeError()])
def test_whatever_the_question_ends_with_is_no_answer(head, error):
    asked = []

    def ask(seconds):
        asked.append(seconds)
        raise error

    watcher = Lifeline(address_of(head), ask)
    watcher.start()
    wait_for(lambda: watcher.lost)
    watcher.leave()
    assert not watcher.is_alive()
    assert len(asked) >= lifeline.LOST_LOOKS


def test_a_look_under_way_is_waited_for_and_says_nothing_more(head, capfd):
    asking, shut_down = threading.Event(), threading.Event()

    def ask(seconds):
        asking.set()
        shut_down.wait(20)
        raise AttributeError("gcs_client")

    watcher = Lifeline(address_of(head), ask)
    watcher.start()
    assert asking.wait(20)
    threading.Timer(0.2, shut_down.set).start()
    watcher.leave()
    assert not watcher.is_alive()
    assert capfd.readouterr().err == ""


LEAVING = """
import time, ray
from sie.search import lifeline, session
lifeline.LOST_S, lifeline.LOOK_S, lifeline.LEAVE_S = 0.2, 0.1, 0.3
session._lifeline = lifeline.Lifeline('127.0.0.1:9')
session._lifeline.start()
ray.shutdown = lambda: time.sleep(40)
session.stop_ray()
"""


def test_a_shutdown_that_hangs_with_a_dead_head_is_ended_with_one_line():
    ran = subprocess.run(
        [sys.executable, "-c", LEAVING], capture_output=True, text=True, timeout=90, check=False
    )
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: lost the Ray cluster: its head 127.0.0.1:9")


SEARCHING = """
import time
from sie.search import lifeline, session
lifeline.LOST_S, lifeline.LOOK_S, lifeline.ASK_S, lifeline.LEAVE_S = 3, 0.2, 1, 0.5
session.start_ray(None)
time.sleep(4)
print(session.lifeline().lost, flush=True)
time.sleep(60)
"""


def test_a_head_that_hangs_behind_an_open_port_is_lost():
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SEARCHING], **streams) as driver:
        assert driver.stdout.readline() == "False\n"
        (head,) = [p for p in family(driver.pid) if "gcs_server" in command_line(p).split(" ")[0]]
        os.kill(head, signal.SIGSTOP)
        try:
            *_, line = driver.communicate(timeout=60)[1].splitlines()
        finally:
            kill(head)
    assert driver.returncode == 1
    assert line.startswith("error: lost the Ray cluster: its head")
