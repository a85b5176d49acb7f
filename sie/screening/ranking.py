"""From results to a ranked list: filters with their counts, duplicates among the best, files.

A row a candidate here, never a structure but those of the best; scoring lives in `stages`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sie.files import replacing, write_text
from sie.screening.attempts import Failed, attempt
from sie.screening.candidate_duplicates import duplicate_groups
from sie.screening.record import Source

if TYPE_CHECKING:
    import pandas as pd
    from pymatgen.core import Structure

log = logging.getLogger(__name__)

MIN_GAP_EV = 1.0
MIN_P_SI = 0.5
"""Filters of 10.1039/d5dd00052a."""

MOST_COMPARED = 2_000
"""Structures that are compared with each other at the end, the best ones; the rest have no group:
all pairs of a formula are compared, and the structures are read once more."""

SYMPREC_A = 1e-2

RANKED, CANDIDATES, CIFS = "ranked", "candidates", "cifs"
NO_GROUP = -1


@dataclass(frozen=True)
class Filters:
    """What a candidate must pass.

    Attributes
    ----------
    min_gap : float
        Band gaps must be larger (eV); 0 or less lets those without one through.
    min_p_si : float
        P_SI must be larger.
    top : int
        The best so many are compared with each other and described further, whatever they pass.
    """

    min_gap: float = MIN_GAP_EV
    min_p_si: float = MIN_P_SI
    top: int = 50


@dataclass(frozen=True)
class Step:
    """What is left after a filter.

    Attributes
    ----------
    name : str
        The filter in words.
    kept : int
        Candidates that pass it and all before it.
    """

    name: str
    kept: int


@dataclass(frozen=True)
class Ranking:
    """A ranked list.

    Attributes
    ----------
    table : pandas.DataFrame
        Every scored entry, best first; columns of `record.COLUMNS`, rank, passes,
        duplicate_group (-1 where it was not compared) and space_group.
    funnel : tuple of Step
        From all entries to distinct candidates.
    filters : Filters
        As applied.
    n_compared : int
        The best so many of those that pass, and of all, were compared with each other.
    structures : Mapping[int, Structure]
        Of the first `top` that pass, by place.
    """

    table: pd.DataFrame
    funnel: tuple[Step, ...]
    filters: Filters
    n_compared: int
    structures: Mapping[int, Structure] = field(default_factory=dict)

    @property
    def candidates(self) -> pd.DataFrame:
        """Those that pass every filter, best first."""
        return self.table[self.table["passes"]]


def rank(results: pd.DataFrame, source: Source, filters: Filters, n_rejects: int = 0) -> Ranking:
    """Rank results, filter them and find duplicates among the best.

    Parameters
    ----------
    results : pandas.DataFrame
        Of `ScreeningFolder.table`.
    source : Source
        Read again for the structures of the best.
    filters : Filters
        In the order of the article: band gap, P_SI, novelty.
    n_rejects : int
        Entries without a score, which the funnel begins with.
    """
    # an isotonic calibration makes many equal; the raw score still tells them apart
    scores = [name for name in ("p_si", "p_si_raw") if name in results]
    table = results.sort_values(
        [*scores, "p_si_sd", "place"],
        ascending=[*(False for _ in scores), True, True],
        kind="stable",
    ).reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    masks = _masks(table, filters)
    passes = np.logical_and.reduce(list(masks.values()))
    table["passes"] = passes
    chosen = table["place"].to_numpy()[_to_compare(table, passes, filters)].tolist()
    structures = read_places(source, set(chosen))
    groups = group_best([(place, structures[place]) for place in chosen if place in structures])
    spaces = {entry: _space_group_or_none(s) for entry, s in structures.items()}
    place = table["place"]
    table["duplicate_group"] = place.map(groups).fillna(NO_GROUP).astype(np.int64)
    table["space_group"] = place.map(spaces).fillna("")
    funnel = _funnel(table, masks, n_rejects)
    shown = {p: structures[p] for p in place[passes].head(filters.top) if p in structures}
    return Ranking(table, funnel, filters, len(chosen), shown)


def group_best(structures: Sequence[tuple[int, Structure]]) -> dict[int, int]:
    """Return the group of equal structures of each place, numbered from 0, the best group first.

    Parameters
    ----------
    structures : sequence of (place, Structure)
        Best first.
    """
    named = {str(place): structure for place, structure in structures}
    try:
        groups = attempt(lambda: duplicate_groups(named))
    except Failed as error:
        # pymatgen finds no reduced cell for a few skewed ones; the ranking must not fall with them
        log.warning("duplicates are not grouped (%s)", error.reason)
        groups = {entry: i for i, entry in enumerate(named)}
    numbers: dict[object, int] = {}
    return {place: numbers.setdefault(groups[str(place)], len(numbers)) for place, _ in structures}


def read_places(source: Source, places: set[int]) -> dict[int, Structure]:
    """Return the structures of some entries, reading only the shards that hold them."""
    found = {}
    for shard in source.shards:
        here = places.intersection(range(shard.first, shard.first + shard.count))
        if not here:
            continue
        for entry in source.reader.read(shard):
            if entry.place in here and entry.structure is not None:
                found[entry.place] = entry.structure
                here.discard(entry.place)
                if not here:
                    break
    return found


def _space_group_or_none(structure: Structure) -> str:
    try:
        return attempt(lambda: space_group(structure))
    except Failed:
        return ""


def space_group(structure: Structure) -> str:
    """Return the short symbol and number of a crystal's space group; empty where none is found."""
    import spglib

    kinds: dict[object, int] = {}
    types = [kinds.setdefault(site.species, len(kinds) + 1) for site in structure]
    cell = (structure.lattice.matrix, structure.frac_coords, types)
    dataset = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_A)
    return f"{dataset.international} ({dataset.number})" if dataset is not None else ""


