"""Small disordered crystals, with oxidation states, for the tests of ordering."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Lattice, Structure


def rock_salt(cation: dict[str, float], anion: str = "O2-") -> Structure:
    """The conventional cell, Fm-3m."""
    positions = [[0, 0, 0], [0.5, 0.5, 0.5]]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.3), [cation, anion], positions)


def scattered(contents: list, seed: int = 0, edge: float = 8.0) -> Structure:
    """Sites on a jittered grid: no symmetry, so that no two orderings have the same energy."""
    rng = np.random.default_rng(seed)
    n = int(np.ceil(len(contents) ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3), axis=-1).reshape(-1, 3)
    chosen = grid[rng.permutation(len(grid))[: len(contents)]]
    positions = (chosen + rng.uniform(-0.15, 0.15, chosen.shape)) / n
    return Structure(
        Lattice.from_parameters(edge, edge + 1, edge + 2, 85, 95, 100), contents, positions
    )
