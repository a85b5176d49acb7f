import dataclasses

import numpy as np
import pytest
from recorded_searches import config_of, peak
from search_examples import make_result

from sie.ensemble.winner_rule import WinnerRule, by_rule, cost, significant_winner
from sie.ensemble.winners import ClusterSearch
from sie.models.config import TrialConfig
from sie.search.selection import RepeatedConfig, SelectionRule, Window, judge_repeats
from sie.training.record import TrialStatus

LARGE = TrialConfig(n_neurons=128)
SMALL = TrialConfig(n_neurons=32, readout_width=64)
WINDOW = Window(0.0, 30, 39)
NOISE = np.random.default_rng(3).normal(0, 0.02, 10)


def judged(config, values):
    places = tuple(range(len(values)))
    return RepeatedConfig(config, WINDOW, tuple(values), places=places)


def test_a_cheaper_one_that_is_as_good_wins():
    best, cheap = judged(LARGE, 0.80 + NOISE), judged(SMALL, 0.795 + NOISE[::-1])
    winner, why = significant_winner([best, cheap])
    assert winner is cheap
    assert SMALL.hash[:8] in why and "not significantly worse" in why
    assert cost(SMALL) < cost(LARGE)


def test_one_that_is_worse_with_every_seed_does_not():
    best, cheap = judged(LARGE, 0.80 + NOISE), judged(SMALL, 0.79 + NOISE)
    assert significant_winner([best, cheap]) == (best, "")


def test_comparisons_are_corrected_for_their_number():
    # worse with nine seeds of ten: p = 22/1024, and four times that with four to compare
    differences = np.array([0.01] * 9 + [-0.01])
    best, cheap = judged(LARGE, np.full(10, 0.8)), judged(SMALL, 0.8 - differences)
    assert significant_winner([best, cheap])[0] is best
    rest = [judged(config_of(i), np.full(10, 0.8) - differences) for i in range(3)]
    assert significant_winner([best, cheap, *rest])[0] is cheap


def test_of_equal_cost_the_steadier_one_wins():
    other = dataclasses.replace(LARGE, dropout_phi=0.2)
    best, steady = judged(LARGE, 0.8 + NOISE), judged(other, 0.799 + 0.1 * NOISE[::-1])
    assert significant_winner([best, steady])[0] is steady


def test_few_repeats_leave_the_best_and_say_so():
    best, cheap = judged(LARGE, [0.8, 0.82]), judged(SMALL, [0.79, 0.81])
    winner, why = significant_winner([best, cheap])
    assert winner is best and "more --repeats" in why
    assert significant_winner([best]) == (best, "")


def test_the_rule_puts_its_winner_first():
    best, cheap = judged(LARGE, 0.80 + NOISE), judged(SMALL, 0.795 + NOISE[::-1])
    search = ClusterSearch(4, None, (best, cheap))
    assert by_rule([search], WinnerRule.BEST) == ((search,), ())
    (chosen,), (why,) = by_rule([search], WinnerRule.SIGNIFICANT)
    assert chosen.judged == (cheap, best) and why.startswith("cluster 4: ")


def test_repeats_are_paired_by_seed_whatever_became_of_them():
    curves = [peak(45, 0.8), peak(45, 0.7), peak(45, 0.6)]
    results = [
        make_result(curves[0]),
        make_result(curves[1][:20], TrialStatus.DIVERGED),
        make_result(curves[2][:5], TrialStatus.FAILED),
        make_result(curves[2]),
    ]
    verdict = judge_repeats(LARGE, results, SelectionRule())
    assert verdict.places == (0, 3, 1)
    assert verdict.values[verdict.places.index(1)] == 0.0
    assert verdict.values[1] == pytest.approx(verdict.window.of(curves[2]))
