"""Wilson's interval against scipy's."""

import numpy as np
import pytest
from scipy.stats import binomtest

from sie.evaluation.intervals import wilson


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 12), (7, 7), (40, 90)])
def test_wilsons_interval_is_that_of_scipy(successes, n):
    exact = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson(successes, n) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_shares_of_many_and_of_none():
    low, high = wilson(np.array([0, 0, 2]), np.array([0, 4, 2]))
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[2]) == (0, 1)
