"""The repeatable scheduler against Ray's own ASHA, and both after an interruption."""

from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.schedulers import FIFOScheduler, MedianStoppingRule, TrialScheduler
from search_examples import make_ended, make_plan

from sie.search.choices import Scheduler
from sie.search.plan import REPEATABLE_BATCH, Mode
from sie.search.schedule import BatchHalving, BatchMedian, make_scheduler
from sie.training.record import TrialStatus


def trial(number):
    return SimpleNamespace(config={"task": make_ended(number, 0.5).task}, trial_id=f"ray-{number}")


def report(scheduler, number, epoch, value):
    decision = scheduler.on_trial_result(None, trial(number), {"epoch": epoch, "objective": value})
    return decision == TrialScheduler.STOP


def make(mode, past=(), scheduler=Scheduler.ASHA, **budget):
    plan = make_plan(mode, **budget)
    return make_scheduler(plan.budget, mode, plan.rule, past, scheduler)


class Trial(SimpleNamespace):
    """A stand-in that Ray's median rule can keep results by."""

    __hash__ = object.__hash__


def feed(scheduler, trials, number, curve, every=10):
    """Report a trial's curve in chunks; return the epoch at which it was stopped, or None."""
    one = trials.setdefault(number, Trial(**vars(trial(number))))
    for epoch in range(every, len(curve) + 1, every):
        result = {"epoch": epoch, "objective": curve[epoch - 1], "status": "running"}
        if scheduler.on_trial_result(None, one, result) == TrialScheduler.STOP:
            return epoch
    scheduler.on_trial_complete(None, one, result | {"status": "completed"})
    return None


@pytest.mark.parametrize("mode", list(Mode))
def test_bad_trials_stop_at_a_rung_and_nowhere_else(mode):
    scheduler = make(mode)
    for number in range(REPEATABLE_BATCH):
        if mode is Mode.FAST:
            scheduler.on_trial_add(None, trial(number))
        assert not report(scheduler, number, 40, 0.6 + number / 100)
    late = REPEATABLE_BATCH
    if mode is Mode.FAST:
        scheduler.on_trial_add(None, trial(late))
    assert not report(scheduler, late, 30, 0.1)
    assert report(scheduler, late, 40, 0.1)
    assert not report(scheduler, late, 50, 0.1)


def test_decisions_ignore_the_order_of_arrival():
    rng = np.random.default_rng(0)
    values = rng.random(16)
    runs = []
    for seed in range(4):
        scheduler = BatchHalving({40: {}}, 4)
        stopped = {}
        for first in range(0, 16, REPEATABLE_BATCH):
            batch = np.arange(first, first + REPEATABLE_BATCH)
            np.random.default_rng(seed).shuffle(batch)
            for number in batch:
                stopped[int(number)] = report(scheduler, int(number), 40, values[number])
        runs.append(stopped)
    assert all(run == runs[0] for run in runs)
    assert any(runs[0].values())
    assert not any(runs[0][number] for number in range(REPEATABLE_BATCH))


def test_the_cutoff_is_ashas_percentile_of_earlier_batches():
    scheduler = BatchHalving({40: {n: float(n) for n in range(6)}}, 4)
    assert scheduler.cutoff(40, 2) is None
    assert scheduler.cutoff(40, 5) == np.percentile([0, 1, 2, 3], 75)
    assert scheduler.cutoff(40, 9) == np.percentile([0, 1, 2, 3, 4, 5], 75)


@pytest.mark.parametrize("mode", list(Mode))
def test_trials_of_an_earlier_start_stand_in_the_rungs_they_reached(mode):
    past = [make_ended(n, 0.8, n_epochs=60) for n in range(4)]
    past += [make_ended(4, 0.1, n_epochs=20)]
    scheduler = make(mode, past)
    if mode is Mode.FAST:
        scheduler.on_trial_add(None, trial(9))
    assert report(scheduler, 9, 40, 0.79)
    fresh = make(mode, past)
    if mode is Mode.FAST:
        fresh.on_trial_add(None, trial(9))
    assert not report(fresh, 9, 40, 0.81)


def test_none_stops_nobody():
    for mode in Mode:
        scheduler = make(mode, scheduler=Scheduler.NONE)
        assert type(scheduler) is FIFOScheduler
        assert not report(scheduler, 9, 40, 0.0)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_median_rule_stops_the_worse_half_from_the_first_rung_on(mode):
    scheduler, trials = make(mode, scheduler=Scheduler.MEDIAN), {}
    for number in range(REPEATABLE_BATCH):
        assert feed(scheduler, trials, number, np.full(80, 0.6 + number / 100)) is None
    assert feed(scheduler, trials, 4, np.full(80, 0.1)) == 40
    assert feed(scheduler, trials, 5, np.full(80, 0.9)) is None


def test_the_twin_of_the_median_rule_agrees_with_rays_where_order_does_not_matter():
    rng = np.random.default_rng(1)
    curves = np.maximum.accumulate(rng.random((24, 120)) * np.linspace(0.5, 1, 120), axis=1)
    rays, twin, trials = MedianStoppingRule("epoch", "objective", "max", 40.0, 3, np.inf), None, {}
    twin, others = BatchMedian({}, 40), {}
    stopped = []
    for first in range(0, 24, REPEATABLE_BATCH):
        # one of a batch at a time for both: the twin must not look at the rest of its batch
        number = first
        ends = [
            feed(rays, trials, number, curves[number]),
            feed(twin, others, number, curves[number]),
        ]
        stopped.append(ends[0])
        assert ends[0] == ends[1]
    assert any(stopped)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_median_rule_goes_on_with_what_past_trials_reached(mode):
    rng = np.random.default_rng(2)
    curves = np.maximum.accumulate(rng.random((9, 80)), axis=1)
    past = [make_ended(n, 0.0, n_epochs=80) for n in range(8)]
    for ended, curve in zip(past, curves, strict=False):
        ended.result.curves["val_auc_pr"][:] = curve
    low, high = np.zeros(80), np.ones(80)
    assert feed(make(mode, past, Scheduler.MEDIAN), {}, 8, low) == 40
    assert feed(make(mode, past, Scheduler.MEDIAN), {}, 8, high) is None
    assert feed(make(mode, past[:2], Scheduler.MEDIAN), {}, 8, low) is None


def test_a_trial_that_diverges_tells_the_twin_of_the_median_rule_nothing():
    scheduler = BatchMedian({}, 40)
    result = {"epoch": 50, "objective": 0.0, "status": str(TrialStatus.DIVERGED)}
    assert scheduler.on_trial_result(None, trial(0), result) == TrialScheduler.CONTINUE
    assert scheduler.cutoff(50, 8) is None
    assert not scheduler._recorded
