"""Names of endings, curves put together, and when a search must not go on."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from search_examples import make_ended, make_result

from sie.search.collect import RUNNING, Collector, FailureGuard
from sie.search.selection import PENALTY, SelectionRule
from sie.training.record import METRICS, TrialStatus


class Listener:
    def __init__(self):
        self.heard = []

    def trial_started(self, task):
        self.heard.append(("started", task.number))

    def require(self):
        pass

    def trial_reported(self, task, epoch, objective, curve):
        self.heard.append(("reported", task.number, epoch))

    def trial_ended(self, ended):
        self.heard.append(("ended", ended.task.number, ended.result.status))


def ray_trial(number):
    config = {"task": make_ended(number, 0.5).task}
    lost = SimpleNamespace(num_failures=3)
    return SimpleNamespace(config=config, trial_id="a", error_file=None, run_metadata=lost)


def a_report(first, n, value, status=RUNNING, reason=""):
    curves = {name: [value] * n for name in METRICS} if n else {}
    return {
        "first_epoch": first,
        "epoch": first + n - 1,
        "objective": value,
        "curves": curves,
        "status": status,
        "reason": reason,
        "seconds_training": 1.0,
        "seconds_setup": 0.25,
    }


@pytest.fixture
def collector():
    return Collector(SelectionRule(2, 1), [Listener()])


def play(collector, number, reports, end="complete"):
    trial = ray_trial(number)
    collector.on_trial_start(0, [], trial)
    for item in reports:
        collector.on_trial_result(0, [], trial, item)
    getattr(collector, f"on_trial_{end}")(0, [], trial)
    return collector.ended[number]


def test_chunks_become_one_curve(collector):
    reports = [a_report(1, 3, 0.2), a_report(4, 2, 0.6, "completed")]
    ended = play(collector, 0, reports)
    assert ended.result.status is TrialStatus.COMPLETED
    np.testing.assert_array_equal(ended.result.curves["val_auc_pr"], [0.2, 0.2, 0.2, 0.6, 0.6])
    assert (ended.objective, ended.result.seconds_training, ended.result.seconds_setup) == (
        pytest.approx(0.6),
        2.0,
        0.5,
    )


def test_a_trial_that_did_not_end_itself_was_stopped_by_the_scheduler(collector):
    ended = play(collector, 0, [a_report(1, 3, 0.2)])
    assert ended.result.status is TrialStatus.STOPPED_BY_SCHEDULER
    assert ended.result.reason == "below the cutoff at epoch 3"


@pytest.mark.parametrize("status", ["early_stopped", "diverged", "failed", "timed_out"])
def test_the_workers_own_ending_is_kept_with_its_reason(collector, status):
    ended = play(collector, 0, [a_report(1, 0, 0.0, status, "because")])
    assert (ended.result.status, ended.result.reason) == (status, "because")
    assert ended.result.n_epochs == 0


def test_a_trial_that_a_lost_worker_started_again_has_one_curve_and_one_start(collector):
    trial = ray_trial(0)
    collector.on_trial_start(0, [], trial)
    collector.on_trial_result(0, [], trial, a_report(1, 3, 0.9))
    collector.on_trial_start(0, [], trial)
    collector.on_trial_result(0, [], trial, a_report(1, 2, 0.4, "completed"))
    collector.on_trial_complete(0, [], trial)
    assert collector.ended[0].result.n_epochs == 2
    assert collector._observers[0].heard.count(("started", 0)) == 1


def test_a_lost_worker_is_a_failure_with_a_reason(collector):
    trial = ray_trial(0)
    collector.on_trial_start(0, [], trial)
    collector.on_trial_error(0, [], trial)
    result = collector.ended[0].result
    assert (result.status, result.reason) == (
        TrialStatus.FAILED,
        "its worker was lost 3 times, for a reason that Ray does not give",
    )
    assert collector.ended[0].objective == PENALTY


def test_what_is_under_way_at_the_end_is_interrupted_and_told_once(collector):
    collector.on_trial_start(0, [], ray_trial(0))
    collector.interrupt_rest("stopped by the user")
    collector.interrupt_rest("again")
    assert collector.ended[0].result.status is TrialStatus.INTERRUPTED
    assert collector._observers[0].heard == [
        ("started", 0),
        ("ended", 0, TrialStatus.INTERRUPTED),
    ]


def test_ray_may_pickle_it_with_observers_that_cannot_be_pickled():
    collector = Collector(SelectionRule(), [SimpleNamespace(lock=lambda: None)])
    assert isinstance(pickle.loads(pickle.dumps(collector)), Collector)  # noqa: S301 - our own


FAILED = make_result([], TrialStatus.FAILED, "ValueError: x")
DIVERGED = make_result([], TrialStatus.DIVERGED, "loss not finite in epoch 1")
GOOD = make_result([0.5])


def guard_after(*results):
    guard = FailureGuard()
    for result in results:
        guard.count(result)
    return guard


@pytest.mark.parametrize("bad", [FAILED, DIVERGED])
def test_the_first_five_failing_alike_end_the_search(bad):
    assert not guard_after(*[bad] * 4).stop_all()
    guard = guard_after(*[bad] * 5)
    assert guard.stop_all()
    assert bad.reason in guard.message


def test_reasons_that_differ_in_numbers_only_are_alike():
    ends = [
        make_result([], TrialStatus.DIVERGED, f"training loss not finite in epoch {n}")
        for n in range(5)
    ]
    assert guard_after(*ends).stop_all()


def test_five_that_fail_differently_or_later_do_not():
    other = make_result([], TrialStatus.FAILED, "KeyError: y")
    assert not guard_after(FAILED, FAILED, other, FAILED, FAILED).stop_all()
    assert not guard_after(GOOD, *[DIVERGED] * 30).stop_all()


def test_over_thirty_per_cent_failed_end_the_search():
    assert not guard_after(*[GOOD] * 7, *[FAILED] * 3).stop_all()
    guard = guard_after(*[GOOD] * 7, *[FAILED] * 4)
    assert guard.stop_all()
    assert "4 of 11 trials failed" in guard.message
