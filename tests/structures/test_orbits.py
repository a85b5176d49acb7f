"""Orbits are checked against Wyckoff multiplicities, rigid motions and supercells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sie.structures.orbits import Orbits, common_orbits, orbits, wyckoff_letters

SETTINGS = settings(deadline=None, max_examples=25)


@pytest.fixture(scope="module")
def argyrodite() -> Structure:
    # F-43m with Wyckoff sites 48h, 4b, 16e, and S/Cl shared on 4a and 4d
    return Structure.from_spacegroup(
        "F-43m",
        Lattice.cubic(9.85),
        [{"Li": 0.5}, "P", "S", {"S": 0.4, "Cl": 0.6}, {"S": 0.6, "Cl": 0.4}],
        [[0.183, 0.183, 0.024], [0.5] * 3, [0.618] * 3, [0] * 3, [0.25] * 3],
    )


def test_orbits_are_wyckoff_sites(argyrodite):
    found = orbits(argyrodite)
    assert sorted(found.multiplicity) == [4, 4, 4, 16, 48]
    assert found.multiplicity.sum() == len(argyrodite) == len(found.site_to_orbit)
    contents = [site.species for site in argyrodite]
    for site, orbit in enumerate(found.site_to_orbit):
        assert contents[site] == contents[found.representatives[orbit]]


def test_occupancies_tell_sites_apart():
    lattice = Lattice.cubic(4.0)
    positions = [[0, 0, 0], [0.5] * 3]
    assert len(orbits(Structure(lattice, [{"Li": 0.5}, {"Li": 0.5}], positions))) == 1
    assert len(orbits(Structure(lattice, [{"Li": 0.5}, {"Li": 0.6}], positions))) == 2
    assert len(orbits(Structure(lattice, ["Fe2+", "Fe3+"], positions))) == 2


@SETTINGS
@given(st.permutations(range(76)), st.tuples(*[st.floats(-2, 2)] * 3))
def test_order_of_sites_and_origin_do_not_matter(argyrodite, order, shift):
    reference = orbits(argyrodite)
    moved = Structure(
        argyrodite.lattice,
        [argyrodite[i].species for i in order],
        argyrodite.frac_coords[list(order)] + shift,
    )
    found = orbits(moved)
    pairs = {(reference.site_to_orbit[i], found.site_to_orbit[k]) for k, i in enumerate(order)}
    assert len(pairs) == len(found) == len(reference)


@pytest.mark.parametrize("scale", [(2, 1, 1), (1, 2, 2)])
def test_a_supercell_has_the_same_orbits_more_often(argyrodite, scale):
    found = orbits(argyrodite.make_supercell(scale, in_place=False))
    assert sorted(found.multiplicity) == [np.prod(scale) * n for n in (4, 4, 4, 16, 48)]


def test_sites_on_top_of_each_other_fall_back_to_single_orbits(caplog):
    caplog.set_level("INFO")
    twins = Structure(Lattice.cubic(4.0), ["Li", "Li", "Cl"], [[0, 0, 0], [1e-4, 0, 0], [0.5] * 3])
    found = orbits(twins)
    assert found.multiplicity.tolist() == [1, 1, 1]
    assert "every site is its own orbit" in caplog.text


def test_orbits_are_numbered_by_their_first_site():
    found = Orbits.from_labels(np.array([7, 7, 2, 9, 2]))
    assert found.representatives.tolist() == [0, 2, 3]
    assert found.multiplicity.tolist() == [2, 2, 1]
    assert found.site_to_orbit.tolist() == [0, 0, 1, 2, 1]


def test_wyckoff_letters_are_those_of_the_tables(argyrodite):
    # International Tables, F-43m: 4a at 0, 4b at 1/2, 4c at 1/4, 16e on x,x,x, 48h on x,x,z
    found = Counter(wyckoff_letters(argyrodite))
    assert found == {"a": 4, "b": 4, "c": 4, "e": 16, "h": 48}
    twins = Structure(Lattice.cubic(4.0), ["Li", "Li", "Cl"], [[0, 0, 0], [1e-4, 0, 0], [0.5] * 3])
    assert wyckoff_letters(twins) == ("", "", "")


def test_common_orbits_lie_within_the_orbits_of_each():
    places = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    one, other = (
        Structure(Lattice.cubic(4.0), species, places)
        for species in (["Li", "Mg", "Zn", "Mg"], ["Al", "Al", "Al", "Li"])
    )
    common = common_orbits((one, other))
    pairs = set(zip(orbits(one).site_to_orbit, orbits(other).site_to_orbit, strict=True))
    assert len(common) == len(pairs) == 4
    assert len(orbits(one)) == 3
    assert len(orbits(other)) == 2
    np.testing.assert_array_equal(
        common_orbits((one, one)).site_to_orbit, orbits(one).site_to_orbit
    )
