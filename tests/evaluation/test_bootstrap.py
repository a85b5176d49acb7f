"""Intervals against scipy's bootstrap and against a plain loop over scikit-learn's scores."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from sie.evaluation.bootstrap import interval, resample, resamples
from sie.evaluation.scores import evaluation_scores


@pytest.fixture
def pair():
    rng = np.random.default_rng(4)
    y = (rng.random(60) < 0.4).astype(int)
    return y, np.clip(0.5 * y + rng.random(60) * 0.7, 0, 1), rng.random(60)


def test_intervals_are_those_of_scipy(pair):
    y, p, _ = pair
    found = resample(evaluation_scores, y, p, resamples(60, 4000, seed=1)).intervals()
    for name, score in {
        "roc_auc": metrics.roc_auc_score,
        "brier": metrics.brier_score_loss,
    }.items():
        theirs = stats.bootstrap(
            (y, p), score, paired=True, vectorized=False, n_resamples=4000, method="percentile",
            random_state=2,
        )  # fmt: skip
        low, high = theirs.confidence_interval
        room = 0.05 * (high - low)  # both are drawn
        assert found[name].low == pytest.approx(low, abs=room)
        assert found[name].high == pytest.approx(high, abs=room)
        assert found[name].value == pytest.approx(score(y, p))


def test_a_plain_loop_gives_the_same_intervals_and_differences(pair):
    y, p, q = pair
    draws = resamples(60, 150, seed=7)
    ours = resample(evaluation_scores, y, p, draws)
    theirs = resample(evaluation_scores, y, q, draws)
    rows = []
    for draw in draws:
        first = metrics.average_precision_score(y[draw], p[draw])
        second = metrics.average_precision_score(y[draw], q[draw])
        rows.append((first, first - second))
    expected = np.percentile(rows, [2.5, 97.5], axis=0)
    found = ours.intervals()["ap"], ours.minus(theirs)["ap"]
    for (low, high), item in zip(expected.T, found, strict=True):
        assert (item.low, item.high) == pytest.approx((low, high))
        assert item.n == 150
    assert ours.minus(ours)["mcc"] == interval(0.0, np.zeros(150))


def test_resamples_of_one_class_are_left_out_and_counted():
    y, p = np.array([1, 0, 0]), np.array([0.9, 0.4, 0.2])
    draws = resamples(3, 500)
    found = resample(evaluation_scores, y, p, draws).intervals()
    both = [0 < y[draw].sum() < 3 for draw in draws]
    assert found["roc_auc"].n == sum(both) < 500
    assert found["auc_pr"].n == sum(y[draw].any() for draw in draws)
    assert found["brier"].n == 500
    none = resample(evaluation_scores, np.zeros(3, int), p, draws).intervals()["roc_auc"]
    assert np.isnan([none.value, none.low, none.high]).all()
    assert none.n == 0


def test_the_seed_decides():
    assert np.array_equal(resamples(9, 20, 3), resamples(9, 20, 3))
    assert not np.array_equal(resamples(9, 20, 3), resamples(9, 20, 4))
    assert resamples(9, 20).shape == (20, 9)
    assert resamples(9, 200).max() == 8
