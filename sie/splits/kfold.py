"""Stratified k-fold over the development ids.

The comparison to leave-one-cluster-out; neighbours in chemistry may stand on both sides here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from sie.errors import InputError
from sie.splits.record import Split


def stratified_folds(
    ids: Iterable[str], labels: Mapping[str, int], n_splits: int = 5, seed: int = 42
) -> list[Split]:
    """Divide ids into folds that hold the classes in equal shares (article: 5 folds, seed 42).

    Parameters
    ----------
    ids : iterable of str
        Unique ids in any order; the folds are drawn on the sorted ones.
    labels : Mapping
        Class, 0 or 1, of at least these ids.
    n_splits : int
        Number of folds.
    seed : int
        Random state of the shuffle.

    Returns
    -------
    list of Split
        `kfold-0` to `kfold-<n_splits - 1>`; every id validates in exactly one of them.

    Raises
    ------
    InputError
        When there are fewer than 2 folds, or a class has fewer entries than there are folds.
    ValueError
        When an id is given twice.
    """
    from sklearn.model_selection import StratifiedKFold

    ordered = np.array(sorted(ids), dtype=object)
    if len(set(ordered)) != len(ordered):
        raise ValueError("ids must be unique")
    classes = np.array([int(labels[entry]) for entry in ordered], dtype=np.int8)
    _require_enough(Counter(classes.tolist()), n_splits)
    folds = StratifiedKFold(n_splits=n_splits, shuffle=True, random_state=seed)
    return [
        Split(
            f"kfold-{number}",
            tuple(ordered[train]),
            tuple(ordered[validation]),
            {"kind": "kfold", "fold": number, "n_splits": n_splits, "seed": seed},
        )
        for number, (train, validation) in enumerate(folds.split(ordered, classes))
    ]


def _require_enough(counts: Counter[int], n_splits: int) -> None:
    if n_splits < 2:
        raise InputError(f"k-fold: at least 2 folds are needed, but got {n_splits}")
    scarce = min(counts[0], counts[1])
    if scarce < n_splits:
        raise InputError(
            f"k-fold: {n_splits} folds need {n_splits} entries of each class, but there are "
            f"{counts[1]} positive and {counts[0]} negative; use fewer folds or more entries"
        )
