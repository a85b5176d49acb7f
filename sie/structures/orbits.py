"""Symmetry orbits of a crystal, disordered or not: which sites are equivalent.

Only the grouping of sites lives here; what is computed once per orbit lives in `sie.features`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

SYMPREC_A = 1e-2
OCCUPANCY_DIGITS = 5


@dataclass(frozen=True)
class Orbits:
    """Sites of one cell grouped by symmetry; orbits are ordered by their first site.

    Attributes
    ----------
    representatives : numpy.ndarray
        Int64, shape (n_orbits,): index of each orbit's first site.
    multiplicity : numpy.ndarray
        Int64, shape (n_orbits,): sites of the cell in each orbit.
    site_to_orbit : numpy.ndarray
        Int64, shape (n_sites,): orbit number of each site.
    """

    representatives: np.ndarray
    multiplicity: np.ndarray
    site_to_orbit: np.ndarray

    def __len__(self) -> int:
        return len(self.representatives)

    @classmethod
    def from_labels(cls, labels: np.ndarray) -> Orbits:
        """Group sites by any integer label, shape (n_sites,)."""
        _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
        order = np.argsort(first)
        site_to_orbit = np.argsort(order)[inverse].astype(np.int64)
        return cls(first[order].astype(np.int64), np.bincount(site_to_orbit), site_to_orbit)


def orbits(structure: Structure, symprec: float = SYMPREC_A) -> Orbits:
    """Find the symmetry orbits with spglib; equal site contents count as one kind of atom.

    Where spglib finds no symmetry (sites closer than `symprec`, a broken cell) every site is an
    orbit of its own, which is always right and only slower.

    Parameters
    ----------
    structure : Structure
        Any crystal; oxidation states and occupancies (to 1e-5) are part of a site's content.
    symprec : float
        Distance tolerance in Å.
    """
    return common_orbits((structure,), symprec)


def common_orbits(structures: Sequence[Structure], symprec: float = SYMPREC_A) -> Orbits:
    """Find groups of sites that are equivalent in several representations of one crystal at once.

    Only symmetries that all of them have count, so that every orbit of the result lies within one
    orbit of each.

    Parameters
    ----------
    structures : sequence of Structure
        With the same lattice and the same sites in the same order.
    symprec : float
        As in `orbits`.
    """
    structure = structures[0]
    dataset = _symmetry(structures, symprec)
    if dataset is None:
        logger.info("%s: spglib found no symmetry; every site is its own orbit", structure.formula)
        return Orbits.from_labels(np.arange(len(structure)))
    # not equivalent_atoms: those lose the rotations that an anisotropic supercell does not share
    return Orbits.from_labels(dataset.crystallographic_orbits)


def wyckoff_letters(structure: Structure, symprec: float = SYMPREC_A) -> tuple[str, ...]:
    """Return the Wyckoff letter of every site; empty strings where spglib finds no symmetry."""
    dataset = _symmetry((structure,), symprec)
    return ("",) * len(structure) if dataset is None else tuple(dataset.wyckoffs)


def _symmetry(structures: Sequence[Structure], symprec: float) -> Any:
    """Return spglib's dataset, or None."""
    import spglib

    kinds: dict[Any, int] = {}
    contents = zip(*([_content(site) for site in each] for each in structures), strict=True)
    types = [kinds.setdefault(content, len(kinds) + 1) for content in contents]
    cell = (structures[0].lattice.matrix, structures[0].frac_coords, types)
    return spglib.get_symmetry_dataset(cell, symprec=symprec)


def _content(site: Any) -> tuple[tuple[str, float], ...]:
    return tuple(
        sorted((str(s), round(float(a), OCCUPANCY_DIGITS)) for s, a in site.species.items())
    )
