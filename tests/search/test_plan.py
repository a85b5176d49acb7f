import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_examples import make_plan

from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.search.choices import Sampler, Scheduler
from sie.search.plan import ONLY_IF_CHOSEN, PRESETS, Budget, Mode


def test_the_default_budget_is_the_articles():
    budget = Budget()
    assert (budget.trials, budget.top, budget.repeats, budget.max_epochs) == (250, 10, 10, 500)
    assert (budget.grace, budget.reduction_factor, budget.rungs) == (40, 4, (40, 160))
    assert (budget.patience, budget.min_gain, budget.patience_from) == (100, 0.001, 30)
    assert PRESETS["paper"] == budget


@given(st.integers(1, 600), st.integers(1, 600), st.integers(2, 5))
def test_reports_meet_every_rung_and_rungs_are_those_of_asha(max_epochs, grace, factor):
    from ray.tune.schedulers import ASHAScheduler

    budget = Budget(max_epochs=max_epochs, grace_epochs=grace, reduction_factor=factor)
    assert 1 <= budget.chunk <= 10
    assert all(rung % budget.chunk == 0 and rung < max_epochs for rung in budget.rungs)
    asha = ASHAScheduler(
        time_attr="t", grace_period=budget.grace, max_t=max_epochs, reduction_factor=factor
    )
    rungs = sorted(int(milestone) for milestone, _ in asha._brackets[0]._rungs)
    assert list(budget.rungs) == [rung for rung in rungs if rung < max_epochs]


def test_options_override_and_none_does_not():
    budget = PRESETS["quick"].with_options({"trials": 3, "repeats": 0, "top": None, "seed": 9})
    assert (budget.trials, budget.repeats, budget.top) == (3, 0, PRESETS["quick"].top)
    assert budget.max_epochs == PRESETS["quick"].max_epochs


@pytest.mark.parametrize(
    "change", [{"trials": 0}, {"max_epochs": 0}, {"trial_time_limit_s": 0.0}, {"top": -1}]
)
def test_impossible_budgets_name_the_option(change):
    with pytest.raises(InputError, match="--" + next(iter(change)).replace("_", "-")):
        Budget(**change)


def test_more_configurations_than_trials_cannot_be_repeated():
    assert Budget(trials=3, top=10, repeats=2).n_repeats == 6


def test_everything_that_determines_a_search_enters_its_hash():
    plan = make_plan()
    assert plan.hash == make_plan().hash
    changed = [
        dataclasses.replace(plan, **change)
        for change in (
            {"dataset_hash": "x"},
            {"features_hash": "x"},
            {"split_hash": "x"},
            {"seed": 1},
            {"mode": Mode.REPEATABLE},
            {"budget": Budget(trials=13)},
            {"cluster": 1},
            {"sampler": Sampler.RANDOM},
            {"sampler": Sampler.OPTUNA},
            {"scheduler": Scheduler.MEDIAN},
            {"scheduler": Scheduler.NONE},
            {"points": (TrialConfig(),)},
            {"points": (TrialConfig(max_lr=1e-3),)},
        )
    ]
    assert len({plan.hash, *(item.hash for item in changed)}) == 14


def test_later_choices_leave_the_hashes_of_earlier_searches_as_they_are():
    plan = make_plan()
    assert set(ONLY_IF_CHOSEN).isdisjoint(plan.as_dict())
    assert dataclasses.replace(plan, sampler=Sampler("hyperopt"), points=()).hash == plan.hash
    chosen = dataclasses.replace(plan, scheduler=Scheduler.NONE).as_dict()
    assert chosen == {**plan.as_dict(), "scheduler": "none"}


def test_more_points_than_trials_are_refused():
    points = tuple(TrialConfig(max_lr=1e-3 * (n + 1)) for n in range(3))
    with pytest.raises(InputError, match=r"--points gives 3 .* --trials is 2"):
        dataclasses.replace(make_plan(), budget=Budget(trials=2), points=points)
