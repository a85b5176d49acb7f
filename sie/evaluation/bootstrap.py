"""Percentile intervals by drawing structures again, and paired differences of two predictions.

What is scored is given as a function; which predictions are compared is decided elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

N_RESAMPLES = 2000
CONFIDENCE = 0.95
SEED = 0

Score = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]


@dataclass(frozen=True)
class Interval:
    """A number with its interval.

    Attributes
    ----------
    value : float
        On the structures themselves.
    low, high : float
        Of the interval; NaN where no resample defines the number.
    n : int
        Resamples that define it.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0


@dataclass(frozen=True)
class Resampled:
    """Scores of one set of predictions.

    Attributes
    ----------
    value : Mapping[str, float]
        On the structures themselves.
    drawn : Mapping[str, numpy.ndarray]
        Shape (n_resamples,): on each resample; NaN where it leaves a score undefined.
    """

    value: Mapping[str, float]
    drawn: Mapping[str, np.ndarray]

    def intervals(self) -> dict[str, Interval]:
        """Return the percentile interval of every score."""
        return {name: interval(value, self.drawn[name]) for name, value in self.value.items()}

    def minus(self, other: Resampled) -> dict[str, Interval]:
        """Return the difference of every score with the interval of the paired differences.

        Both must have been scored on the same resamples.
        """
        return {
            name: interval(value - other.value[name], self.drawn[name] - other.drawn[name])
            for name, value in self.value.items()
        }


def resamples(n: int, n_resamples: int = N_RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Draw structures with replacement, the classes as they fall.

    Not stratified: the test set is a draw itself, and how many of its structures are superionic is
    part of the chance.

    Parameters
    ----------
    n : int
        Structures.
    n_resamples : int
        Draws.
    seed : int
        Of the generator.

    Returns
    -------
    numpy.ndarray
        Int64, shape (n_resamples, n): positions.
    """
    return np.random.default_rng(seed).integers(0, n, (n_resamples, n))


def resample(
    score: Score, labels: np.ndarray, probabilities: np.ndarray, draws: np.ndarray
) -> Resampled:
    """Score predictions on the structures and on every resample.

    A resample of one class leaves most scores undefined; those are NaN, and an interval says how
    many resamples it rests on.

    Parameters
    ----------
    score : callable
        From labels (n,) and probabilities (n,) to scores by name.
    labels, probabilities : numpy.ndarray
        Shape (n,).
    draws : numpy.ndarray
        Of `resamples`, shape (n_resamples, n).
    """
    y, p = np.asarray(labels), np.asarray(probabilities)
    rows = [score(y[draw], p[draw]) for draw in draws]
    value = dict(score(y, p))
    return Resampled(value, {name: np.array([row[name] for row in rows]) for name in value})


def interval(value: float, drawn: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Return a number with the percentile interval of what was drawn, without its NaN."""
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return Interval(float(value))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return Interval(float(value), float(low), float(high), len(defined))
