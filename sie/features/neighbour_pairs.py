"""Pairs of neighbouring sites of a crystal, and the same pairs in a repeated cell.

Geometry only: occupied or not, every site counts; who sits there is decided elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Pairs:
    """Directed neighbour pairs of one cell, sorted by first atom and distance.

    Attributes
    ----------
    first, second : numpy.ndarray
        Int64, shape (n_pairs,): site numbers.
    image : numpy.ndarray
        Int64, shape (n_pairs, 3): the cell in which the second atom lies.
    distance : numpy.ndarray
        Shape (n_pairs,), Å.
    """

    first: np.ndarray
    second: np.ndarray
    image: np.ndarray
    distance: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def where(self, keep: np.ndarray) -> Pairs:
        """Return the pairs chosen by a boolean array."""
        return Pairs(self.first[keep], self.second[keep], self.image[keep], self.distance[keep])


def neighbour_pairs(structure: Structure, radius: float) -> Pairs:
    """Find all pairs of sites up to a distance in Å, a site's own periodic images included."""
    first, second, image, distance = structure.get_neighbor_list(radius)
    order = np.lexsort((distance, first))
    image = np.rint(image).astype(np.int64)
    return Pairs(first[order], second[order], image[order], distance[order])


def supercell_scale(structure: Structure, width: float) -> tuple[int, int, int]:
    """Return how often to repeat a cell so that opposite faces are `width` Å apart or more."""
    lattice = structure.lattice
    widths = [lattice.d_hkl(hkl) for hkl in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    # cells are refined to 1e-4 Å: one of 7.9999 Å need not be doubled
    a, b, c = (max(1, math.ceil(width / given - 1e-4)) for given in widths)
    return a, b, c


def repeated(pairs: Pairs, n_sites: int, scale: tuple[int, int, int]) -> Pairs:
    """Return the pairs of the repeated cell; copy k of site i has the number k * n_sites + i."""
    shape = np.array(scale)
    cells = np.stack(np.unravel_index(np.arange(shape.prod()), scale), axis=1)
    reached = cells[:, None, :] + pairs.image[None, :, :]
    copies = np.ravel_multi_index(tuple(np.moveaxis(reached % shape, -1, 0)), scale)
    first = (np.arange(len(cells))[:, None] * n_sites + pairs.first).ravel()
    second = (copies * n_sites + pairs.second).ravel()
    image = (reached // shape).reshape(-1, 3)
    return Pairs(first, second, image, np.tile(pairs.distance, len(cells)))
