"""Every sampler through the plan's searcher: learning, repeatability, going on, points."""

import dataclasses
import itertools

import numpy as np
import pytest
from ray.tune.search import Searcher
from search_examples import make_ended, make_plan

from sie.models.config import TrialConfig
from sie.search.choices import Sampler
from sie.search.plan import Mode
from sie.search.suggest import METRIC, PlanSearcher

SAMPLER = pytest.mark.parametrize("sampler", list(Sampler))


def planned(sampler, mode=Mode.FAST, points=(), **budget):
    return dataclasses.replace(make_plan(mode, **budget), sampler=sampler, points=points)


def score(config) -> float:
    return 1 - abs(config.dropout_phi - 0.11) - abs(config.max_lr - 3e-3) * 50


def drive(searcher, workers=1, order=lambda live: 0):
    """Play Ray: keep workers busy, let one of the live trials end at a time."""
    live, done, names = [], [], itertools.count()
    while True:
        while len(live) < workers:
            name = f"ray-{next(names)}"
            suggestion = searcher.suggest(name)
            if suggestion is None or suggestion == Searcher.FINISHED:
                break
            live.append((name, suggestion["task"]))
        if not live:
            return sorted(done, key=lambda task: task.number)
        name, task = live.pop(order(live) % len(live))
        done.append(task)
        searcher.on_trial_complete(name, {METRIC: score(task.config), "status": "completed"})


def as_past(tasks):
    return [make_ended(t.number, score(t.config), config=t.config) for t in tasks]


@SAMPLER
def test_all_trials_lie_in_the_space_and_another_seed_gives_others(sampler):
    plan = planned(sampler)
    done = drive(PlanSearcher(plan, lambda: 1))
    assert [task.number for task in done] == list(range(plan.budget.trials))
    for task in done:
        assert task.config.max_lr in (1e-3, 3e-3, 5e-3)
        assert 0 <= task.config.dropout_phi <= 0.5
    other = dataclasses.replace(plan, seed=7)
    assert drive(PlanSearcher(other, lambda: 1)) != done


@pytest.mark.parametrize("sampler", [Sampler.HYPEROPT, Sampler.OPTUNA])
def test_those_that_learn_find_better_values_than_chance(sampler):
    def late(which):
        plan = planned(which, trials=60, startup_trials=10)
        return np.mean([score(task.config) for task in drive(PlanSearcher(plan, lambda: 1))[30:]])

    assert late(sampler) > late(Sampler.RANDOM) + 0.02


def test_random_draws_are_the_start_of_tpe():
    plans = [planned(sampler, startup_trials=6) for sampler in (Sampler.HYPEROPT, Sampler.RANDOM)]
    tpe, chance = (drive(PlanSearcher(plan, lambda: 1)) for plan in plans)
    assert tpe[:6] == chance[:6]
    assert tpe[6:] != chance[6:]


@SAMPLER
def test_repeatable_trials_are_the_same_at_any_concurrency_and_after_a_stop(sampler):
    plan = planned(sampler, Mode.REPEATABLE, trials=13)
    whole = drive(PlanSearcher(plan, lambda: 1))
    steps = itertools.cycle([3, 0, 2, 1, 1])
    assert drive(PlanSearcher(plan, lambda: 3), 3, lambda live: next(steps)) == whole
    for n_past in (3, 8):
        rest = drive(PlanSearcher(plan, lambda: 2, as_past(whole[:n_past])), 2)
        assert rest == whole[n_past:]


@SAMPLER
def test_a_search_that_goes_on_repeats_no_trial_and_no_random_draw(sampler):
    plan = planned(sampler, startup_trials=8)
    first = drive(PlanSearcher(plan, lambda: 1))[:5]
    begun = [drive(PlanSearcher(plan, lambda: 1))[6]]
    rest = drive(PlanSearcher(plan, lambda: 2, as_past(first), begun), 2)
    assert [task.number for task in rest] == list(range(5, 12))
    assert rest[1] == begun[0]
    seen = [task.config.dropout_phi for task in (*first, *rest)]
    assert len(set(seen)) == len(seen)


POINTS = (
    TrialConfig(max_lr=5e-3, dropout_phi=0.25, n_layers=2),
    TrialConfig(max_lr=1e-3, dropout_phi=0.5, n_layers=3),
)


@SAMPLER
@pytest.mark.parametrize("mode", list(Mode))
def test_points_are_the_first_trials_at_any_start(sampler, mode):
    plan = planned(sampler, mode, POINTS, trials=9)
    whole = drive(PlanSearcher(plan, lambda: 1))
    assert tuple(task.config for task in whole[:2]) == POINTS
    assert len({task.config for task in whole}) == 9
    # the second point was begun or not, or another trial ended before it
    for past in ([0], [0, 2], [2, 3], []):
        searcher = PlanSearcher(plan, lambda: 1, as_past([whole[n] for n in past]))
        rest = drive(searcher)
        assert [task.number for task in rest] == [n for n in range(9) if n not in past]
        for task in rest[: 2 - len({0, 1} & set(past))]:
            assert task == whole[task.number]
