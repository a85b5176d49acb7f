"""Groups among candidates are those of comparing all with all."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from sie.screening import candidate_duplicates as module
from sie.screening.candidate_duplicates import duplicate_groups, of_equal_composition
from sie.structures.matching import matching_groups


def rock_salt(lithium, anion, a=5.13):
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(a), [lithium, anion], [[0, 0, 0], [0.5] * 3]
    )


@pytest.fixture
def candidates():
    plain = rock_salt("Li", "Cl")
    shifted = plain.copy()
    shifted.translate_sites(range(len(shifted)), [0.1, 0.2, 0.3])
    moved = Structure(plain.lattice, plain.species[::-1], plain.frac_coords[::-1])
    caesium = Structure(Lattice.cubic(3.3), ["Li", "Cl"], [[0, 0, 0], [0.5] * 3])
    return {
        "supercell": plain * (2, 1, 1),
        "b": plain,
        "a": moved,
        "shifted": shifted.get_primitive_structure(),
        "caesium": caesium,
        "charged": rock_salt("Li+", "Cl-"),
        "bromide": rock_salt("Li", "Br"),
        "mixed": rock_salt({"Li": 0.6, "Na": 0.4}, "Cl"),
        "nearly mixed": rock_salt({"Li": 0.60004, "Na": 0.39996}, "Cl"),
        "mixed twin": rock_salt({"Na": 0.4, "Li": 0.6}, "Cl", 5.2),
        "otherwise mixed": rock_salt({"Li": 0.5, "Na": 0.5}, "Cl"),
    }


def test_groups_are_those_of_comparing_all(candidates):
    found = duplicate_groups(candidates)
    assert found == matching_groups(candidates)
    assert list(found) == list(candidates)
    same = {entry for entry, group in found.items() if group == found["a"]}
    assert same == {"a", "b", "supercell", "shifted", "charged"}
    assert found["mixed"] == found["mixed twin"] != found["otherwise mixed"]


def test_only_compositions_with_company_are_compared(candidates, monkeypatch):
    compared = []

    def recorded(structures):
        compared.append(set(structures))
        return matching_groups(structures)

    monkeypatch.setattr(module, "matching_groups", recorded)
    duplicate_groups(candidates)
    assert sorted(map(len, compared)) == [3, 6]
    assert not any({"bromide", "otherwise mixed"} & group for group in compared)


def test_compositions_part_the_candidates(candidates):
    parts = list(of_equal_composition(candidates))
    assert sorted(entry for part in parts for entry in part) == sorted(candidates)
    assert sorted(map(len, parts)) == [1, 1, 3, 6]


def test_no_candidates_have_no_groups():
    assert duplicate_groups({}) == {}
