"""Scores of a two-class prediction, in NumPy with one sort: cheap enough for every epoch.

Numbers only; which of them steers a search, and how curves are smoothed, is decided elsewhere.
"""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.5
"""Probabilities above it are predicted as class 1."""


def binary_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Score probabilities against labels.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1.
    probabilities : numpy.ndarray
        Shape (n,): of class 1, finite. Equal ones are one threshold.

    Returns
    -------
    dict
        auc_pr : area under the precision-recall curve by the trapezoidal rule (the article's),
        continued to recall 0 at the precision of the highest scores: the positive fraction for a
        constant prediction, scikit-learn's area where the highest score is no tie of both classes;
        ap : average precision, the same area by steps;
        roc_auc : area under the ROC curve;
        mcc, f1, balanced_accuracy : at the threshold 0.5.
        NaN marks what the labels leave undefined: without class 1, auc_pr, ap and f1; with one
        class only, roc_auc, mcc and balanced_accuracy. With both classes but one predicted, mcc
        is 0.
    """
    positive = np.asarray(labels) == 1
    scores = np.asarray(probabilities)
    return {**_ranking(positive, scores), **_at_threshold(positive, scores)}


def binary_log_loss(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean cross-entropy in nats of log-odds (n,) against labels (n,) of 0 and 1."""
    x = np.asarray(logits, dtype=np.float64)
    return float(np.mean(np.logaddexp(0, x) - np.asarray(labels) * x))


def _ranking(positive: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last_of_tie = np.append(falling[1:] != falling[:-1], True)
    taken = np.flatnonzero(last_of_tie) + 1
    true_positive = np.cumsum(positive[order])[last_of_tie]
    result = {"auc_pr": np.nan, "ap": np.nan, "roc_auc": np.nan}
    if n_positive:
        # The curve starts at recall 0 with the precision of the first threshold. scikit-learn
        # starts at precision 1, the same area where scores differ; but a network that has
        # collapsed to one value for all would then score (1 + p) / 2 at a positive fraction p,
        # 0.74 on a balanced cluster, and win searches.
        precision = true_positive / taken
        precision = np.append(precision[0], precision)
        recall = np.append(0.0, true_positive / n_positive)
        result["auc_pr"] = _area(recall, precision)
        result["ap"] = float(np.diff(recall) @ precision[1:])
    if n_positive and n_negative:
        hits = np.append(0, true_positive)
        misses = np.append(0, taken - true_positive)
        result["roc_auc"] = _area(misses, hits) / (n_positive * n_negative)
    return result


def _area(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.diff(x) @ (y[1:] + y[:-1]) / 2)


def _at_threshold(positive: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    predicted = probabilities > THRESHOLD
    tp = float(np.sum(predicted & positive))
    fp = float(np.sum(predicted & ~positive))
    fn = float(np.sum(~predicted & positive))
    tn = float(np.sum(~predicted & ~positive))
    has_positive, has_negative = tp + fn > 0, tn + fp > 0
    result = {"mcc": np.nan, "f1": np.nan, "balanced_accuracy": np.nan}
    if has_positive:
        result["f1"] = 2 * tp / (2 * tp + fp + fn)
    if has_positive and has_negative:
        product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        result["mcc"] = (tp * tn - fp * fn) / np.sqrt(product) if product else 0.0
        result["balanced_accuracy"] = (tp / (tp + fn) + tn / (tn + fp)) / 2
    return {name: float(value) for name, value in result.items()}
