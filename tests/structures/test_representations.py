"""Representations are checked site by site, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Lattice, Structure

from sie.errors import InputError
from sie.structures.orbits import orbits
from sie.structures.oxidation import assign_oxidation_states
from sie.structures.representations import Representation, represent

SPECIES = st.sampled_from(["Li+", "Na+", "Fe2+", "Fe3+", "P5+", "S2-", "O2-", "Cl-", "Mg0+", "S6+"])
SITES = st.lists(st.lists(SPECIES, min_size=1, max_size=4, unique=True), min_size=1, max_size=5)


def structure_of(sites: list) -> Structure:
    positions = [[i / len(sites), 0.3, 0.7] for i in range(len(sites))]
    return Structure(Lattice.cubic(7.0), sites, positions)


def contents(structure: Structure) -> list[dict[str, float]]:
    return [site.species.as_dict() for site in structure]


@pytest.fixture
def mixed() -> Structure:
    return structure_of(
        [
            {"Li+": 0.6, "Na+": 0.3, "Fe3+": 0.05},
            {"Fe2+": 0.25, "Fe3+": 0.5},
            "Li+",
            {"S2-": 0.5, "Cl-": 0.25},
            {"Ar0+": 0.5},
            {"Li+": 0.25},
        ]
    )


def test_all_atoms(mixed):
    shown = contents(represent(mixed, Representation.CAMN))
    assert shown[0] == {"Li": 0.6, "Na": 0.3, "Fe": 0.05}
    assert shown[1] == {"Fe": 0.75}
    assert len(shown) == 6


def test_lithium_removed(mixed):
    shown = contents(represent(mixed, Representation.CAN))
    assert shown == [
        {"Na": 0.3, "Fe": 0.05},
        {"Fe": 0.75},
        {"S": 0.5, "Cl": 0.25},
        {"Ar": 0.5},
    ]


def test_elements_replaced_by_the_sign_of_their_charge(mixed):
    shown = contents(represent(mixed, Representation.CAMNS))
    assert shown[0] == pytest.approx({"Li": 0.6, "Al": 0.35})
    assert shown[1:] == [{"Al": 0.75}, {"Li": 1.0}, {"S": 0.75}, {"Mg": 0.5}, {"Li": 0.25}]


def test_both(mixed):
    shown = contents(represent(mixed, "CANS"))
    assert shown[0] == pytest.approx({"Al": 0.35})
    assert shown[1:] == [{"Al": 0.75}, {"S": 0.75}, {"Mg": 0.5}]


@settings(deadline=None, max_examples=60)
@given(SITES)
def test_occupancy_is_kept_and_removing_lithium_commutes(sites):
    structure = structure_of([dict.fromkeys(site, 1.0 / len(site)) for site in sites])
    shown = {}
    for representation in Representation:
        try:
            shown[representation] = represent(structure, representation)
        except InputError:
            assert representation in ("CAN", "CANS")
            assert all(set(site) == {"Li+"} for site in sites)
            return
    for whole, bare in (("CAMN", "CAN"), ("CAMNS", "CANS")):
        assert [s.species.num_atoms for s in shown[whole]] == pytest.approx([1.0] * len(sites))
        again = represent(shown[whole], "CAN")
        assert contents(again) == contents(shown[bare])
        assert np.array_equal(again.frac_coords, shown[bare].frac_coords)
    for full, simple in (("CAMN", "CAMNS"), ("CAN", "CANS")):
        a = [site.species.num_atoms for site in shown[full]]
        assert [site.species.num_atoms for site in shown[simple]] == pytest.approx(a)
        lithium = [[s.species["Li"] for s in shown[name]] for name in (full, simple)]
        assert lithium[0] == pytest.approx(lithium[1])


def test_removing_lithium_does_not_break_symmetry():
    garnet_like = Structure.from_spacegroup(
        "Fm-3m",
        Lattice.cubic(5.6),
        [{"Li": 0.5, "Na": 0.25}, "O", {"Li": 0.5}],
        [[0.25] * 3, [0] * 3, [0.5] * 3],
    )
    decorated, _ = assign_oxidation_states(garnet_like)
    assert [len(orbits(represent(decorated, r))) for r in Representation] == [3, 2, 3, 2]


def test_a_crystal_of_lithium_alone_has_no_other_atoms():
    with pytest.raises(InputError, match="no atom is left"):
        represent(structure_of(["Li+", {"Li+": 0.5}]), "CAN")


def test_missing_oxidation_states_are_reported_with_the_way_out():
    with pytest.raises(InputError, match=r"Na.*no oxidation state.*prepare"):
        represent(structure_of(["Li", "Na"]), "CAMNS")
    assert contents(represent(structure_of(["Li", "Na"]), "CAN")) == [{"Na": 1.0}]


def test_a_site_that_is_no_element_is_refused():
    with pytest.raises(InputError, match="not an element"):
        represent(structure_of(["Li", DummySpecies("X")]), "CAMN")


def test_deuterium_is_hydrogen():
    assert contents(represent(structure_of([{"D": 0.5, "H": 0.25}]), "CAMN")) == [{"H": 0.75}]
