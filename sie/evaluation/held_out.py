"""The test structures, drawn here and nowhere else, and whether they are the ensemble's own.

Drawing and checking; who may look, and how often, is decided in `once`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sie.datasets.record import Database
from sie.ensemble.record import Recipe
from sie.errors import InputError
from sie.search.problem import TEST_SETS, DevelopmentData, draw_test_set
from sie.splits.record import HoldOut, Split

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class HeldOut:
    """The test structures and what was measured on them.

    Attributes
    ----------
    structures : Mapping[str, Structure]
        As the source gives them, n.
    formulas : tuple of str
        Shape (n,).
    labels : numpy.ndarray
        Int8, shape (n,).
    log10_sigma : numpy.ndarray
        Float64, shape (n,), sigma in S/cm; NaN where only the class is known.
    censored : numpy.ndarray
        Bool, shape (n,): sigma is an upper bound.
    split : Split
        Development ids as training, test ids as validation.
    """

    structures: Mapping[str, Structure]
    formulas: tuple[str, ...]
    labels: np.ndarray
    log10_sigma: np.ndarray
    censored: np.ndarray
    split: Split

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in the order of everything else."""
        return self.split.validation


def open_test_set(database: Database, held: HoldOut) -> HeldOut:
    """Return the test structures of a database."""
    part = database.subset(held.test)
    return HeldOut(
        structures=part.structures,
        formulas=tuple(part.table["formula"]),
        labels=part.labels,
        log10_sigma=part.table["log10_sigma"].to_numpy(dtype=np.float64),
        censored=part.table["censored"].to_numpy(dtype=bool),
        split=Split("test", held.development, held.test, held.method),
    )


def require_own_data(recipe: Recipe, database: Database) -> None:
    """Make sure that the ensemble was trained on this dataset.

    Raises
    ------
    InputError
        When the dataset's hash is another one.
    """
    if database.hash != recipe.dataset_hash:
        raise InputError(
            f"the ensemble was built on dataset {recipe.dataset} ({recipe.dataset_hash}), but "
            f"--dataset gives {database.name} ({database.hash}); give the data as for "
            "build_ensemble.py"
        )


def require_own_test_set(
    recipe: Recipe, data: DevelopmentData, database: Database, test_set: str
) -> None:
    """Make sure that the ensemble has not learnt from this test set.

    Raises
    ------
    InputError
        When another test set was kept away from it; names the option that gives it, if one does.
    """
    if data.hold_out_hash == recipe.hold_out_hash:
        return
    others = [name for name in TEST_SETS if name != test_set]
    fitting = [name for name in others if _hash(database, data, name) == recipe.hold_out_hash]
    way_out = (
        f"give --test-set {fitting[0]}"
        if fitting
        else "it was built by another sie, or on data with other duplicates: build it again"
    )
    raise InputError(
        f"the ensemble kept the test set {recipe.hold_out_hash} away, but --test-set {test_set} is "
        f"{data.hold_out_hash}, which it may have learnt from; {way_out}"
    )


def _hash(database: Database, data: DevelopmentData, test_set: str) -> str:
    try:
        return draw_test_set(database, data.groups, test_set).hash
    except InputError:
        return ""
