"""A table of paired tests between systems, from a table of their evaluations.

Pairs evaluations by split and seed; the tests themselves are in `sie.comparison.significance`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sie.comparison.significance import compare_pair, holm
from sie.errors import InputError

KEYS = ("system", "split", "seed")
P = ("p_splits", "p_resampled", "p_seeds")


def pair_table(
    evaluations: pd.DataFrame, systems: Sequence[str] = (), score: str = "auc_pr"
) -> pd.DataFrame:
    """Compare systems two by two on the splits that both have.

    Means of a split are over all of a system's seeds there; trainings are paired by seed. A
    system that was evaluated once on a split, such as a control, which is a mean over draws
    itself, is paired with every seed of the other. Evaluations without a score (diverged, failed)
    are left out and counted, which flatters the system that lost them.

    Parameters
    ----------
    evaluations : pandas.DataFrame
        Columns system, split, seed and the score; n_train and n_validation where they are known,
        else validation parts are taken to be one in so many as there are splits.
    systems : sequence of str
        Which to compare; all where there are none.
    score : str
        Column to compare by; higher is better.

    Returns
    -------
    pandas.DataFrame
        One row a pair, the clearest first: first, second, score, n_splits, n_cells, n_left_out,
        the means of both, difference, better (splits on which the first is), `P` and the same
        corrected by Holm over all rows as <p>_holm.

    Raises
    ------
    InputError
        When a system or the score is missing, or there are fewer than two systems.
    """
    named = list(dict.fromkeys(systems or evaluations["system"]))
    _require(evaluations, named, score)
    wide = _wide(evaluations, score)
    ratio = _ratio(evaluations)
    rows = [
        {"first": first, "second": second, "score": score, **found}
        for first, second in itertools.combinations(named, 2)
        if (found := _row(wide.get(first, {}), wide.get(second, {}), ratio))
    ]
    if not rows:
        raise InputError("no two of these systems were evaluated on the same split")
    table = pd.DataFrame(rows)
    for name in P:
        table[f"{name}_holm"] = holm(table[name].to_numpy())
    table["size"] = -table["difference"].abs()
    by = ["p_splits", "size"] if table["n_splits"].max() > 1 else ["p_seeds", "size"]
    return table.sort_values(by, kind="stable", ignore_index=True).drop(columns="size")


def _require(evaluations: pd.DataFrame, named: Sequence[str], score: str) -> None:
    if missing := [name for name in (*KEYS, score) if name not in evaluations]:
        known = ", ".join(map(str, evaluations.columns))
        raise InputError(f"evaluations have no column {', '.join(missing)}; there are: {known}")
    there = list(dict.fromkeys(evaluations["system"]))
    if unknown := [name for name in named if name not in there]:
        raise InputError(f"no system {', '.join(unknown)}; there are: {', '.join(there)}")
    if len(named) < 2:
        raise InputError(f"only {', '.join(named) or 'no system'} to compare; name two or more")
    doubled = evaluations[evaluations.duplicated(list(KEYS))]
    if len(doubled):
        first = doubled.iloc[0]
        raise InputError(
            f"{first['system']} on {first['split']} with seed {first['seed']} stands twice in the "
            "evaluations; compare one run of it at a time"
        )


def _wide(evaluations: pd.DataFrame, score: str) -> dict[str, dict[str, pd.Series]]:
    """Return the scores by system and split, indexed by seed."""
    found: dict[str, dict[str, pd.Series]] = {}
    for (system, split), own in evaluations.groupby(["system", "split"], sort=False):
        if own[score].notna().any():
            found.setdefault(system, {})[split] = own.set_index("seed")[score].astype(float)
    return found


def _ratio(evaluations: pd.DataFrame) -> float:
    splits = evaluations.drop_duplicates("split")
    if {"n_train", "n_validation"} <= set(evaluations) and splits["n_train"].gt(0).all():
        return float((splits["n_validation"] / splits["n_train"]).mean())
    return 1 / (len(splits) - 1) if len(splits) > 1 else float("nan")


def _row(one: dict[str, pd.Series], other: dict[str, pd.Series], ratio: float) -> dict[str, float]:
    """Return what the tests of a pair say; nothing where the two share no split."""
    shared = [split for split in one if split in other]
    if not shared:
        return {}
    sides = {split: (np.nanmean(one[split]), np.nanmean(other[split])) for split in shared}
    cells, left_out = {}, 0
    for split in shared:
        a, b = _paired(one[split], other[split])
        known = np.isfinite(a) & np.isfinite(b)
        left_out += int((~known).sum())
        cells[split] = a[known] - b[known]
    means = np.array([a - b for a, b in sides.values()])
    result = compare_pair(means, cells, ratio)
    first_mean, second_mean = np.mean(list(sides.values()), axis=0)
    return {
        "n_splits": result.n_splits,
        "n_cells": result.n_cells,
        "n_left_out": left_out,
        "mean_first": first_mean,
        "mean_second": second_mean,
        "difference": result.difference,
        "better": int((means > 0).sum()),
        **{name: getattr(result, name) for name in P},
    }


def _paired(one: pd.Series, other: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of both for the same seeds; a single one stands for all seeds."""
    if len(one) == 1 or len(other) == 1:
        a, b = np.broadcast_arrays(one.to_numpy(), other.to_numpy())
        return a, b
    shared = one.index.intersection(other.index)
    return one.loc[shared].to_numpy(), other.loc[shared].to_numpy()
