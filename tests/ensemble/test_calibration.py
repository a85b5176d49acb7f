"""Fits against scikit-learn, errors against a plain loop, and what must hold of any of them."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import _SigmoidCalibration, calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from sie.ensemble.calibration import (
    Bins,
    Isotonic,
    Platt,
    calibrator,
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
    log_odds,
)
from sie.errors import InputError


def too_sure(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities three times as far from even odds as they should be."""
    x = np.random.default_rng(seed).normal(size=n)
    y = (np.random.default_rng([seed, 1]).random(n) < expit(x)).astype(int)
    return y, expit(3 * x + 0.5)


@pytest.mark.parametrize("n", [12, 40, 300])
def test_platts_fit_is_that_of_scikit_learn(n):
    y, p = too_sure(n)
    theirs = _SigmoidCalibration().fit(log_odds(p), y)
    ours = fit_platt(y, p)
    assert (ours.slope, ours.intercept) == pytest.approx((-theirs.a_, -theirs.b_), rel=1e-3)
    grid = np.linspace(0, 1, 50)
    assert np.allclose(ours(grid), theirs.predict(log_odds(grid)), atol=1e-4)


def test_platts_fit_is_a_logistic_regression_on_smoothed_targets():
    y, p = too_sure(60)
    targets = np.where(y == 1, (y.sum() + 1) / (y.sum() + 2), 1 / ((1 - y).sum() + 2))
    x = np.concatenate([log_odds(p)] * 2)[:, None]
    both = np.repeat([1, 0], 60)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(x, both, np.concatenate([targets, 1 - targets]))
    ours = fit_platt(y, p)
    assert (ours.slope, ours.intercept) == pytest.approx(
        (model.coef_[0, 0], model.intercept_[0]), rel=1e-4
    )


def test_platts_fit_finds_how_sure_is_too_sure():
    y, p = too_sure(20_000)
    fit = fit_platt(y, p)
    assert fit.slope == pytest.approx(1 / 3, rel=0.05)
    assert expected_calibration_error(y, fit(p)) < 0.02 < expected_calibration_error(y, p)


def test_classes_apart_and_equal_probabilities_give_finite_fits():
    y = np.repeat([0, 1], 10)
    apart = fit_platt(y, np.linspace(0, 1, 20))
    assert 0 < apart.slope < 100
    level = fit_platt(y[:15], np.full(15, 0.3))(np.array([0.3]))
    assert level == pytest.approx([np.where(y[:15] == 1, 6 / 7, 1 / 12).mean()], abs=1e-6)


def test_a_ranking_is_never_turned_round():
    y, p = too_sure(100)
    fit = fit_platt(y, 1 - p)
    assert fit.slope == 0
    targets = np.where(y == 1, (y.sum() + 1) / (y.sum() + 2), 1 / ((1 - y).sum() + 2))
    assert np.allclose(fit(p), targets.mean())
    assert (np.diff(fit_isotonic(y, 1 - p)(np.linspace(0, 1, 30))) >= 0).all()


@pytest.mark.parametrize("decimals", [1, 8])
def test_isotonic_fit_is_that_of_scikit_learn(decimals):
    y, p = too_sure(120)
    p = np.round(p, decimals)  # with one decimal there are ties
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, y)
    ours = fit_isotonic(y, p)
    grid = np.linspace(-0.1, 1.1, 500)
    assert np.allclose(ours(grid), theirs.predict(grid))
    assert np.allclose(ours.x, theirs.X_thresholds_)


@pytest.mark.parametrize("bins", list(Bins))
def test_the_calibration_error_is_that_of_a_plain_loop(bins):
    y, p = too_sure(200)
    strategy = {"equal_width": "uniform", "equal_mass": "quantile"}[bins]
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy=strategy)
    if bins is Bins.EQUAL_WIDTH:
        counts = np.histogram(p, np.linspace(0, 1, 11))[0]
        counts = counts[counts > 0]
    else:
        counts = np.full(10, 20)
    expected = np.sum(counts * np.abs(observed - predicted)) / 200
    assert expected_calibration_error(y, p, bins) == pytest.approx(expected)


def test_equal_probabilities_share_a_bin():
    y, p = np.array([0, 1] * 20), np.full(40, 0.5)
    for bins in Bins:
        assert expected_calibration_error(y, p, bins) == pytest.approx(0)
        assert expected_calibration_error(y, 1.0 - y, bins) == 1
    assert np.isnan(expected_calibration_error(y[:0], p[:0]))


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_fits_are_read_again_as_they_were_written(fit):
    made = fit(*too_sure(50))
    assert calibrator(made.as_dict()) == made
    assert made(np.full((3, 2), 0.4)).shape == (3, 2)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "spline"}, "known are platt, isotonic"),
        ({"kind": "platt", "slope": 1}, "intercept is missing"),
        ({"kind": "platt", "slope": -1, "intercept": 0}, "slope >= 0"),
        ({"kind": "platt", "slope": float("nan"), "intercept": 0}, "not a number"),
        ({"kind": "isotonic", "x": [0.2, 0.1], "y": [0, 1]}, "x must rise"),
        ({"kind": "isotonic", "x": [0.1, 0.2], "y": [0, 2]}, "between 0 and 1"),
        ({"kind": "isotonic", "x": [], "y": []}, "x must rise"),
    ],
)
def test_what_is_no_fit_is_refused(values, says):
    with pytest.raises(InputError, match=says):
        calibrator(values)


def test_one_class_cannot_be_calibrated_on():
    for fit in (fit_platt, fit_isotonic):
        with pytest.raises(InputError, match="both must be there"):
            fit(np.ones(4), np.full(4, 0.5))
        with pytest.raises(InputError, match="do not fit"):
            fit(np.array([0, 1]), np.full(3, 0.5))
    assert Platt(1.0, 0.0)(np.array([0.25])) == pytest.approx([0.25])
    assert Isotonic((0.5,), (0.2,))(np.array([0.1, 0.9])).tolist() == [0.2, 0.2]
