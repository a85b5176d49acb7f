"""Conformal sets of classes, and the coverage that is observed on structures not calibrated on.

Pure functions of probabilities and labels; which predictions calibrate is decided by callers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sie.errors import InputError

CLASSES = (0, 1)

SETS = ("none", "0", "1", "both")
"""Names of the four sets of classes: empty, {0}, {1} and {0, 1}."""


@dataclass(frozen=True)
class ConformalSets:
    """Sets of classes that hold the true one with a given confidence, class by class.

    Split conformal prediction with a threshold for each class (Mondrian; Vovk 2012,
    10.48550/arXiv.1209.2673): among structures exchangeable with those calibrated on, at least
    a share `confidence` of the superionic ones, and of the others, has its class in its set. On
    unlike structures nothing is promised; `coverage` says what is observed there.

    Attributes
    ----------
    confidence : float
        In (0, 1).
    thresholds : tuple of float
        By class: the class is in the set where 1 less its probability is no more than this;
        infinity where too few structures calibrated it, so that it is in every set.
    counts : tuple of int
        Structures calibrated on, by class.
    """

    confidence: float
    thresholds: tuple[float, float]
    counts: tuple[int, int]

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which classes are in the set of each structure, bool of shape (n, 2)."""
        scores = [_strangeness(probabilities, c) for c in CLASSES]
        return np.stack([s <= t for s, t in zip(scores, self.thresholds, strict=True)], axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; an infinite threshold is None."""
        return {
            "kind": "conformal",
            "confidence": self.confidence,
            "thresholds": [t if math.isfinite(t) else None for t in self.thresholds],
            "counts": list(self.counts),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ConformalSets:
        """Build from plain values.

        Raises
        ------
        InputError
            When they are not those of a fit.
        """
        try:
            given = [math.inf if t is None else float(t) for t in values["thresholds"]]
            n0, n1 = (int(n) for n in values["counts"])
            t0, t1 = given
            confidence = float(values["confidence"])
        except (KeyError, TypeError, ValueError):
            raise InputError(
                "conformal sets: confidence, two thresholds and two counts are needed"
            ) from None
        if not 0 < confidence < 1 or math.isnan(t0) or math.isnan(t1):
            raise InputError("conformal sets: confidence must lie between 0 and 1")
        return cls(confidence, (t0, t1), (n0, n1))


@dataclass(frozen=True)
class Coverage:
    """What sets do on structures whose classes are known.

    Attributes
    ----------
    counts : tuple of int
        Structures by class.
    covered : tuple of int
        Those whose class is in their set, by class.
    sets : Mapping[str, int]
        Structures by set, the keys of `SETS`.
    """

    counts: tuple[int, int]
    covered: tuple[int, int]
    sets: Mapping[str, int]

    @property
    def share(self) -> float:
        """Share of all structures whose class is in their set; NaN of none."""
        return _share(sum(self.covered), sum(self.counts))

    @property
    def by_class(self) -> tuple[float, float]:
        """The same of class 0 and of class 1."""
        return (
            _share(self.covered[0], self.counts[0]),
            _share(self.covered[1], self.counts[1]),
        )

    @property
    def mean_size(self) -> float:
        """Mean number of classes in a set: 1 where every set decides, 2 where none does."""
        sizes = {"none": 0, "0": 1, "1": 1, "both": 2}
        return _share(sum(sizes[name] * n for name, n in self.sets.items()), sum(self.counts))


def fit_conformal(
    labels: np.ndarray, probabilities: np.ndarray, confidence: float
) -> ConformalSets:
    """Find the threshold of each class from predictions for structures not trained on.

    The k-th smallest of the n numbers 1 - p(class) of a class, k = ceil((n + 1) confidence);
    infinity where k exceeds n, that is with fewer than confidence / (1 - confidence) structures.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1.
    probabilities : numpy.ndarray
        Shape (n,): of class 1.
    confidence : float
        In (0, 1), e.g. 0.9.

    Raises
    ------
    InputError
        When confidence is out of range, or there is not one probability a label.
    """
    y, p = np.asarray(labels), np.asarray(probabilities, dtype=float)
    if y.shape != p.shape or y.ndim != 1 or not np.isfinite(p).all():
        raise InputError("conformal sets: one finite probability for every label is needed")
    if not 0 < confidence < 1:
        raise InputError(f"conformal sets: 0 < confidence < 1 must hold, but it is {confidence}")
    own = [np.sort(_strangeness(p[y == c], c)) for c in CLASSES]
    t0, t1 = (_quantile(scores, confidence) for scores in own)
    return ConformalSets(confidence, (t0, t1), (len(own[0]), len(own[1])))


def set_names(sets: np.ndarray) -> np.ndarray:
    """Return the name of each set, of `SETS`, from bool of shape (n, 2)."""
    return np.array(SETS)[np.asarray(sets, dtype=np.int64) @ np.array([1, 2])]


def coverage(labels: np.ndarray, sets: np.ndarray) -> Coverage:
    """Count the structures whose class is in their set.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1.
    sets : numpy.ndarray
        Bool, shape (n, 2), of `ConformalSets`.
    """
    y = np.asarray(labels, dtype=np.int64)
    held = sets[np.arange(len(y)), y]
    names = set_names(sets)
    n0, n1 = (int((y == c).sum()) for c in CLASSES)
    c0, c1 = (int((held & (y == c)).sum()) for c in CLASSES)
    return Coverage((n0, n1), (c0, c1), {name: int((names == name).sum()) for name in SETS})


def left_out_coverage(
    labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, confidence: float
) -> dict[int, Coverage]:
    """Return for every group what sets calibrated on the other groups do on it.

    With clusters as groups this is the coverage under shift; with random numbers as groups it is
    that of exchangeable structures, which the confidence promises. Each probability must come from
    a training without its structure's group. Networks that predict one cluster have then seen the
    others: a calibration that is blind to the outer cluster altogether needs the trainings without
    pairs of clusters, see `sie.nested`.

    Parameters
    ----------
    labels, probabilities : numpy.ndarray
        Shape (n,).
    groups : numpy.ndarray
        Shape (n,), int: of each structure.
    confidence : float
        In (0, 1).
    """
    y, p, g = (np.asarray(values) for values in (labels, probabilities, groups))
    found = {}
    for group in np.unique(g):
        own = g == group
        found[int(group)] = coverage(y[own], fit_conformal(y[~own], p[~own], confidence)(p[own]))
    return found


def pooled(parts: Mapping[int, Coverage]) -> Coverage:
    """Return the counts of several groups together."""
    items = list(parts.values())
    n0, n1 = (sum(item.counts[c] for item in items) for c in CLASSES)
    c0, c1 = (sum(item.covered[c] for item in items) for c in CLASSES)
    return Coverage((n0, n1), (c0, c1), {s: sum(item.sets[s] for item in items) for s in SETS})


def _strangeness(probabilities: np.ndarray, label: int) -> np.ndarray:
    """Return 1 less the probability of a class, the same way for calibrating and for using."""
    p = np.asarray(probabilities, dtype=float)
    return 1 - p if label == 1 else p


def _quantile(rising: np.ndarray, confidence: float) -> float:
    # 100 * 0.55 is 55.00000000000001, which would be rank 56
    rank = math.ceil(round((len(rising) + 1) * confidence, 9))
    return float(rising[rank - 1]) if rank <= len(rising) else math.inf


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