def write_ranking(folder: Path, ranking: Ranking) -> list[Path]:
    """Write ranked.parquet and ranked.csv (everything), candidates.csv and CIFs (what passes)."""
    _write_cifs(folder / CIFS, ranking)
    paths = [folder / f"{RANKED}.parquet", folder / f"{RANKED}.csv", folder / f"{CANDIDATES}.csv"]
    with replacing(paths[0]) as temporary:
        ranking.table.to_parquet(temporary, index=False, compression="zstd")
    for path, table in ((paths[1], ranking.table), (paths[2], ranking.candidates)):
        with replacing(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return paths


def _write_cifs(folder: Path, ranking: Ranking) -> None:
    """Write the best that pass, for people and for the explain command; earlier ones go."""
    from pymatgen.io.cif import CifWriter

    for path in folder.glob("*.cif"):
        if re.match(r"\d{4,}-", path.name):  # a name of `cif_name`; others are not ours to remove
            path.unlink()
    for row in ranking.candidates.head(ranking.filters.top).to_dict("records"):
        structure = ranking.structures.get(row["place"])
        if structure is not None:
            write_text(folder / cif_name(row["rank"], row["id"]), str(CifWriter(structure)))


def cif_name(rank: int, entry: str) -> str:
    """Return what the CIF of a ranked entry is called; ids become harmless names."""
    return f"{rank:04d}-{re.sub(r'[^A-Za-z0-9._-]+', '_', entry)[-80:]}.cif"


def _masks(table: pd.DataFrame, filters: Filters) -> Mapping[str, np.ndarray]:
    gap = table["band_gap_eV"].to_numpy(float)
    masks = {}
    if filters.min_gap > 0:
        masks["band gap known"] = np.isfinite(gap)
        masks[f"band gap > {filters.min_gap:g} eV"] = np.nan_to_num(gap) > filters.min_gap
    masks[f"P_SI > {filters.min_p_si:g}"] = table["p_si"].to_numpy(float) > filters.min_p_si
    masks["novel composition"] = table["novel"].to_numpy(bool)
    return masks


def _to_compare(table: pd.DataFrame, passes: np.ndarray, filters: Filters) -> np.ndarray:
    """Return the rows to compare: the best of those that pass first, then the best of all."""
    likely = table["p_si"].to_numpy(float) > filters.min_p_si
    likely[: filters.top] = True
    order = np.concatenate([np.flatnonzero(passes), np.flatnonzero(likely & ~passes)])
    return np.sort(order[:MOST_COMPARED])


def _funnel(
    table: pd.DataFrame, masks: Mapping[str, np.ndarray], n_rejects: int
) -> tuple[Step, ...]:
    steps = [Step("entries of the source", len(table) + n_rejects), Step("scored", len(table))]
    left = np.ones(len(table), dtype=bool)
    for name, mask in masks.items():
        left &= mask
        steps.append(Step(name, int(left.sum())))
    groups = table.loc[left, "duplicate_group"]
    distinct = groups[groups != NO_GROUP].nunique() + int((groups == NO_GROUP).sum())
    return (*steps, Step("distinct structures", distinct))
