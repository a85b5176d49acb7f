import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_examples import make_result

from sie.models.config import TrialConfig
from sie.search.selection import (
    PENALTY,
    SelectionRule,
    best_window,
    judge_repeats,
    objective,
    pick_winner,
    result_objective,
    rolling_mean,
    top_configurations,
)
from sie.training.record import TrialStatus

curves = st.lists(st.floats(0, 1), min_size=1, max_size=80).map(np.array)
rules = st.builds(SelectionRule, st.integers(1, 12), st.integers(1, 40))


def brute_force_windows(curve, rule):
    """Every full window from rule.min_epoch on: (first epoch, mean)."""
    return [
        (first, math.fsum(curve[first - 1 : first - 1 + rule.window]) / rule.window)
        for first in range(rule.min_epoch, len(curve) - rule.window + 2)
    ]


@given(curves, rules)
def test_best_window_is_the_best_of_all_windows(curve, rule):
    windows = brute_force_windows(curve, rule)
    found = best_window(curve, rule)
    if not windows:
        assert found is None
        return
    best = max(mean for _, mean in windows)
    assert found.mean == pytest.approx(best, abs=1e-12)
    assert found.first_epoch >= rule.min_epoch
    assert found.last_epoch - found.first_epoch + 1 == rule.window
    assert found.of(curve) == pytest.approx(found.mean, abs=1e-12)


def test_the_centre_is_the_middle_of_the_window():
    curve = np.zeros(60)
    curve[39:49] = 1.0
    window = best_window(curve, SelectionRule())
    assert (window.first_epoch, window.last_epoch, window.centre) == (40, 49, 44.5)


def test_epochs_before_the_first_that_counts_are_not_considered():
    curve = np.concatenate([np.ones(29), np.full(20, 0.2)])
    assert best_window(curve, SelectionRule()).mean == pytest.approx(0.2)


@given(st.lists(st.floats(0, 1), min_size=53, max_size=80).map(np.array), rules)
def test_objective_never_falls_once_a_window_counts(curve, rule):
    values = [objective(curve[:n], rule) for n in range(rule.first_full_window(), len(curve) + 1)]
    assert all(b >= a for a, b in itertools.pairwise(values))


@given(curves, st.builds(SelectionRule, st.integers(1, 12), st.just(81)))
def test_objective_before_the_first_window_is_the_mean_of_the_tail(curve, rule):
    assert objective(curve, rule) == pytest.approx(np.mean(curve[-rule.window :]))


@given(st.integers(1, 200))
def test_a_rule_within_a_budget_has_a_window(max_epochs):
    rule = SelectionRule().within(max_epochs)
    assert rule.first_full_window() <= max_epochs
    assert rule.min_epoch >= 1
    assert best_window(np.ones(max_epochs), rule) is not None
    if max_epochs >= 39:
        assert rule == SelectionRule()


def test_rolling_mean_of_a_short_curve_is_empty():
    assert len(rolling_mean(np.ones(3), 4)) == 0


@pytest.mark.parametrize("status", [s for s in TrialStatus if not s.counts])
def test_trials_that_do_not_count_have_the_penalty(status):
    assert result_objective(make_result(np.ones(50), status), SelectionRule()) == PENALTY


def config(**changes):
    return TrialConfig(**changes)


def test_top_configurations_are_distinct_and_average_repeated_draws():
    rule = SelectionRule(1, 1)
    same, other = config(max_lr=1e-3), config(max_lr=5e-3)
    trials = [
        (0, same, make_result([0.9])),
        (1, other, make_result([0.6])),
        (2, same, make_result([0.1])),
        (3, config(n_layers=4), make_result([1.0], TrialStatus.DIVERGED)),
    ]
    top = top_configurations(trials, rule, 10)
    assert [item.config for item in top] == [other, same]
    assert top[1].objective == pytest.approx(0.5)
    assert top[1].numbers == (0, 2)
    assert top_configurations(trials, rule, 1) == top[:1]


def test_equal_objectives_rank_by_trial_number():
    rule = SelectionRule(1, 1)
    trials = [(n, config(n_layers=n), make_result([0.5])) for n in (4, 2, 3)]
    assert [item.numbers[0] for item in top_configurations(trials, rule, 3)] == [2, 3, 4]


def test_trials_without_a_full_window_are_not_ranked():
    assert top_configurations([(0, config(), make_result(np.ones(38)))], SelectionRule(), 5) == []


def test_repeats_are_judged_on_the_window_of_their_average_curve():
    rule = SelectionRule(2, 1)
    results = [make_result([0.1, 0.9, 0.9, 0.1]), make_result([0.1, 0.1, 0.9, 0.9])]
    judged = judge_repeats(config(), results, rule)
    # average curve 0.1 0.5 0.9 0.5: the windows at 2 and 3 tie, the first is taken
    assert (judged.window.first_epoch, judged.window.mean) == (2, pytest.approx(0.7))
    assert judged.values == pytest.approx((0.9, 0.5))
    assert judged.mean == pytest.approx(judged.window.mean)
    assert judged.sd == pytest.approx(np.std([0.9, 0.5], ddof=1))
    assert judged.scores["val_mcc"] == pytest.approx(0.7)


@given(st.lists(st.lists(st.floats(0, 1), min_size=12, max_size=12), min_size=1, max_size=5))
def test_the_reported_mean_is_no_best_of_the_repeats(rows):
    rule = SelectionRule(3, 2)
    judged = judge_repeats(config(), [make_result(row) for row in rows], rule)
    each_at_its_best = np.mean([best_window(np.array(row), rule).mean for row in rows])
    assert judged.mean <= each_at_its_best + 1e-12
    assert judged.mean == pytest.approx(judged.window.mean)


def test_a_diverged_repeat_counts_with_the_penalty_and_a_failed_one_not_at_all():
    rule = SelectionRule(1, 1)
    results = [
        make_result([0.5, 0.8]),
        make_result([0.5], TrialStatus.DIVERGED),
        make_result([], TrialStatus.FAILED),
    ]
    judged = judge_repeats(config(), results, rule)
    assert (judged.n_diverged, judged.n_failed) == (1, 1)
    # averages 0.5 and 0.4
    assert (judged.window.first_epoch, judged.mean) == (1, pytest.approx(0.5))


def test_nothing_to_judge_is_none():
    assert judge_repeats(config(), [make_result([], TrialStatus.FAILED)], SelectionRule()) is None
    assert judge_repeats(config(), [make_result([0.4])], SelectionRule()) is None


def test_the_winner_has_the_highest_average():
    rule = SelectionRule(1, 1)
    judged = [
        judge_repeats(config(n_layers=n), [make_result([v]), make_result([v])], rule)
        for n, v in ((2, 0.3), (3, 0.7), (4, 0.5))
    ]
    assert pick_winner(judged).config.n_layers == 3
    assert pick_winner([]) is None
