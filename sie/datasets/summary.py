"""Table 1 of the study: what a database holds, all of it and its ordered and disordered part.

Counting only; the report of one run is in `report`, drawing belongs to the reporting room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from sie.datasets.duplicates import DuplicateGroup
from sie.datasets.record import Database

FAMILY = "family"


def summary_table(
    database: Database,
    groups: Mapping[str, int] | None = None,
    duplicates: Sequence[DuplicateGroup] = (),
) -> pd.DataFrame:
    """Count what a database holds (Table 1 of 10.1039/d5dd00052a, for any dataset).

    Parameters
    ----------
    database : Database
        The entries that are learnt from.
    groups : Mapping, optional
        Group of matching crystals per id, for the number of unique structures.
    duplicates : sequence of DuplicateGroup
        Groups whose other entries were left out; their conductivities count as values.

    Returns
    -------
    pandas.DataFrame
        Rows all, ordered and disordered. Columns: sigma_values (conductivities, those of left-out
        duplicates included), entries, unique_structures (with `groups`), positive, negative,
        positive_fraction, censored, class_only, median_log10_sigma (an upper bound counts at its
        value), space_groups, elements, and families where the source names them.
    """
    ordered = database.table["ordered"].astype(bool)
    parts = {"all": ordered | True, "ordered": ordered, "disordered": ~ordered}
    rows = {}
    for name, inside in parts.items():
        table = database.table[inside]
        rows[name] = {
            "sigma_values": int(table["sigma_S_per_cm"].notna().sum())
            + _left_out_values(table.index, duplicates),
            **_counts(table, groups),
            "elements": len(element_counts(database, table.index)),
        }
        if FAMILY in table:
            rows[name]["families"] = int(table[FAMILY].replace("", None).nunique())
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("structures")


def element_counts(database: Database, ids: Sequence[str] | None = None) -> dict[str, int]:
    """Return how many entries hold each element, the most frequent first, then by symbol."""
    counts: dict[str, int] = {}
    for entry in database.ids if ids is None else ids:
        for symbol in database.structures[
            entry
        ].composition.element_composition.chemical_system_set:
            counts[symbol] = counts.get(symbol, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _counts(table: pd.DataFrame, groups: Mapping[str, int] | None) -> dict[str, float]:
    positive = int(table["label"].sum())
    unique = {} if groups is None else {"unique_structures": len({groups[i] for i in table.index})}
    return {
        "entries": len(table),
        **unique,
        "positive": positive,
        "negative": len(table) - positive,
        "positive_fraction": positive / len(table) if len(table) else float("nan"),
        "censored": int(table["censored"].sum()),
        "class_only": int(table["sigma_S_per_cm"].isna().sum()),
        "median_log10_sigma": float(table["log10_sigma"].median()),
        "space_groups": int(table["space_group"].nunique()),
    }


def _left_out_values(ids: pd.Index, duplicates: Sequence[DuplicateGroup]) -> int:
    """Count the conductivities of left-out entries whose group is represented among ids."""
    stays = set(ids)
    own = [group for group in duplicates if group.kept in stays]
    return sum(group.n_sigmas - (group.n_sigmas > 0) for group in own)
