import io

import numpy as np
import pytest
from rich.console import Console
from search_examples import make_ended

from sie.reporting import live
from sie.reporting.live import LiveProgress
from sie.training.record import TrialStatus


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    return now


def shown(progress, **how):
    console = Console(file=io.StringIO(), width=120, **how)
    console.print(progress)
    return console.file.getvalue()


def test_without_a_terminal_there_are_plain_lines():
    console = Console(file=io.StringIO(), width=60)
    with LiveProgress(console, "search", 20) as progress:
        for number in range(20):
            ended = make_ended(number, 0.5 if number == 3 else 0.4)
            progress.trial_started(ended.task)
            progress.trial_reported(ended.task, 10, 0.9, [0.4] * 10)
            progress.trial_ended(ended)
    lines = console.file.getvalue().strip().splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("search: 20/20, best 0.500, 0 s so far")
    assert not any("\x1b" in line or "▁" in line for line in lines)


def test_in_a_terminal_a_bar_moves():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with LiveProgress(console, "search", 2) as progress:
        ended = make_ended(0, 0.4)
        progress.trial_started(ended.task)
        progress.trial_ended(ended)
    assert "1/2" in console.file.getvalue()


def test_nothing_is_said_where_nothing_is_asked_for():
    console = Console(file=io.StringIO(), force_terminal=True, quiet=True)
    with LiveProgress(console, "search", 1) as progress:
        progress.trial_started(make_ended(0, 0.4).task)
        progress.trial_ended(make_ended(0, 0.4))
    assert console.file.getvalue() == ""


def test_curves_of_running_trials_and_of_the_best_stand_below():
    progress = LiveProgress(Console(file=io.StringIO()), "search", 9)
    best, other = make_ended(0, 0.8), make_ended(1, 0.1)
    progress.trial_ended(best)
    progress.trial_started(other.task)
    progress.trial_reported(other.task, 3, 0.25, [0.05, 0.15, 0.25])
    progress.trial_reported(other.task, 5, 0.45, [0.35, 0.45])
    text = shown(progress)
    assert "best 0.800, 1 running" in text
    assert "trial-0001        ▁▂▃▄▅ " in text
    assert "0.450 at epoch 5" in text
    assert "best: trial-0000  ████" in text


def test_a_trial_that_begins_again_loses_its_curve():
    progress = LiveProgress(Console(file=io.StringIO()), "search", 9)
    task = make_ended(0, 0.5).task
    progress.trial_started(task)
    progress.trial_reported(task, 10, 0.5, [0.5] * 10)
    progress.trial_reported(task, 3, 0.6, [0.6] * 3)
    assert "0.600 at epoch 3" in shown(progress)


def test_every_end_is_counted_by_its_kind():
    progress = LiveProgress(Console(file=io.StringIO()), "search", 9)
    ends = [TrialStatus.STOPPED_BY_SCHEDULER] * 2 + [TrialStatus.DIVERGED]
    for number, status in enumerate(ends):
        ended = make_ended(number, 0.9 if status is TrialStatus.DIVERGED else 0.4, status=status)
        progress.trial_started(ended.task)
        progress.trial_ended(ended)
    text = shown(progress)
    assert "best 0.400, 2 stopped, 1 diverged" in text


def test_the_time_left_is_that_of_trials_trained_now(clock):
    progress = LiveProgress(Console(file=io.StringIO()), "search", 10)
    for number in range(4):  # an earlier start of the command trained these
        ended = make_ended(number, 0.4)
        progress.trial_started(ended.task)
        progress.trial_ended(ended)
    assert "left" not in shown(progress)
    ended = make_ended(4, 0.4)
    clock[0] = 130.0
    progress.trial_started(ended.task)
    progress.trial_reported(ended.task, 1, 0.4, [0.4])
    clock[0] = 140.0
    progress.trial_ended(ended)
    assert "about 50 s left" in shown(progress)  # five more of ten seconds


def test_more_running_trials_than_lines_are_not_all_shown():
    progress = LiveProgress(Console(file=io.StringIO()), "search", 99)
    for number in range(20):
        task = make_ended(number, 0.5).task
        progress.trial_started(task)
        progress.trial_reported(task, 1, 0.5, [np.float64(0.5)])
    assert shown(progress).count("trial-") == live.MOST_CURVES
