"""Entries that are the same crystal: of each group the one with the median conductivity stays.

Which crystals match is found in `sie.structures.matching`; here it is decided which one is kept.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from sie.datasets.record import SPLIT_COLUMN, TEST, TRAIN, Database, LeftOut

REASON = "duplicate of "
"""Every entry that goes is left out with this and the id of the one that stays."""


@dataclass(frozen=True)
class DuplicateGroup:
    """Entries of one crystal, in the order of their conductivities.

    Attributes
    ----------
    kept : str
        The entry that stays.
    ids : tuple of str
        All entries of the group, the least conductive first, those without a conductivity last.
    sigmas : tuple of float
        Conductivities in S/cm; NaN where only the class is known.
    censored : tuple of bool
        True where sigma is an upper bound.
    labels : tuple of int
        Classes.
    """

    kept: str
    ids: tuple[str, ...]
    sigmas: tuple[float, ...]
    censored: tuple[bool, ...]
    labels: tuple[int, ...]

    @property
    def removed(self) -> tuple[str, ...]:
        """The entries that go."""
        return tuple(entry for entry in self.ids if entry != self.kept)

    @property
    def n_sigmas(self) -> int:
        """Entries with a conductivity."""
        return sum(not math.isnan(sigma) for sigma in self.sigmas)

    @property
    def mixed(self) -> bool:
        """Whether the group holds both classes."""
        return len(set(self.labels)) > 1


def median_of_groups(
    database: Database, groups: Mapping[str, int]
) -> tuple[Database, tuple[DuplicateGroup, ...]]:
    """Keep the entry with the median conductivity of each group (10.1039/d5dd00052a, Methods).

    Of an even number the lower of the two in the middle stays, so that a kept conductivity is one
    that was measured. An upper bound ranks at its value, below a measurement of the same value;
    equal values rank by id. Entries with a class only do not count beside conductivities; where a
    whole group has none, the median class stays.

    Where the source has a test set of its own and a group lies on both sides of it, the entry that
    stays is one to train on: a test entry is lost, but no crystal of the training set is tested.

    Parameters
    ----------
    database : Database
        The entries.
    groups : Mapping[str, int]
        Group of every entry (`sie.structures.matching.matching_groups`).

    Returns
    -------
    Database
        The entries that stay, in their order; every other is left out as "duplicate of X".
    tuple of DuplicateGroup
        The groups of two and more, in the order of their first entry.
    """
    members: dict[int, list[str]] = defaultdict(list)
    for entry in database.ids:
        members[groups[entry]].append(entry)
    found = tuple(_group(database, ids) for ids in members.values() if len(ids) > 1)
    if not found:
        return database, ()
    kept_for = {entry: group.kept for group in found for entry in group.removed}
    sources = database.table["source"]
    removed = [
        LeftOut(entry, f"{REASON}{kept_for[entry]}", str(sources[entry]))
        for entry in database.ids
        if entry in kept_for
    ]
    stays = database.subset(entry for entry in database.ids if entry not in kept_for)
    left_out = (*database.left_out, *removed)
    table = _with_parts_of_groups(stays.table, database, found)
    return Database(stays.name, table, stays.structures, left_out), found


def duplicates_table(duplicates: Sequence[DuplicateGroup]) -> pd.DataFrame:
    """Return the groups as a table, one row an entry: group number, id, whether it stays, value."""
    rows = [
        (number, entry, entry == group.kept, sigma, bound, label)
        for number, group in enumerate(duplicates)
        for entry, sigma, bound, label in zip(
            group.ids, group.sigmas, group.censored, group.labels, strict=True
        )
    ]
    columns = ["group", "id", "stays", "sigma_S_per_cm", "censored", "label"]
    return pd.DataFrame(rows, columns=columns)


def _with_parts_of_groups(
    table: pd.DataFrame, database: Database, found: Sequence[DuplicateGroup]
) -> pd.DataFrame:
    """Return the table with kept test entries moved to training where a twin of theirs trains."""
    if SPLIT_COLUMN not in table.columns:
        return table
    parts = database.table[SPLIT_COLUMN]
    moved = [
        group.kept
        for group in found
        if parts[group.kept] == TEST and any(parts[entry] != TEST for entry in group.ids)
    ]
    return table.assign(
        **{SPLIT_COLUMN: table[SPLIT_COLUMN].where(~table.index.isin(moved), TRAIN)}
    )


def _group(database: Database, ids: list[str]) -> DuplicateGroup:
    rows = database.table.loc[ids]
    sigmas = dict(zip(ids, rows["sigma_S_per_cm"].astype(float), strict=True))
    censored = dict(zip(ids, rows["censored"].astype(bool), strict=True))
    labels = dict(zip(ids, rows["label"].astype(int), strict=True))

    def rank(entry: str) -> tuple[object, ...]:
        sigma = sigmas[entry]
        if math.isnan(sigma):
            return 1, labels[entry], False, entry
        return 0, sigma, not censored[entry], entry

    ranked = sorted(ids, key=rank)
    voters = [entry for entry in ranked if not math.isnan(sigmas[entry])] or ranked
    return DuplicateGroup(
        kept=voters[(len(voters) - 1) // 2],
        ids=tuple(ranked),
        sigmas=tuple(sigmas[entry] for entry in ranked),
        censored=tuple(censored[entry] for entry in ranked),
        labels=tuple(labels[entry] for entry in ranked),
    )
