"""Tests of the tests: against SciPy's own, by hand, and as properties."""

import numpy as np
import pytest
from scipy import stats

from sie.comparison.significance import (
    MOST_EXACT,
    compare_pair,
    holm,
    least_p,
    resampled_p,
    sign_flip_p,
)

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_sign_flips_are_those_of_scipy(n):
    values = RNG.normal(0.3, 1, n)
    expected = stats.permutation_test(
        (values, np.zeros(n)),
        lambda a, b, axis: (a - b).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert sign_flip_p(values) == pytest.approx(expected.pvalue)


def test_sign_flips_of_signed_ranks_are_wilcoxons_test():
    values = RNG.normal(0.2, 1, 12)
    ranks = np.sign(values) * stats.rankdata(np.abs(values))
    assert sign_flip_p(ranks) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


def test_small_cases_by_hand():
    assert sign_flip_p(np.array([1.0, 2.0])) == 1 / 2  # +-3 of +-3, +-1
    assert sign_flip_p(np.array([1.0, -2.0])) == 1.0
    assert sign_flip_p(np.array([0.1, 0.2, 0.3])) == 1 / 4 == least_p(3)
    assert sign_flip_p(np.zeros(4)) == 1.0
    assert sign_flip_p(np.array([0.1, 0.1, -0.1])) == 1.0  # sums that differ by rounding are ties
    assert np.isnan(sign_flip_p(np.empty(0)))
    # a weight of 0 takes a value out of the sum
    assert sign_flip_p(np.array([1.0, 2.0, 5.0]), np.array([1.0, 1.0, 0.0])) == 1 / 2


def test_drawn_flips_come_close_to_all_of_them(monkeypatch):
    values = RNG.normal(0.25, 1, MOST_EXACT)
    exact = sign_flip_p(values)
    monkeypatch.setattr("sie.comparison.significance.MOST_EXACT", 1)
    drawn = sign_flip_p(values)
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact / 99_999))
    assert sign_flip_p(values) == drawn  # no chance from call to call
    assert sign_flip_p(np.ones(40), draws=999) == pytest.approx(1 / 1000)


def test_p_is_even_where_nothing_differs():
    p = [sign_flip_p(RNG.normal(size=8)) for _ in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_the_corrected_t_is_the_paired_t_with_a_larger_variance():
    values = RNG.normal(0.4, 1, 6)
    assert resampled_p(values, 0.0) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    t = values.mean() / (values.std(ddof=1) * np.sqrt(1 / 6 + 0.2))
    assert resampled_p(values, 0.2) == pytest.approx(2 * (1 - stats.t.cdf(abs(t), 5)))
    assert resampled_p(values, 0.2) > resampled_p(values, 0.0)
    assert np.isnan(resampled_p(values[:1], 0.2))
    assert resampled_p(np.zeros(3), 0.2) == 1.0


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, np.nan, 0.001]), [0.5, np.nan, 0.002])
    assert holm([0.9, 0.8])[0] == 1.0
    assert holm([]).shape == (0,)


def test_a_lucky_cluster_with_many_seeds_is_no_evidence_for_others():
    cells = {f"loco-{i}": np.full(10, value) for i, value in enumerate([0.5, -0.01, 0.01, -0.01])}
    result = compare_pair(np.array([0.5, -0.01, 0.01, -0.01]), cells, 1 / 3)
    assert result.difference == pytest.approx(0.49 / 4)
    assert (result.n_splits, result.n_cells) == (4, 40)
    assert result.p_seeds < 0.01 < 0.2 < result.p_splits
    assert result.p_resampled > 0.2


def test_one_split_is_judged_by_its_seeds_alone():
    result = compare_pair(np.array([0.15]), {"loco-3": np.array([0.1, 0.2])}, np.nan)
    assert np.isnan(result.p_splits) and np.isnan(result.p_resampled)
    assert result.p_seeds == 0.5
