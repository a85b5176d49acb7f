"""The `Database`: labelled crystals that travel from a source to everything after it.

What a source must deliver lives here; reading files and judging them does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sie.errors import InputError
from sie.hashing import content_hash

if TYPE_CHECKING:
    from pymatgen.core import Structure

SUPERIONIC_SIGMA_S_PER_CM = 1e-4
"""Room-temperature conductivity from which a compound counts as superionic (class 1)."""

COLUMNS = (
    "formula",  # reduced formula of the structure
    "sigma_S_per_cm",  # room-temperature conductivity; NaN where only a class is known
    "log10_sigma",
    "label",  # 1: sigma >= 1e-4 S/cm
    "censored",  # True: sigma is an upper bound
    "ordered",  # True: every site is fully occupied by one species
    "space_group",  # international number
    "source",  # the file or prototype the structure came from
    "doi",
)

SPLIT_COLUMN = "split"
"""Further column of a source with a test set of its own: `TRAIN` or `TEST` for every entry."""

TRAIN, TEST = "train", "test"

_NAME = re.compile(r"\w[\w .+-]*")


def require_name(name: str, where: str) -> None:
    """Make sure that a dataset's name can be part of a path: results and artifacts bear it.

    Raises
    ------
    InputError
        When it cannot; `where` is what the message begins with.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{where}: a dataset cannot be called {name[:80]!r}; rename it: a letter or a digit, "
            "then letters, digits, blanks and . _ + - only"
        )


@dataclass(frozen=True)
class Source:
    """Where a dataset's files are, as the user said it; a loader takes what it needs.

    Attributes
    ----------
    data_dir : Path or None
        Local copy of a dataset that is otherwise downloaded.
    table, cifs : Path or None
        CSV and CIF folder; only the dataset "table" is given them.
    """

    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None


@dataclass(frozen=True)
class LeftOut:
    """An entry that did not enter the database, with the reason in a few words."""

    id: str
    reason: str
    file: str = ""


@dataclass(frozen=True)
class Database:
    """Labelled structures of one source.

    Attributes
    ----------
    name : str
        Name of the dataset.
    table : pandas.DataFrame
        One row per entry, indexed by id (str), with `COLUMNS`.
    structures : Mapping[str, Structure]
        The crystal of every row.
    left_out : tuple of LeftOut
        Entries of the source that could not be used.
    """

    name: str
    table: pd.DataFrame
    structures: Mapping[str, Structure]
    left_out: tuple[LeftOut, ...] = field(default=())

    def __post_init__(self) -> None:
        require_name(self.name, "name of the data")
        if self.table.empty:
            raise InputError(
                f"dataset {self.name}: no usable entry is left of {len(self.left_out)}: "
                f"{_most_common_reason(self.left_out)}"
            )
        if list(self.table.index) != list(self.structures):
            raise ValueError("table and structures must hold the same ids in the same order")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in the order of the table."""
        return tuple(self.table.index)

    @property
    def labels(self) -> np.ndarray:
        """Classes as int8, shape (n,), in the order of the table."""
        return self.table["label"].to_numpy(dtype=np.int8)

    def subset(self, ids: Iterable[str]) -> Database:
        """Return the database of the given ids, in the given order."""
        chosen = list(ids)
        return Database(
            self.name,
            self.table.loc[chosen],
            {entry: self.structures[entry] for entry in chosen},
            self.left_out,
        )

    @cached_property
    def hash(self) -> str:
        """Content hash over ids, labels and crystals; the order of entries does not matter."""
        rows = []
        for entry in sorted(self.ids):
            row, structure = self.table.loc[entry], self.structures[entry]
            rows.append(
                (
                    entry,
                    int(row["label"]),
                    str(float(row["log10_sigma"])),
                    bool(row["censored"]),
                    structure_hash(structure),
                )
            )
        return content_hash("database-1", rows)


def structure_hash(structure: Structure) -> str:
    """Hash lattice (1e-6 Å), fractional coordinates (1e-6) and occupied species of a crystal."""
    sites = [
        sorted((str(species), round(float(amount), 6)) for species, amount in site.species.items())
        for site in structure
    ]
    # adding 0.0 turns -0.0 into 0.0, which would otherwise hash differently
    return content_hash(
        np.round(structure.lattice.matrix, 6) + 0.0,
        np.round(structure.frac_coords, 6) + 0.0,
        sites,
    )


def _most_common_reason(left_out: tuple[LeftOut, ...]) -> str:
    if not left_out:
        return "the source is empty"
    reasons = pd.Series([item.reason for item in left_out]).value_counts()
    reason, times = str(reasons.index[0]), int(reasons.iloc[0])
    first = next(item for item in left_out if item.reason == reason)
    where = f", {first.file}" if first.file else ""
    return f"{reason} ({times} of them, first {first.id}{where}); correct these files or rows"
