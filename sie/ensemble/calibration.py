"""Calibration of probabilities: Platt's and isotonic fits, the expected calibration error.

Pure functions of probabilities and labels; which predictions a fit may see is decided by callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from sie.errors import InputError

CLIP = 1e-6
"""Log-odds are taken of probabilities at least this far from 0 and 1."""

N_BINS = 10
"""Of the expected calibration error."""

_MOST_STEPS, _TOLERANCE = 100, 1e-10


class Bins(StrEnum):
    """How the expected calibration error cuts [0, 1]: bins as wide, or as full, as each other."""

    EQUAL_WIDTH = "equal_width"
    EQUAL_MASS = "equal_mass"


@dataclass(frozen=True)
class Platt:
    """Platt's calibration: 1 / (1 + exp(-(slope x + intercept))) of the log-odds x.

    Attributes
    ----------
    slope : float
        At least 0, so that a ranking is never turned round.
    intercept : float
        Log-odds.
    """

    slope: float
    intercept: float

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities of the same shape, float64."""
        from scipy.special import expit

        return np.asarray(expit(self.slope * log_odds(probabilities) + self.intercept))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "platt", "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Platt:
        """Build from plain values.

        Raises
        ------
        InputError
            When they are not those of a fit.
        """
        slope, intercept = _numbers(values, "slope"), _numbers(values, "intercept")
        if slope.shape or intercept.shape or slope < 0:
            raise InputError("Platt's calibration: slope and intercept are numbers, slope >= 0")
        return cls(float(slope), float(intercept))


@dataclass(frozen=True)
class Isotonic:
    """Isotonic calibration: a rising line through points, level outside of them.

    Attributes
    ----------
    x, y : tuple of float
        Shape (n_points,): probabilities before and after; x rises, y never falls.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities of the same shape, float64."""
        return np.interp(np.asarray(probabilities, dtype=float), self.x, self.y)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "isotonic", "x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Isotonic:
        """Build from plain values.

        Raises
        ------
        InputError
            When they are not those of a fit.
        """
        x, y = _numbers(values, "x"), _numbers(values, "y")
        good = x.ndim == 1 and x.shape == y.shape and len(x) > 0
        if not good or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise InputError("isotonic calibration: x must rise, y must not fall, both as long")
        if y[0] < 0 or y[-1] > 1:
            raise InputError("isotonic calibration: y must lie between 0 and 1")
        return cls(tuple(x.tolist()), tuple(y.tolist()))


Calibrator = Platt | Isotonic


