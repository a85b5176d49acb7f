"""Random arrangements of the atoms on a disordered crystal's sites, for numbers that need one.

The arrangements only, as arrays of species numbers; what is measured on them lives elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.features.neighbour_pairs import Pairs

if TYPE_CHECKING:
    from pymatgen.core import Structure

OCCUPANCY_DIGITS = 4
"""Sites whose occupancies agree to this many digits are one kind of site."""

OVERLAP_A = 2.0
"""Two metals, or two atoms of one element, are not found nearer than this."""

SHORT_OVERLAP_A = 1.0
SHORT_BONDED = frozenset({"H", "B", "C", "N"})
"""Elements that bond to themselves below `OVERLAP_A`; they overlap below `SHORT_OVERLAP_A`."""

METAL_ELECTRONEGATIVITY = 2.0
OVERLAP_SOFTNESS_A = 0.1
"""An overlap is rarer by a factor e for each so much. In a garnet with Li at 1.6 Å the nearest
Li-Li distance is 2.17 Å with 0.1, 2.18 Å with 0.05, 1.52 Å where nothing is avoided."""


@dataclass(frozen=True)
class SiteContents:
    """What the sites of a cell hold.

    Attributes
    ----------
    symbols : tuple of str
        Shape (n_species,): the elements of the crystal, sorted.
    electronegativity : numpy.ndarray
        Pauling's, shape (n_species,); NaN where an element has none.
    chances : numpy.ndarray
        Shape (n_sites, n_species + 1): chance of each species; the last column is the vacancy.
    """

    symbols: tuple[str, ...]
    electronegativity: np.ndarray
    chances: np.ndarray

    @classmethod
    def of(cls, structure: Structure) -> SiteContents:
        """Read a crystal; occupancies of a site that add up to more than 1 are rescaled."""
        amounts = [_amounts(site.species) for site in structure]
        symbols = tuple(sorted({symbol for site in amounts for symbol in site}))
        chances = np.zeros((len(amounts), len(symbols) + 1))
        for row, site in zip(chances, amounts, strict=True):
            for symbol, amount in site.items():
                row[symbols.index(symbol)] = amount
        chances /= np.maximum(chances.sum(axis=1, keepdims=True), 1.0)
        chances[:, -1] = 1.0 - chances[:, :-1].sum(axis=1)
        chances = np.round(chances, OCCUPANCY_DIGITS)
        chances /= chances.sum(axis=1, keepdims=True)
        return cls(symbols, np.array([_electronegativity(s) for s in symbols]), chances)

    @property
    def certain(self) -> np.ndarray:
        """Which sites always hold the same species, shape (n_sites,)."""
        return self.chances.max(axis=1) == 1.0

    @property
    def lithium(self) -> int | None:
        """Number of the species Li, None without it."""
        return self.symbols.index("Li") if "Li" in self.symbols else None

    @property
    def anion(self) -> int | None:
        """Number of the most electronegative element other than Li."""
        chi = self.electronegativity.copy()
        chi[[symbol == "Li" for symbol in self.symbols]] = np.nan
        return None if np.isnan(chi).all() else int(np.nanargmax(chi))

    def overlap_radii(self) -> np.ndarray:
        """Return the distance in Å below which two species overlap, 0 where they may bond.

        Shape (n_species + 1, n_species + 1); vacancies overlap with nothing.
        """
        metal = np.nan_to_num(self.electronegativity, nan=9.0) <= METAL_ELECTRONEGATIVITY
        radii = np.zeros((len(self.symbols) + 1,) * 2)
        radii[:-1, :-1] = OVERLAP_A * (metal[:, None] & metal[None, :])
        for i, symbol in enumerate(self.symbols):
            radii[i, i] = SHORT_OVERLAP_A if symbol in SHORT_BONDED else OVERLAP_A
        return radii


class ArrangementSampler:
    """Draws arrangements: every kind of site keeps its occupancies, overlaps are avoided.

    Sites with equal contents are one kind. Each draw gives every kind as many atoms of each
    species as its occupancies say (a fraction of an atom is rounded up or down at random, right
    on average). Kinds whose atoms cannot overlap with anything are shuffled. The atoms of the
    others are placed one by one, in random order, each on a free site of its kind chosen with
    probability proportional to exp(-sum over the atoms that are there already of
    (overlap radius - distance) / `OVERLAP_SOFTNESS_A`). Draws are independent of each other.

    Our reading of 10.1039/C6EE02697D, whose SI (S2) is described as drawing each site by its
    occupancies, forbidding atoms within 2 Å, lowering that radius by 0.1 Å where 1,000 attempts
    fail, and going on by Metropolis swaps. A radius lowered until chance meets it forbids nothing
    in a crowded crystal (garnets), and swaps that keep both the occupancies and the radius do not
    come to equilibrium there in 1,000 tries a site: hence one atom after the other.
    """

    def __init__(self, contents: SiteContents, pairs: Pairs) -> None:
        self._radii = contents.overlap_radii()
        self._fixed = contents.chances.argmax(axis=1).astype(np.int8)
        self._certain = contents.certain
        loose = np.flatnonzero(~self._certain)
        _, kind = np.unique(contents.chances[loose], axis=0, return_inverse=True)
        kinds = [loose[kind == k] for k in range(kind.max(initial=-1) + 1)]
        close = self._overlapping(contents, pairs)
        crowded = [np.isin(sites, close.first).any() for sites in kinds]
        edges = [np.cumsum(contents.chances[sites[0]]) for sites in kinds]
        filled = list(zip(kinds, edges, crowded, strict=True))
        self._shuffled = [(sites, ends) for sites, ends, near in filled if not near]
        self._placed = [(sites, ends) for sites, ends, near in filled if near]
        self._near, self._gap = _padded(close, len(self._fixed))

    def draw(self, n_draws: int, rng: np.random.Generator) -> np.ndarray:
        """Return independent arrangements.

        Returns
        -------
        numpy.ndarray
            Int8, shape (n_draws, n_sites): species number of each site, n_species for a vacancy.
        """
        state = np.tile(self._fixed, (n_draws, 1))
        for sites, edges in self._shuffled:
            state[:, sites] = rng.permuted(_rations(edges, len(sites), n_draws, rng), axis=1)
        if self._placed:
            self._place(state, rng)
        return state

    def _overlapping(self, contents: SiteContents, pairs: Pairs) -> Pairs:
        """Return the pairs whose atoms may overlap, at least one of them not always there."""
        present = contents.chances > 0
        reach = np.where(present[:, :, None], self._radii, 0.0).max(axis=1)
        reach_of_pair = np.where(present[pairs.second], reach[pairs.first], 0.0).max(axis=1)
        loose = ~(self._certain[pairs.first] & self._certain[pairs.second])
        return pairs.where(loose & (pairs.distance < reach_of_pair))

    def _place(self, state: np.ndarray, rng: np.random.Generator) -> None:
        """Put the atoms of crowded kinds into arrangements whose other sites are filled."""
        vacancy = len(self._radii) - 1
        sites = np.concatenate([of_kind for of_kind, _ in self._placed])
        kind = np.repeat(np.arange(len(self._placed)), [len(one) for one, _ in self._placed])
        rations = [_rations(edges, len(one), len(state), rng) for one, edges in self._placed]
        species = np.concatenate(rations, axis=1)
        state[:, sites] = vacancy
        # random order, but vacancies last: they are what is left over
        order = np.argsort(rng.random(species.shape) + (species == vacancy), axis=1)
        crowding = self._crowding(state, sites)
        draws = np.arange(len(state))
        for column in order.T[: int((species != vacancy).sum(axis=1).max())]:
            now = draws[species[draws, column] != vacancy]
            atom, of_kind = species[now, column[now]], kind[column[now]]
            free = (state[now[:, None], sites] == vacancy) & (kind == of_kind[:, None])
            # the site whose exponential variate, slowed down by exp(crowding), ends first
            race = np.log(rng.standard_exponential(free.shape)) + crowding[now, atom][:, sites]
            won = sites[np.where(free, race, np.inf).argmin(axis=1)]
            state[now, won] = atom
            depth = (self._radii[atom][:, :, None] - self._gap[won][:, None, :]).clip(min=0)
            around = (now[:, None, None], np.arange(vacancy + 1)[:, None], self._near[won][:, None])
            crowding[around] += depth / OVERLAP_SOFTNESS_A

    def _crowding(self, state: np.ndarray, sites: np.ndarray) -> np.ndarray:
        """Return how much each species would overlap, shape (n_draws, n_species + 1, n_sites).

        At the given sites, in units of the softness; 0 at others.
        """
        crowding = np.zeros((len(state), len(self._radii), state.shape[1]))
        for site in sites:
            radii = self._radii[:, state[:, self._near[site]]]
            depth = (radii - self._gap[site]).clip(min=0).sum(axis=-1)
            crowding[:, :, site] = depth.T / OVERLAP_SOFTNESS_A
        return crowding


def _rations(edges: np.ndarray, n_sites: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the species for n sites of a kind, sorted, shape (n_draws, n_sites)."""
    ends = np.floor(edges * n_sites + rng.random((n_draws, 1)))
    ends[:, -1] = n_sites
    return (np.arange(n_sites)[:, None] >= ends[:, None, :]).sum(axis=-1).astype(np.int8)


def _padded(pairs: Pairs, n_sites: int) -> tuple[np.ndarray, np.ndarray]:
    """Return neighbours and distances per site, shape (n_sites, most), filled up with inf."""
    counts = np.bincount(pairs.first, minlength=n_sites)
    near = np.tile(np.arange(n_sites)[:, None], (1, max(counts.max(initial=0), 1)))
    gap = np.full(near.shape, np.inf)
    order = np.argsort(pairs.first, kind="stable")
    place = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
    near[pairs.first[order], place] = pairs.second[order]
    gap[pairs.first[order], place] = pairs.distance[order]
    return near, gap


def _amounts(species: Any) -> dict[str, float]:
    """Return occupancies by element; deuterium is hydrogen."""
    from pymatgen.core import DummySpecies, Element

    amounts: dict[str, float] = {}
    for one, amount in species.items():
        dummy = isinstance(one, DummySpecies)
        symbol = one.symbol if dummy else Element.from_Z(one.Z).symbol
        amounts[symbol] = amounts.get(symbol, 0.0) + float(amount)
    return amounts


def _electronegativity(symbol: str) -> float:
    from pymatgen.core import Element

    value = Element(symbol).data.get("X") if Element.is_valid_symbol(symbol) else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan
