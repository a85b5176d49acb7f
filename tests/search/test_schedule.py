"""The repeatable scheduler against Ray's own ASHA, and both after an interruption."""

from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler
from search_examples import make_ended, make_plan

from sie.search.plan import REPEATABLE_BATCH, Mode
from sie.search.schedule import BatchHalving, make_scheduler


def trial(number):
    return SimpleNamespace(config={"task": make_ended(number, 0.5).task}, trial_id=f"ray-{number}")


def report(scheduler, number, epoch, value):
    decision = scheduler.on_trial_result(None, trial(number), {"epoch": epoch, "objective": value})
    return decision == TrialScheduler.STOP


def make(mode, past=(), **budget):
    plan = make_plan(mode, **budget)
    return make_scheduler(plan.budget, mode, plan.rule, past)


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
