"""Whole numbers of atoms for partly occupied sites, in the smallest supercell that holds them.

Amounts only: which of the sites an atom takes is decided in `sie.structures.ordering`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure

OCCUPANCY_DIGITS = 5
"""Site contents are equal that agree to so many digits, as in `sie.structures.orbits`."""

ROUNDING = 1e-9
"""Keeps 0.55 - 0.5 within a tolerance of 0.05."""


@dataclass(frozen=True)
class SiteGroup:
    """Sites of a cell that hold the same species in the same amounts.

    Attributes
    ----------
    sites : tuple of int
        Indices into the cell.
    species : tuple
        What the sites may hold, in the order of their names; None, the last one, is a vacancy.
    shares : numpy.ndarray
        Shape (n_species,): occupancy of each, the vacancy's included, so that they add up to 1.
    """

    sites: tuple[int, ...]
    species: tuple[Any, ...]
    shares: np.ndarray


@dataclass(frozen=True)
class Supercell:
    """How often the cell is repeated, and how many atoms of each species its groups then hold.

    Attributes
    ----------
    factors : tuple of int
        Repetitions along the three lattice vectors.
    counts : tuple of numpy.ndarray
        For every group, shape (n_species,): places of the supercell that each species takes.
    """

    factors: tuple[int, int, int]
    counts: tuple[np.ndarray, ...]

    @property
    def size(self) -> int:
        """Number of cells in the supercell."""
        return int(np.prod(self.factors))


def site_groups(structure: Structure) -> list[SiteGroup]:
    """Group sites by content, symmetry aside, in the order of each group's first site.

    Sites of different orbits with equal content form one group, as pymatgen's
    OrderDisorderedStructureTransformation takes them by default.
    """
    members: dict[tuple[tuple[str, float], ...], list[int]] = {}
    for index, site in enumerate(structure):
        named = sorted((str(s), round(float(a), OCCUPANCY_DIGITS)) for s, a in site.species.items())
        members.setdefault(tuple(named), []).append(index)
    groups = []
    for sites in members.values():
        content = sorted(structure[sites[0]].species.items(), key=lambda item: str(item[0]))
        amounts = np.array([float(amount) for _, amount in content])
        shares = np.append(amounts, max(0.0, 1.0 - amounts.sum()))
        species = (*(kind for kind, _ in content), None)
        groups.append(SiteGroup(tuple(sites), species, shares / shares.sum()))
    return groups


def apportion(shares: np.ndarray, places: int) -> np.ndarray:
    """Return whole numbers that add up to `places`, by the method of largest remainders.

    Parameters
    ----------
    shares : numpy.ndarray
        Shape (n_species,), adding up to 1. Of equal remainders the earlier species gets the place.
    places : int
        Sites to be filled (or left vacant).
    """
    exact = shares * places
    counts = np.floor(exact + ROUNDING).astype(np.int64)
    largest = np.argsort(-(exact - counts), kind="stable")
    counts[largest[: places - int(counts.sum())]] += 1
    return counts


def smallest_supercell(
    structure: Structure, groups: Sequence[SiteGroup], max_sites: int, max_occupancy_error: float
) -> Supercell | None:
    """Find the smallest supercell whose whole numbers of atoms are close to the occupancies.

    A species whose occupancy is below `max_occupancy_error` may vanish; a supercell without any
    atom is passed over. Of the shapes of one size the one with the shortest longest edge is taken.

    Parameters
    ----------
    structure : Structure
        The cell that is repeated; reduced, so that its edges are short.
    groups : sequence of SiteGroup
        Its sites by content.
    max_sites : int
        Most sites of the supercell, those left vacant included.
    max_occupancy_error : float
        Largest change of any occupancy, 0 to 1.

    Returns
    -------
    Supercell or None
        None when no supercell within `max_sites` will do.
    """
    for size in range(1, max_sites // len(structure) + 1):
        counts = tuple(apportion(group.shares, size * len(group.sites)) for group in groups)
        error = max(
            float(np.abs(count / count.sum() - group.shares).max())
            for group, count in zip(groups, counts, strict=True)
        )
        atoms = sum(int(count[:-1].sum()) for count in counts)
        if error <= max_occupancy_error + ROUNDING and atoms:
            return Supercell(compact_factors(size, structure.lattice.abc), counts)
    return None


def compact_factors(size: int, lengths: Sequence[float]) -> tuple[int, int, int]:
    """Return three factors of `size` that keep the longest of three edges as short as possible."""
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    triples = [(a, b, size // (a * b)) for a in divisors for b in divisors if size % (a * b) == 0]
    return min(
        triples, key=lambda t: (max(n * edge for n, edge in zip(t, lengths, strict=True)), t)
    )


def repeated(structure: Structure, factors: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Repeat a cell along its lattice vectors.

    Returns
    -------
    numpy.ndarray
        Lattice matrix in Å, shape (3, 3), a row a vector.
    numpy.ndarray
        Fractional coordinates, shape (n_sites, n_cells, 3): the images of each site.
    """
    shifts = np.stack(np.meshgrid(*map(np.arange, factors), indexing="ij"), axis=-1).reshape(-1, 3)
    coordinates = (structure.frac_coords[:, None, :] + shifts) / np.array(factors)
    return structure.lattice.matrix * np.array(factors)[:, None], coordinates
