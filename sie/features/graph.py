"""Quotient graphs of crystals: one vertex per symmetry orbit, one weighted edge per kind of bond.

Neighbours are found here; the networks that run over the graph are in `sie.features.megnet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import InputError
from sie.features.embedding import embed_sites
from sie.features.weights import MegnetWeights
from sie.structures.orbits import SYMPREC_A, Orbits, common_orbits

if TYPE_CHECKING:
    from pymatgen.core import Structure

SAME_DISTANCE_A = 1e-4
"""Bonds to one orbit whose lengths differ by less share a row (their mean length)."""

TIGHTER_SYMPREC_A = (SYMPREC_A, 1e-3, 1e-5)
CUTOFF_STEP_A = 1.0
CUTOFF_STEPS = 11


@dataclass(frozen=True)
class OrbitGraph:
    """The bonds of one atom per orbit.

    Attributes
    ----------
    atoms : numpy.ndarray
        Float32, shape (n_orbits, 16): element embeddings (V0).
    multiplicity : numpy.ndarray
        Int64, shape (n_orbits,): sites of the cell in each orbit.
    centre, neighbour : numpy.ndarray
        Int64, shape (n_bonds,): orbit at the start (rising) and at the end of each bond.
    distance_angstrom : numpy.ndarray
        Float64, shape (n_bonds,).
    weight : numpy.ndarray
        Int64, shape (n_bonds,): bonds of one centre atom that this row stands for.
    cutoff_angstrom : float
        Radius within which bonds were sought.
    """

    atoms: np.ndarray
    multiplicity: np.ndarray
    centre: np.ndarray
    neighbour: np.ndarray
    distance_angstrom: np.ndarray
    weight: np.ndarray
    cutoff_angstrom: float


def orbit_graph(structure: Structure, weights: MegnetWeights) -> OrbitGraph:
    """Build the quotient graph of a represented crystal.

    The radius is the network's (5 Å). Where no atom of the crystal has a neighbour within it,
    it grows by 1 Å at a time, as in the archived code; single isolated atoms in a crystal that
    has bonds keep none, as in megnet. Symmetry is only believed when the bonds from orbit to
    orbit agree in both directions; else tighter tolerances are tried, and at last none.

    Raises
    ------
    InputError
        When there is no bond within 16 Å.
    """
    return graph_and_orbits(structure, weights)[0]


def graph_and_orbits(structure: Structure, weights: MegnetWeights) -> tuple[OrbitGraph, Orbits]:
    """Build the graph of `orbit_graph`, and tell which sites each vertex stands for."""
    (graph,), grouping = graphs_and_orbits((structure,), weights)
    return graph, grouping


def graphs_and_orbits(
    structures: Sequence[Structure], weights: MegnetWeights
) -> tuple[tuple[OrbitGraph, ...], Orbits]:
    """Build the graphs of several representations of one crystal over the same orbits.

    The orbits are those that all representations share (`common_orbits`). They may be more than
    one of them has alone, which changes no vector: the graph is a finer one of the same crystal.

    Raises
    ------
    InputError
        As in `orbit_graph`; when the representations do not show the same sites.
    """
    structure = structures[0]
    _require_same_sites(structures)
    for cutoff in _cutoffs(weights.cutoff_angstrom):
        for grouping in _groupings(structures):
            graph = _graph(structure, grouping, weights, cutoff)
            if is_reciprocal(graph):
                break
        if len(graph.centre):
            # bonds are those of the sites, whatever is on them
            others = (
                replace(graph, atoms=_embedded(other, grouping, weights))
                for other in structures[1:]
            )
            return (graph, *others), grouping
    raise InputError(
        f"{structure.formula}: no two atoms are within {cutoff:g} Å; leave this structure out"
    )


def is_reciprocal(graph: OrbitGraph) -> bool:
    """Tell whether bonds i -> j and j -> i agree in number and in length, summed over the cell.

    They disagree when atoms that are equivalent only within the tolerance have different
    neighbours, for example one just inside and one just outside of the cutoff.
    """
    n = len(graph.multiplicity)
    pair = graph.centre * n + graph.neighbour
    bonds = (graph.weight * graph.multiplicity[graph.centre]).astype(float)
    number = np.bincount(pair, bonds, n * n).reshape(n, n)
    length = np.bincount(pair, bonds * graph.distance_angstrom, n * n).reshape(n, n)
    if not np.array_equal(number, number.T):
        return False
    return bool((np.abs(length - length.T) <= SAME_DISTANCE_A * np.maximum(number, 1)).all())


def _cutoffs(first: float) -> Iterator[float]:
    for step in range(CUTOFF_STEPS + 1):
        yield first + step * CUTOFF_STEP_A


def _groupings(structures: Sequence[Structure]) -> Iterator[Orbits]:
    for symprec in TIGHTER_SYMPREC_A:
        yield common_orbits(structures, symprec)
    yield Orbits.from_labels(np.arange(len(structures[0])))


def _require_same_sites(structures: Sequence[Structure]) -> None:
    for other in structures[1:]:
        if not np.array_equal(other.frac_coords, structures[0].frac_coords):
            raise InputError(
                "its representations show different sites, so they cannot stand side by side; "
                "combine those that keep Li (CAMN, CAMNS), or those that leave it out (CAN, CANS)"
            )


def _embedded(structure: Structure, grouping: Orbits, weights: MegnetWeights) -> np.ndarray:
    contents = (structure[int(i)].species for i in grouping.representatives)
    return embed_sites(contents, weights.embedding)


def _graph(
    structure: Structure, grouping: Orbits, weights: MegnetWeights, cutoff: float
) -> OrbitGraph:
    representatives = grouping.representatives
    start, end, distance = _neighbours(structure, representatives, cutoff)
    n = len(grouping)
    neighbour = grouping.site_to_orbit[end]
    rank = np.round(distance / SAME_DISTANCE_A).astype(np.int64)
    key = (start * n + neighbour) * (int(cutoff / SAME_DISTANCE_A) + 2) + rank
    _, first, inverse, weight = np.unique(
        key, return_index=True, return_inverse=True, return_counts=True
    )
    return OrbitGraph(
        _embedded(structure, grouping, weights),
        grouping.multiplicity,
        start[first],
        neighbour[first],
        np.bincount(inverse, distance, len(first)) / weight,
        weight,
        cutoff,
    )


def _neighbours(
    structure: Structure, representatives: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (representative's number, neighbour site, distance) of all bonds within the cutoff."""
    from pymatgen.optimization.neighbors import find_points_in_spheres

    positions = np.ascontiguousarray(structure.cart_coords, dtype=float)
    start, end, _, distance = find_points_in_spheres(
        positions,
        np.ascontiguousarray(positions[representatives]),
        r=float(cutoff),
        pbc=np.ones(3, dtype=np.int64),
        lattice=np.ascontiguousarray(structure.lattice.matrix, dtype=float),
        tol=1e-8,
    )
    # megnet's rule: sites at the same place are bonded, a site is not bonded to itself
    other = (representatives[start] != end) | (distance > 1e-8)
    return start[other], end[other], distance[other]
