"""Tables of a comparison: every evaluation, the means with intervals, paired differences.

Arithmetic on evaluations only; drawing belongs to the reporting room.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sie.comparison.record import SCORES, SystemResults
from sie.splits.record import Split

CONFIDENCE = 0.95


def evaluations_table(
    results: Sequence[SystemResults], splits: Sequence[Split], positives: dict[str, float]
) -> pd.DataFrame:
    """Return one row per evaluation.

    Parameters
    ----------
    results : sequence of SystemResults
        What was evaluated.
    splits : sequence of Split
        What it was evaluated on.
    positives : dict
        Positive fraction of every split's validation part, by the split's name.

    Returns
    -------
    pandas.DataFrame
        Columns system, kind, split, seed, status, n_train, n_validation, positive_fraction, the
        scores (NaN where an evaluation has none), seconds.
    """
    sizes = {split.name: (len(split.train), len(split.validation)) for split in splits}
    rows = [
        {
            "system": result.name,
            "kind": str(result.kind),
            "split": item.split,
            "seed": item.seed,
            "status": str(item.status),
            "n_train": sizes[item.split][0],
            "n_validation": sizes[item.split][1],
            "positive_fraction": positives[item.split],
            **{score: item.scores.get(score, np.nan) for score in SCORES},
            "seconds": item.seconds,
        }
        for result in results
        for item in result.evaluations
    ]
    return pd.DataFrame(rows)


def by_split(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return mean and sd over seeds of every score, one row per system and split."""
    keys = ["system", "kind", "split"]
    groups = evaluations.groupby(keys, sort=False)
    means = groups[["n_validation", "positive_fraction", *SCORES]].mean()
    spreads = groups[list(SCORES)].std(ddof=1).add_suffix("_sd_seeds")
    counts = groups["seed"].count().rename("n_seeds")
    return pd.concat([counts, means, spreads], axis=1).reset_index()


def summary(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return one row per system: means over splits with their intervals.

    Each score is averaged over seeds first. `<score>_low` and `<score>_high` bound the 95 %
    interval of the mean over splits (Student's t, n_splits - 1 degrees of freedom): how far
    another set of folds or clusters could move it. Training parts overlap, so that it is an
    approximation, as every interval of a cross-validation is. `<score>_sd_seeds` is the standard
    deviation over seeds of the mean over splits.

    Parameters
    ----------
    evaluations : pandas.DataFrame
        Of `evaluations_table`.
    """
    means = by_split(evaluations)
    rows = []
    for system, own in means.groupby("system", sort=False):
        every = evaluations[evaluations["system"] == system]
        row = {
            "system": system,
            "kind": own["kind"].iloc[0],
            "n_splits": len(own),
            "n_seeds": int(own["n_seeds"].max()),
            "n_without_score": int(every["auc_pr"].isna().sum()),
        }
        for score in SCORES:
            row[score] = own[score].mean()
            row[f"{score}_low"], row[f"{score}_high"] = mean_interval(own[score].to_numpy())
            row[f"{score}_sd_seeds"] = over_splits(every, score).std(ddof=1)
        rows.append(row)
    return pd.DataFrame(rows)


def differences(evaluations: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return every system's mean difference to a reference, paired by split.

    Parameters
    ----------
    evaluations : pandas.DataFrame
        Of `evaluations_table`.
    reference : str
        Name of the system that the others are compared with.

    Returns
    -------
    pandas.DataFrame
        Columns system, and for AUC-PR and MCC the mean difference with its 95 % interval over
        splits and the number of splits on which the system is better.
    """
    means = by_split(evaluations)
    wide = {score: means.pivot(index="split", columns="system", values=score) for score in SCORES}
    rows = []
    for system in means["system"].unique():
        row = {"system": system, "reference": reference}
        for score in ("auc_pr", "mcc"):
            difference = (wide[score][system] - wide[score][reference]).dropna().to_numpy()
            row[score] = difference.mean() if len(difference) else np.nan
            row[f"{score}_low"], row[f"{score}_high"] = mean_interval(difference)
            row[f"{score}_better"] = int((difference > 0).sum())
            row["n_splits"] = len(difference)
        rows.append(row)
    return pd.DataFrame(rows)


def over_splits(evaluations: pd.DataFrame, score: str) -> pd.Series:
    """Return for each seed the mean over splits; seeds without a score on all of them are absent.

    Means over different splits would differ by the splits.
    """
    table = evaluations.pivot_table(index="seed", columns="split", values=score, dropna=False)
    return table.dropna().mean(axis=1)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values (n,) by Student's t; NaN below two values."""
    from scipy.stats import t

    known = values[np.isfinite(values)]
    if len(known) < 2:
        return np.nan, np.nan
    half = t.ppf((1 + CONFIDENCE) / 2, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean() - half), float(known.mean() + half)
