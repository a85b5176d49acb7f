"""Random folds for the same candidates and mixtures, beside the estimate over left-out clusters.

Networks are read at their last epochs: nothing is chosen on a fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sie.comparison.tables import mean_interval
from sie.nested.candidates import Candidate
from sie.nested.estimate import SCORED, Frame
from sie.nested.trainings import Fits
from sie.training.metrics import binary_metrics

LAST_EPOCHS = 10

FOLDS = "folds"
"""Folder of the trainings on random folds, below that of the others."""


def folds_table(fits: Sequence[Fits], frame: Frame, forest: str, best: str) -> pd.DataFrame:
    """Return scores in random folds of the forest, networks and their mixture.

    Parameters
    ----------
    fits : sequence of Fits
        Of candidates and baselines on the folds.
    frame : Frame
        Its clusters are the folds.
    forest : str
        Name of the baseline to mix in.
    best : str
        Hash of the candidate that is also shown alone.

    Returns
    -------
    pandas.DataFrame
        Columns system (a constant prediction is one), members, auc_pr, mcc, roc_auc (means over
        folds), low and high (95 % interval of AUC-PR over folds), minus_forest with low and high
        (of the differences, paired by fold), auc_pr_<fold>.
    """
    networks = [item for item in fits if isinstance(item.candidate, Candidate)]
    alone = [item for item in networks if item.candidate.hash == best]
    parts = {
        "forest": [item for item in fits if item.candidate.name == forest],
        "chosen network": alone,
    }
    predicted = dict(fold_predictions(fits, frame, forest))
    both = predicted.pop("all networks + forest", None)
    if alone:
        predicted["chosen network"] = _mean(alone, frame)
    if both is not None:
        predicted["all networks + forest"] = both
    predicted["constant"] = {fold: np.zeros(len(frame.classes(fold))) for fold in frame.clusters}
    parts["constant"] = []
    scored = {
        name: [binary_metrics(frame.classes(fold), p) for fold, p in of_folds.items()]
        for name, of_folds in predicted.items()
    }
    areas = {name: np.array([s["auc_pr"] for s in scores]) for name, scores in scored.items()}
    rows = []
    for name, scores in scored.items():
        low, high = mean_interval(areas[name])
        row = {
            "system": name,
            "members": len(parts.get(name, networks)),
            **{key: np.mean([score[key] for score in scores]) for key in SCORED},
            "low": low,
            "high": high,
        }
        if "forest" in areas:
            less = areas[name] - areas["forest"]
            row["minus_forest"] = less.mean()
            row["minus_forest_low"], row["minus_forest_high"] = mean_interval(less)
        by_fold = zip(predicted[name], areas[name], strict=True)
        rows.append(row | {f"auc_pr_{fold}": area for fold, area in by_fold})
    return pd.DataFrame(rows)


def fold_predictions(
    fits: Sequence[Fits], frame: Frame, forest: str
) -> Mapping[str, Mapping[int, np.ndarray]]:
    """Return each system's probabilities by fold, of what is there: networks, forest, both."""
    forests = [item for item in fits if item.candidate.name == forest]
    networks = [item for item in fits if isinstance(item.candidate, Candidate)]
    parts = {"forest": forests, "all networks": networks}
    predicted = {name: _mean(items, frame) for name, items in parts.items() if items}
    if forests and networks:
        one, other = predicted["forest"], predicted["all networks"]
        predicted["all networks + forest"] = {f: (one[f] + other[f]) / 2 for f in one}
    return predicted


def _mean(items: Sequence[Fits], frame: Frame) -> Mapping[int, np.ndarray]:
    n = max(1, LAST_EPOCHS // frame.every)
    means = {}
    for fold in frame.clusters:
        last = [item.probabilities[str(fold)][-n:].mean(axis=0) for item in items]
        means[fold] = np.mean([p for p in last if np.isfinite(p).all()], axis=0)
    return means
