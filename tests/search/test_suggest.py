"""The searcher against HyperOpt itself: what is told, in which order, what is never repeated."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.search import Searcher
from search_examples import make_ended, make_plan, make_result

from sie.search.plan import Mode
from sie.search.record import EndedTrial
from sie.search.selection import PENALTY
from sie.search.space import parse_space
from sie.search.suggest import METRIC, PlanSearcher, TaskQueue, told_value
from sie.training.record import TrialStatus


def at_once(n):
    """A limit that stays."""
    return lambda: n


def score(config) -> float:
    """A smooth objective with its best at max_lr 3e-3, low dropout."""
    return 1 - abs(config.max_lr - 3e-3) * 100 - config.dropout_phi / 2


def drive(searcher, workers, order=lambda live: 0, fail=lambda task: False):
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
            return done
        name, task = live.pop(order(live) % len(live))
        done.append(task)
        if fail(task):
            searcher.on_trial_complete(name, error=True)
        else:
            result = {METRIC: score(task.config), "status": "completed"}
            searcher.on_trial_complete(name, result)


def by_number(tasks):
    return sorted(tasks, key=lambda task: task.number)


def test_what_tpe_is_told():
    assert told_value({METRIC: 0.7, "status": "running"}, error=False) == 0.7
    assert told_value({METRIC: 0.7, "status": TrialStatus.EARLY_STOPPED}, error=False) == 0.7
    for status in (TrialStatus.DIVERGED, TrialStatus.FAILED):
        assert told_value({METRIC: math.nan, "status": status}, error=False) == PENALTY
    for status in (TrialStatus.TIMED_OUT, TrialStatus.INTERRUPTED):
        assert told_value({METRIC: 0.7, "status": status}, error=False) is None
    assert told_value({METRIC: 0.7, "status": "running"}, error=True) is None
    assert told_value(None, error=False) is None


def test_tpe_hears_the_objective_of_every_trial():
    plan = make_plan()
    searcher = PlanSearcher(plan, at_once(2))
    done = drive(searcher, 2, fail=lambda task: task.number == 5)
    losses = searcher._sampler._hpopt_trials.losses()
    heard = sorted(-loss for loss in losses if loss is not None)
    assert heard == pytest.approx(sorted(score(t.config) for t in done if t.number != 5))


@pytest.mark.parametrize("mode", list(Mode))
def test_every_number_is_drawn_once_with_a_seed_of_its_own(mode):
    plan = make_plan(mode)
    done = by_number(drive(PlanSearcher(plan, at_once(3)), 3))
    assert [task.number for task in done] == list(range(plan.budget.trials))
    assert len({task.seed for task in done}) == plan.budget.trials
    assert len({task.key for task in done}) == plan.budget.trials


def test_no_more_than_the_limit_are_out_at_once():
    searcher = PlanSearcher(make_plan(), at_once(2))
    assert searcher.suggest("a")
    assert searcher.suggest("b")
    assert searcher.suggest("c") is None
    searcher.on_trial_complete("a", {METRIC: 0.1, "status": "completed"})
    assert searcher.suggest("c")


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 8), st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_repeatable_mode_gives_the_same_trials_at_any_concurrency_and_order(workers, orders):
    plan = make_plan(Mode.REPEATABLE, trials=13)
    steps = itertools.cycle(orders)
    one = by_number(drive(PlanSearcher(plan, at_once(1)), 1))
    many = by_number(
        drive(PlanSearcher(plan, at_once(workers)), workers, order=lambda live: next(steps))
    )
    assert one == many


def test_another_master_seed_gives_other_trials():
    import dataclasses

    plan = make_plan()
    other = dataclasses.replace(plan, seed=7)
    assert drive(PlanSearcher(plan, at_once(1)), 1) != drive(PlanSearcher(other, at_once(1)), 1)


def as_past(tasks):
    return [make_ended(t.number, score(t.config), config=t.config) for t in tasks]


def test_a_search_that_goes_on_repeats_no_trial_and_no_random_draw():
    plan = make_plan(trials=12, startup_trials=8)
    first = by_number(drive(PlanSearcher(plan, at_once(1)), 1))[:5]
    searcher = PlanSearcher(plan, at_once(2), as_past(first))
    rest = drive(searcher, 2)
    assert sorted(task.number for task in rest) == list(range(5, 12))
    # dropout is continuous: an equal value would be the same random draw again
    assert {t.config.dropout_phi for t in rest}.isdisjoint(t.config.dropout_phi for t in first)
    heard = {
        doc["misc"]["vals"]["dropout_phi"][0]: -doc["result"]["loss"]
        for doc in searcher._sampler._hpopt_trials.trials
    }
    for task in first:
        assert heard[task.config.dropout_phi] == pytest.approx(score(task.config))


def test_a_gap_left_by_an_interrupted_trial_is_filled():
    plan = make_plan(trials=6)
    first = by_number(drive(PlanSearcher(plan, at_once(1)), 1))
    rest = drive(PlanSearcher(plan, at_once(2), as_past([first[0], first[2]])), 2)
    assert sorted(task.number for task in rest) == [1, 3, 4, 5]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_trials_that_were_under_way_come_first_as_they_were_drawn(workers):
    plan = make_plan(trials=9)
    first = by_number(drive(PlanSearcher(plan, at_once(1)), 1))
    past, begun = as_past([first[0], first[2], first[3]]), [first[1], first[4]]
    searcher = PlanSearcher(plan, at_once(workers), past, begun)
    rest = drive(searcher, workers)
    assert sorted(task.number for task in rest) == [1, 4, 5, 6, 7, 8]
    assert [task for task in by_number(rest) if task.number in (1, 4)] == begun
    heard = {
        doc["misc"]["vals"]["dropout_phi"][0]: -doc["result"]["loss"]
        for doc in searcher._sampler._hpopt_trials.trials
    }
    for task in (*rest, first[0], first[2], first[3]):
        assert heard[task.config.dropout_phi] == pytest.approx(score(task.config))


@pytest.mark.parametrize("n_past", [1, 4, 6, 11])
def test_a_repeatable_search_goes_on_as_if_it_had_never_stopped(n_past):
    plan = make_plan(Mode.REPEATABLE, trials=13)
    whole = by_number(drive(PlanSearcher(plan, at_once(2)), 2))
    rest = by_number(drive(PlanSearcher(plan, at_once(3), as_past(whole[:n_past])), 3))
    assert rest == whole[n_past:]


def test_a_queue_hands_out_every_task_in_order():
    tasks = [make_ended(n, 0.5).task for n in range(5)]
    assert drive(TaskQueue(tasks, at_once(2)), 4) == tasks


def test_a_limit_that_falls_lets_nothing_more_out_until_enough_have_ended():
    limit = 3
    tasks = [make_ended(number, 0.5).task for number in range(6)]
    queue = TaskQueue(tasks, lambda: limit)
    assert all(queue.suggest(name) for name in "abc")
    limit = 1
    for name in "abc":
        assert queue.suggest("d") is None
        queue.on_trial_complete(name)
    assert queue.suggest("d") is not None
    assert queue.suggest("e") is None


def test_words_flags_and_conditions_go_through_tpe_and_a_resumed_search():
    space = parse_space(
        {
            "parameters": {
                "optimiser": {"choice": ["lamb", "adamw"]},
                "standardise": {"choice": [True, False]},
                "weight_decay": {"loguniform": [1e-4, 0.1], "when": {"optimiser": "adamw"}},
                "pooling": {"choice": ["set2set", "mean"]},
                "readout_width": {"choice": [16, 32]},
            }
        }
    )
    plan = dataclasses.replace(make_plan(trials=14), space=space)
    first = PlanSearcher(plan, at_once(1))
    ended = []
    for number in range(10):
        task = first.suggest(f"t{number}")["task"]
        score = 0.5 + 0.4 * task.config.standardise
        ended.append(EndedTrial(task, make_result(np.full(60, score)), score))
        first.on_trial_complete(f"t{number}", {"objective": score, "status": "completed"})
    configs = [item.task.config for item in ended]
    assert {config.optimiser for config in configs} == {"lamb", "adamw"}
    assert {config.standardise for config in configs} == {True, False}
    for config in configs:
        width = config.readout_width
        assert width in (16, 32) if config.pooling == "set2set" else width == 512
    again = PlanSearcher(plan, at_once(1), past=ended)
    task = again.suggest("next")["task"]
    assert task.number == 10
    known = [trial["misc"]["vals"] for trial in again._sampler._hpopt_trials.trials]
    assert len(known) == 11
