"""Quotient graphs are checked against pymatgen's full neighbour lists."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sie.errors import InputError
from sie.features.graph import is_reciprocal, orbit_graph
from sie.features.weights import bundled_weights
from sie.structures.orbits import orbits
from sie.structures.representations import represent


def bond_lengths(graph, orbit: int) -> np.ndarray:
    mine = graph.centre == orbit
    return np.sort(np.repeat(graph.distance_angstrom[mine], graph.weight[mine]))


@pytest.mark.parametrize("name", ["LiCl", "argyrodite", "skewed"])
def test_bonds_of_each_orbit_are_those_of_its_atoms(crystals, name):
    structure = represent(crystals[name], "CAMN")
    graph = orbit_graph(structure, bundled_weights())
    grouping = orbits(structure)
    assert graph.multiplicity.sum() == len(structure)
    assert (np.diff(graph.centre) >= 0).all()
    for site, neighbours in enumerate(structure.get_all_neighbors(5.0)):
        expected = np.sort([neighbour.nn_distance for neighbour in neighbours])
        found = bond_lengths(graph, grouping.site_to_orbit[site])
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_equal_bonds_share_a_row(crystals):
    graph = orbit_graph(represent(crystals["LiCl"], "CAMN"), bundled_weights())
    # rock salt within 5 Å: 6 and 8 unlike neighbours, 12 like ones, for each of two orbits
    assert sorted(graph.weight) == [6, 6, 8, 8, 12, 12]


def test_touching_sites_are_bonded_but_not_to_themselves():
    twins = Structure(
        Lattice.cubic(8.0), [{"Li": 0.5}, {"Na": 0.5}, "Cl"], [[0] * 3, [0] * 3, [0.5, 0, 0]]
    )
    graph = orbit_graph(twins, bundled_weights())
    assert (graph.distance_angstrom < 1e-8).sum() == 2
    assert not ((graph.centre == graph.neighbour) & (graph.distance_angstrom < 1e-8)).any()


@pytest.mark.parametrize(("edge", "cutoff"), [(4.9, 5), (5.5, 6), (7.3, 8), (15.7, 16)])
def test_the_radius_grows_only_until_there_is_a_bond(edge, cutoff):
    lonely = Structure(Lattice.cubic(edge), ["Li"], [[0, 0, 0]])
    graph = orbit_graph(lonely, bundled_weights())
    assert graph.cutoff_angstrom == cutoff
    assert graph.weight.tolist() == [6]


def test_one_isolated_atom_does_not_stretch_the_radius_for_the_others():
    cell = Structure(Lattice.cubic(11.0), ["Li", "Cl", "Xe"], [[0, 0, 0], [0.2, 0, 0], [0.5] * 3])
    graph = orbit_graph(cell, bundled_weights())
    assert graph.cutoff_angstrom == 5
    assert set(graph.centre) == {0, 1}


def test_atoms_too_far_apart_are_reported():
    with pytest.raises(InputError, match="no two atoms are within 16"):
        orbit_graph(Structure(Lattice.cubic(20.0), ["Li"], [[0, 0, 0]]), bundled_weights())


def test_symmetry_that_the_cutoff_breaks_is_not_believed():
    # two Li that are equivalent within 0.01 Å; only the first has Cl within 5 Å (at 4.999 Å)
    lattice = Lattice.orthorhombic(20.0, 4.0, 4.0)
    positions = [[0, 0, 0], [0.5, 0, 0], [4.999 / 20, 0, 0], [15.001 / 20, 0, 0]]
    broken = Structure(lattice, ["Li", "Li", "Cl", "Cl"], positions)
    coarse, graph = orbits(broken, 1e-2), orbit_graph(broken, bundled_weights())
    assert len(coarse) < len(graph.multiplicity)
    assert is_reciprocal(graph)
    grouping = orbits(broken, 1e-3)
    for site, neighbours in enumerate(broken.get_all_neighbors(5.0)):
        assert len(bond_lengths(graph, grouping.site_to_orbit[site])) == len(neighbours)
