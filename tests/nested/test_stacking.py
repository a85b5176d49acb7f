"""Fitted weights against a grid and against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sie.nested.stacking import (
    RIDGE,
    WeightedMean,
    clipped_odds,
    fit_logistic_stack,
    fit_weighted_mean,
)


def drawn(n: int = 150, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    networks, forest = (np.clip(0.35 * y + 0.7 * rng.random(n), 0, 1) for _ in range(2))
    return y, networks, forest


def test_the_share_is_the_best_of_a_grid():
    y, networks, forest = drawn()
    grid = np.linspace(0, 1, 2001)
    losses = [np.mean(((1 - w) * networks + w * forest - y) ** 2) for w in grid]
    assert fit_weighted_mean(y, networks, forest).share == pytest.approx(
        grid[np.argmin(losses)], abs=1e-3
    )


def test_a_share_stays_between_nothing_and_all():
    y, networks, _ = drawn()
    assert fit_weighted_mean(y, networks, 1 - networks).share < 0.5
    assert fit_weighted_mean(y, y + 0.0, 1.0 - y).share == 0
    assert fit_weighted_mean(y, 1.0 - y, y + 0.0).share == 1
    assert fit_weighted_mean(y, networks, networks) == WeightedMean(0.5)
    assert WeightedMean(0.25)(np.array([0.0]), np.array([1.0])).tolist() == [0.25]


def test_the_logistic_stack_is_that_of_scikit_learn():
    y, networks, forest = drawn()
    x = np.stack([clipped_odds(networks), clipped_odds(forest)], axis=1)
    model = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=1000).fit(x, y)
    ours = fit_logistic_stack(y, networks, forest)
    assert (ours.networks, ours.forest) == pytest.approx(tuple(model.coef_[0]), rel=1e-3)
    assert np.allclose(ours(networks, forest), model.predict_proba(x)[:, 1], atol=1e-4)


def test_a_system_that_is_wrong_gets_no_weight_but_none_is_turned_round():
    y, networks, forest = drawn()
    ours = fit_logistic_stack(y, networks, 1 - forest)
    assert ours.forest == 0
    x = clipped_odds(networks)[:, None]
    model = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=1000).fit(x, y)
    assert ours.networks == pytest.approx(model.coef_[0, 0], rel=1e-3)


def test_certain_probabilities_are_kept_from_the_ends():
    y, networks, forest = drawn()
    ours = fit_logistic_stack(y, np.round(networks), forest)
    assert np.isfinite([ours.networks, ours.forest, ours.intercept]).all()
    assert np.isfinite(ours(np.array([0.0, 1.0]), np.array([0.0, 1.0]))).all()