def calibrator(values: Mapping[str, Any]) -> Calibrator:
    """Build the calibrator that plain values describe.

    Raises
    ------
    InputError
        When they describe none.
    """
    kind = values.get("kind")
    if kind == "platt":
        return Platt.from_mapping(values)
    if kind == "isotonic":
        return Isotonic.from_mapping(values)
    raise InputError(f"calibrator of kind {kind!r}: known are platt, isotonic")


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return ln(p / (1 - p)) in float64; p is kept `CLIP` away from 0 and 1."""
    p = np.clip(np.asarray(probabilities, dtype=float), CLIP, 1 - CLIP)
    return np.asarray(np.log(p) - np.log1p(-p))


def fit_platt(labels: np.ndarray, probabilities: np.ndarray) -> Platt:
    """Fit Platt's calibration on log-odds.

    Cross-entropy against his smoothed targets (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), which keep the
    fit finite where the classes do not overlap (Platt 1999; Lin, Lin and Weng 2007,
    10.1007/s10994-007-5018-6). Where the best slope would be negative, the best constant is
    returned: a calibration must not turn the ranking round.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1, both there.
    probabilities : numpy.ndarray
        Shape (n,): of class 1, by a model that was not trained on these.

    Raises
    ------
    InputError
        When labels hold one class only, or there is not one probability a label.
    """
    y, p = _checked(labels, probabilities)
    n1 = int(y.sum())
    targets = np.where(y == 1, (n1 + 1) / (n1 + 2), 1 / (len(y) - n1 + 2))
    slope, intercept = _logistic_line(log_odds(p), targets)
    if slope >= 0:
        return Platt(slope, intercept)
    return Platt(0.0, float(log_odds(targets.mean())))


def fit_isotonic(labels: np.ndarray, probabilities: np.ndarray) -> Isotonic:
    """Fit the rising function of least squares (pool adjacent violators).

    Equal probabilities are one point; between points it is a straight line, as in scikit-learn.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1, both there.
    probabilities : numpy.ndarray
        Shape (n,): of class 1, by a model that was not trained on these.

    Raises
    ------
    InputError
        When labels hold one class only, or there is not one probability a label.
    """
    from scipy.optimize import isotonic_regression

    y, p = _checked(labels, probabilities)
    x, places, counts = np.unique(p, return_inverse=True, return_counts=True)
    shares = np.bincount(places, y) / counts
    fitted = np.clip(isotonic_regression(shares, weights=counts).x, 0, 1)
    # points between two of the same height say nothing
    bends = np.ones(len(x), dtype=bool)
    bends[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return Isotonic(tuple(x[bends].tolist()), tuple(fitted[bends].tolist()))


def expected_calibration_error(
    labels: np.ndarray,
    probabilities: np.ndarray,
    bins: Bins = Bins.EQUAL_WIDTH,
    n_bins: int = N_BINS,
) -> float:
    """Return the mean distance of predicted from observed frequency, weighted by structures.

    The sum over bins of |sum of p - number of class 1| / n (Naeini et al. 2015; equal mass: Nixon
    et al. 2019). Of few structures it is too large: chance alone keeps it from 0.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1.
    probabilities : numpy.ndarray
        Shape (n,): of class 1. Equal ones share a bin.
    bins : Bins
        Of equal width (a bin holds its upper edge) or of equal mass.
    n_bins : int
        At most.
    """
    from scipy.stats import rankdata

    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    if not len(p):
        return float("nan")
    if bins is Bins.EQUAL_WIDTH:
        places = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], p)
    else:
        places = ((rankdata(p) - 0.5) * n_bins / len(p)).astype(np.int64)
    return float(np.abs(np.bincount(places, p - y)).sum() / len(p))


def _logistic_line(x: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the least cross-entropy, by Newton's steps, halved if need be.

    Columns are centred and scaled first, so that the two equations are well conditioned.
    """
    middle, width = float(x.mean()), float(x.std()) or 1.0
    columns = np.stack([(x - middle) / width, np.ones_like(x)], axis=1)
    line = np.array([0.0, float(log_odds(targets.mean()))])
    loss = _cross_entropy(columns @ line, targets)
    for _ in range(_MOST_STEPS):
        step = _newton_step(columns, line, targets)
        while (tried := _cross_entropy(columns @ (line + step), targets)) > loss:
            step = step / 2
            if np.abs(step).max() < _TOLERANCE:
                break
        if np.abs(step).max() < _TOLERANCE:
            break
        line, loss = line + step, tried
    slope = float(line[0]) / width
    return slope, float(line[1]) - slope * middle


def _newton_step(columns: np.ndarray, line: np.ndarray, targets: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    p = expit(columns @ line)
    gradient = columns.T @ (targets - p)
    # the ridge only matters where all log-odds are equal and the slope means nothing
    hessian = (columns * (p * (1 - p))[:, None]).T @ columns + 1e-12 * np.eye(2)
    return np.asarray(np.linalg.solve(hessian, gradient))


def _cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float(np.sum(np.logaddexp(0, logits) - targets * logits))


def _checked(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, p = np.asarray(labels, dtype=float), np.asarray(probabilities, dtype=float)
    if y.shape != p.shape or y.ndim != 1:
        raise InputError(f"calibration: {y.shape} labels do not fit {p.shape} probabilities")
    if not np.isfinite(p).all():
        raise InputError("calibration: a probability is not a number")
    if len(set(y.tolist())) != 2 or not np.isin(y, (0, 1)).all():
        raise InputError("calibration: labels must be 0 and 1, and both must be there")
    return y, p


def _numbers(values: Mapping[str, Any], name: str) -> np.ndarray:
    try:
        found = np.asarray(values[name], dtype=float)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"calibration: {name} is missing or holds no numbers") from None
    if not np.isfinite(found).all():
        raise InputError(f"calibration: {name} holds what is not a number")
    return found
