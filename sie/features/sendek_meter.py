"""Measuring the features of Sendek et al. on arrangements of atoms, many arrangements at once.

Neighbours are found once a crystal, each arrangement is masking and sums; what the features mean,
which arrangements to measure and how many, is decided beside this module.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sie.features.neighbour_pairs import Pairs, neighbour_pairs, repeated
from sie.features.occupancy_sampling import SiteContents

if TYPE_CHECKING:
    from pymatgen.core import Structure

BOND_A = 4.0
"""Atoms up to this distance are bonded; wide on purpose, so that few crystals have none."""

SHELL_A = 1.0
"""Anions up to this much farther than the nearest one belong to the first shell."""

SAME_DISTANCE_A = 1e-6
RADII_A = (4.0, 6.0, 9.0, 13.5, 20.0, 30.0)
EXPECTED = 12.0
"""A nearest atom is looked for among the sites that hold this many on average (or one surely);
that none of them is occupied has a chance of about exp(-12)."""


class SendekMeter:
    """Measures the features of arrangements of one cell, from neighbours found once."""

    def __init__(
        self, structure: Structure, contents: SiteContents, scale: tuple[int, int, int]
    ) -> None:
        from scipy.sparse import csr_array

        copies = int(np.prod(scale))
        n_sites = len(contents.chances)
        chances = np.tile(contents.chances, (copies, 1))
        self.contents = SiteContents(contents.symbols, contents.electronegativity, chances)
        self._lithium, self._anion = contents.lithium, contents.anion
        chi = contents.electronegativity
        self._contrast = np.abs(chi[:, None] - chi[None, :])
        lists = {RADII_A[0]: neighbour_pairs(structure, BOND_A)}
        self.bonds = repeated(lists[RADII_A[0]], n_sites, scale)
        ends = (self.bonds.first, self.bonds.second)
        ones = np.ones(len(self.bonds), dtype=np.float32)
        self._bonded = csr_array((ones, ends), shape=(len(chances), len(chances)))

        def listed(source: int | None, target: int | None, shell: float) -> Pairs | None:
            if source is None or target is None:
                return None
            found = _nearest(structure, contents, scale, (source, target, shell), lists)
            return repeated(found, n_sites, scale)

        self._li_anion = listed(self._lithium, self._anion, 0.0)
        self._li_li = listed(self._lithium, self._lithium, 0.0)
        self._anion_anion = listed(self._anion, self._anion, SHELL_A)

    def measure(self, state: np.ndarray) -> np.ndarray:
        """Return the features of arrangements, shape (n_arrangements, 5).

        Parameters
        ----------
        state : numpy.ndarray
            Shape (n_arrangements, n_sites): species numbers, n_species for a vacancy.
        """
        counts = self._bond_counts(state)
        nothing = np.full(len(state), np.nan)
        li_bonds, li_anion, li_li, shell = nothing, nothing, nothing, nothing
        with np.errstate(invalid="ignore", divide="ignore"):
            if self._lithium is not None:
                lithium = state == self._lithium
                bonds = counts[:, self._lithium, self._lithium]
                li_bonds = bonds / lithium.sum(axis=1)
                li_li = _shortest(self._li_li, lithium, lithium)
                if self._anion is not None:
                    li_anion = _shortest(self._li_anion, lithium, state == self._anion)
            if self._anion is not None:
                shell = _shell(self._anion_anion, state == self._anion)
            ionicity = self._ionicity(counts)
        return np.stack([li_bonds, ionicity, shell, li_anion, li_li], axis=1)

    def _bond_counts(self, state: np.ndarray) -> np.ndarray:
        """Count directed bonds by species, shape (n_arrangements, n_species, n_species)."""
        kinds = np.arange(len(self.contents.symbols))
        is_kind = (state[:, None, :] == kinds[:, None]).astype(np.float32)
        flat = is_kind.reshape(-1, state.shape[1])
        around = (self._bonded @ flat.T).T.reshape(is_kind.shape)
        return np.einsum("rai,rbi->rab", is_kind, around, optimize=True).astype(np.float64)

    def _ionicity(self, counts: np.ndarray) -> np.ndarray:
        known = np.isfinite(self._contrast)
        if self._lithium is not None:
            known = known & (np.arange(len(known)) != self._lithium)[:, None]
        contrast = np.where(known, self._contrast, 0.0)
        return (counts * contrast).sum(axis=(1, 2)) / (counts * known).sum(axis=(1, 2))


def _nearest(
    structure: Structure,
    contents: SiteContents,
    scale: tuple[int, int, int],
    wanted: tuple[int, int, float],
    lists: dict[float, Pairs],
) -> Pairs:
    """List the pairs of sources and targets among which the nearest target surely is.

    Parameters
    ----------
    wanted : tuple
        Species number of sources and of targets, and how much farther than the nearest in Å.
    lists : dict
        Neighbour lists of the cell by radius; filled as needed.
    """
    source, target, shell = wanted
    sources = contents.chances[:, source] > 0
    chance = contents.chances[:, target]
    for radius in RADII_A:
        if radius not in lists:
            lists[radius] = neighbour_pairs(structure, radius)
        pairs = lists[radius]
        pairs = pairs.where(sources[pairs.first] & (chance[pairs.second] > 0))
        reach = _reach(pairs, chance, scale, source == target)
        if (reach[sources] + shell <= radius).all():
            break
    return pairs.where(pairs.distance <= reach[pairs.first] + shell + SAME_DISTANCE_A)


def _reach(pairs: Pairs, chance: np.ndarray, scale: tuple[int, int, int], own: bool) -> np.ndarray:
    """Return the distance up to which each site must look, shape (n_sites,); inf if farther.

    Every site of the repeated cell counts once; with `own`, a source is its own image's target.
    """
    n_sites = len(chance)
    second = repeated(pairs, n_sites, scale).second[: len(pairs)]
    weight = np.zeros(len(pairs))
    _, nearer = np.unique(pairs.first * n_sites * math.prod(scale) + second, return_index=True)
    weight[nearer] = chance[pairs.second[nearer]]
    sure = (chance[pairs.second] == 1.0) | (own & (pairs.first == second))
    total = np.cumsum(np.where(sure, EXPECTED, weight))
    counts = np.bincount(pairs.first, minlength=n_sites)
    before = np.append(0.0, total)[np.cumsum(counts) - counts]
    enough = total - before[pairs.first] >= EXPECTED - 1e-9
    reach = np.full(n_sites, np.inf)
    np.minimum.at(reach, pairs.first[enough], pairs.distance[enough])
    return reach


def _shortest(pairs: Pairs | None, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Average the distance of present sources to their nearest present target, per arrangement."""
    if pairs is None or not len(pairs):
        return np.full(len(source), np.nan)
    sites, start = np.unique(pairs.first, return_index=True)
    away = np.where(target[:, pairs.second], pairs.distance, np.inf)
    nearest = np.minimum.reduceat(away, start, axis=1)
    counts = source[:, sites] & np.isfinite(nearest)
    return np.where(counts, nearest, 0.0).sum(axis=1) / counts.sum(axis=1)


def _shell(pairs: Pairs | None, anion: np.ndarray) -> np.ndarray:
    """Average the number of anions in the first shell of an anion, per arrangement."""
    if pairs is None or not len(pairs):
        return np.full(len(anion), np.nan)
    sites, start, number = np.unique(pairs.first, return_index=True, return_inverse=True)
    away = np.where(anion[:, pairs.second], pairs.distance, np.inf)
    nearest = np.minimum.reduceat(away, start, axis=1)
    inside = away <= nearest[:, number] + SHELL_A + SAME_DISTANCE_A
    counted = np.add.reduceat(inside & np.isfinite(away), start, axis=1, dtype=np.int64)
    counts = anion[:, sites] & np.isfinite(nearest)
    return np.where(counts, counted, 0).sum(axis=1) / counts.sum(axis=1)
