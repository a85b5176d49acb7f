"""Scores of probabilities on the test set, the confusion matrix and the calibration curve.

Numbers of one set of predictions; their uncertainty lives in `bootstrap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sie.training.metrics import THRESHOLD, binary_metrics

SCORES: Mapping[str, str] = {
    "auc_pr": "AUC-PR",
    "ap": "AP",
    "mcc": "MCC",
    "roc_auc": "ROC-AUC",
    "brier": "Brier",
    "f1": "F1",
    "balanced_accuracy": "balanced accuracy",
}
"""Every score with the name that tables show; all but Brier are better when larger."""

N_BINS = 5
"""Of the calibration curve; a test set of tens of structures fills no more."""


@dataclass(frozen=True)
class Confusion:
    """Counts of predicted against measured class."""

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


@dataclass(frozen=True)
class Calibration:
    """How often structures of a predicted probability are superionic.

    Attributes
    ----------
    edges : numpy.ndarray
        Shape (n_bins + 1,): equal bins of [0, 1]; a bin holds its upper edge, the first 0 too.
    counts : numpy.ndarray
        Int64, shape (n_bins,): structures.
    predicted, observed : numpy.ndarray
        Shape (n_bins,): mean probability and share of class 1; NaN where a bin is empty.
    """

    edges: np.ndarray
    counts: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray


def evaluation_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return all `SCORES` of probabilities (n,) against labels (n,) of 0 and 1.

    Brier is the mean squared difference, the others are those of
    `sie.training.metrics.binary_metrics`; NaN marks what the labels leave undefined.
    """
    return {
        **binary_metrics(labels, probabilities),
        "brier": float(np.mean((np.asarray(probabilities) - np.asarray(labels)) ** 2)),
    }


def predicted_classes(probabilities: np.ndarray) -> np.ndarray:
    """Return int64 classes (n,): 1 where a probability exceeds 0.5, as for all scores."""
    return (np.asarray(probabilities) > THRESHOLD).astype(np.int64)


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> Confusion:
    """Count predicted against measured classes."""
    positive = np.asarray(labels) == 1
    predicted = predicted_classes(probabilities) == 1
    pairs = ((False, False), (False, True), (True, False), (True, True))
    return Confusion(*(int(np.sum((positive == a) & (predicted == b))) for a, b in pairs))


def calibration(labels: np.ndarray, probabilities: np.ndarray, n_bins: int = N_BINS) -> Calibration:
    """Compare predicted probabilities with frequencies in bins of equal width.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1.
    probabilities : numpy.ndarray
        Shape (n,), in [0, 1].
    n_bins : int
        Number of bins.
    """
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    edges = np.linspace(0, 1, n_bins + 1)
    places = np.searchsorted(edges[1:-1], p)
    counts = np.bincount(places, minlength=n_bins)

    def mean_of(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(places, values, n_bins)
        return np.divide(sums, counts, out=np.full(n_bins, np.nan), where=counts > 0)

    return Calibration(edges, counts, mean_of(p), mean_of(y))
