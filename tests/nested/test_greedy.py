"""Greedy selection against a plain loop, areas against the metric of everything else."""

import numpy as np
import pytest

from sie.nested.greedy import GreedyRule, areas, greedy_weights
from sie.training.metrics import binary_metrics

PLAIN = GreedyRule(start=2, steps=8, bags=1, share=1.0)


def parts(seed: int = 0, n_members: int = 7, decimals: int = 8):
    rng = np.random.default_rng(seed)
    made = []
    for n in (25, 18, 31):
        y = (np.arange(n) % 3 == 0).astype(int)
        skill = np.linspace(0, 0.3, n_members)[:, None]
        made.append((y, np.round(rng.random((n_members, n)) + skill * y, decimals)))
    return made


@pytest.mark.parametrize("decimals", [1, 8])
def test_areas_are_those_of_the_metric_with_ties_and_without(decimals):
    for labels, table in parts(decimals=decimals):
        expected = [binary_metrics(labels, row)["auc_pr"] for row in table]
        assert np.allclose(areas(labels, table), expected)
    level = np.full((2, 9), 0.5)
    assert np.allclose(areas(np.array([1, 0, 0] * 3), level), 1 / 3)


def plain_loop(given, rule):
    def value(members):
        return np.mean([binary_metrics(y, t[members].mean(axis=0))["auc_pr"] for y, t in given])

    order = range(len(given[0][1]))
    members = sorted(order, key=lambda m: -value([m]))[: rule.start]
    best, kept = value(members), list(members)
    for _ in range(rule.steps):
        members.append(max(order, key=lambda m: value([*members, m])))
        if value(members) > best:
            best, kept = value(members), list(members)
    return np.bincount(kept, minlength=len(order)) / len(kept), best


def test_a_plain_loop_picks_the_same():
    for seed in range(4):
        expected, _ = plain_loop(parts(seed), PLAIN)
        assert np.allclose(greedy_weights(parts(seed), PLAIN), expected)


def test_bags_hold_a_part_of_the_members_each_and_are_averaged():
    weights = greedy_weights(parts(), GreedyRule())
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert np.array_equal(weights, greedy_weights(parts(), GreedyRule()))
    assert not np.array_equal(weights, greedy_weights(parts(), GreedyRule(seed=1)))
    single = greedy_weights(parts(), GreedyRule(bags=1, share=0.3))
    assert 1 <= np.count_nonzero(single) <= 2


def test_one_member_takes_all():
    given = [(y, t[:1]) for y, t in parts()]
    assert greedy_weights(given).tolist() == pytest.approx([1.0])
