"""States are checked against textbook signs, charge neutrality, and what a CIF declares."""

from __future__ import annotations

import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, DummySpecies, Element, Lattice, Structure
from pymatgen.io.cif import CifParser

from sie.structures.oxidation import (
    BALANCED,
    OxidationMethod,
    assign_oxidation_states,
    guess_states,
    prepare,
)

ANIONS = {
    "Li2O": "O",
    "LiF": "F",
    "LiBH4": "H",
    "LiAlH4": "H",
    "Li3AlH6": "H",
    "LiH": "H",
    "Li3N": "N",
    "LiNH2": "N",
    "Li3PS4": "S",
    "Li4P2S6": "S",
    "Li6PS5Cl": "S Cl",
    "Li10GeP2S12": "S",
    "Li4SnSe4": "Se",
    "Li3YBr6": "Br",
    "LiI": "I",
    "Li7La3Zr2O12": "O",
    "LiClO4": "O",
    "LiIO3": "O",
    "LiNO3": "O",
    "Li2SO4": "O",
    "Li2PNO2": "N O",
    "LiSCN": "N S",
    "Li3P": "P",
    "LiP7": "P",
    "Li8GeP4": "P",
    "LiC6": "C",
    "Li3Bi": "Bi",
    "Li15Si4": "Si",
    "LiMn2O4": "O",
    "LiO2": "O",
    "Li2B12H12": "H",
    "SiS4": "S",
}


def cubic(species: list, edge: float = 4.0) -> Structure:
    positions = [[i / len(species), 0.1 * i, 0.0] for i in range(len(species))]
    return Structure(Lattice.cubic(edge), species, positions)


@pytest.mark.parametrize(("formula", "anions"), ANIONS.items())
def test_signs_of_known_compounds(formula, anions):
    states, _ = guess_states(Composition(formula).get_el_amt_dict())
    assert {symbol for symbol, state in states.items() if state < 0} == set(anions.split())
    assert all(state != 0 for state in states.values())


@pytest.mark.parametrize("formula", ["Li", "LiAl", "C60", "LiXe", "LiCe2"])
def test_without_anions_everything_is_neutral(formula):
    states, method = guess_states(Composition(formula).get_el_amt_dict())
    assert set(states.values()) == {0.0}
    assert method is OxidationMethod.METALLIC


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from([element.symbol for element in Element]),
        st.floats(0.001, 300),
        min_size=1,
        max_size=9,
    )
)
def test_any_composition_gets_states_and_guessed_ones_balance(amounts):
    states, method = guess_states(amounts)
    charges = [amounts[symbol] * state for symbol, state in states.items()]
    positive, negative = (sum(max(sign * q, 0) for q in charges) for sign in (1, -1))
    assert list(states) == sorted(amounts)
    if method is OxidationMethod.GUESSED:
        assert positive > 0 and negative > 0
        assert abs(positive - negative) <= BALANCED * max(positive, negative) * 1.001
    backwards = dict(reversed(amounts.items()))
    assert guess_states(backwards) == (states, method)


def test_states_do_not_depend_on_the_cell_size():
    small, _ = guess_states({"Li": 7.44, "Al": 1.452, "Ge": 10.548, "P": 18, "O": 72})
    large, _ = guess_states({"Li": 59.52, "Al": 11.616, "Ge": 84.384, "P": 144, "O": 576})
    assert small == large == {"Al": 3, "Ge": 4, "Li": 1, "O": -2, "P": 5}


def test_too_much_lithium_in_the_file_does_not_turn_phosphorus_negative():
    states, method = guess_states({"Li": 45.888, "P": 4, "S": 20, "Br": 3, "Cl": 1})
    assert states["P"] > 0 > states["S"]
    assert method is OxidationMethod.UNBALANCED


CIF = """data_x
_cell_length_a 4.0
_cell_length_b 4.0
_cell_length_c 4.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_type_symbol
_atom_type_oxidation_number
{states}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li1+ 0 0 0 1.0
Fe1 Fe2+ 0.5 0.5 0.5 0.5
Br1 Br1- 0.5 0 0 1.0
H1 H1- 0 0.5 0 1.0
"""


@pytest.mark.parametrize(
    ("states", "method"),
    [
        ("Li1+ 1\nFe2+ 2\nBr1- -1\nH1- -1", OxidationMethod.DECLARED),
        ("Li1+ 0\nFe2+ 0\nBr1- 0\nH1- 0", OxidationMethod.GUESSED),
        ("Li1+ 1\nFe2+ 2\nBr1- -1\nH1- 0", OxidationMethod.GUESSED),
        ("Li1+ 1\nFe2+ 2\nBr1- 1\nH1- 1", OxidationMethod.GUESSED),
    ],
)
def test_states_of_a_cif_are_used_only_where_complete_and_balanced(states, method):
    parser = CifParser.from_str(CIF.format(states=states))
    structure = parser.parse_structures(primitive=False)[0]
    before = structure.copy()
    decorated, found = assign_oxidation_states(structure)
    assert found is method
    assert structure == before
    if method is OxidationMethod.DECLARED:
        assert decorated == structure
    assert abs(sum(s.oxi_state * n for s, n in decorated.composition.items())) < 1e-6


def test_declared_states_of_one_element_may_differ_between_sites():
    structure = cubic(["Fe2+", "Fe3+", "Fe3+", "O2-", "O2-", "O2-", "O2-"])
    decorated, method = assign_oxidation_states(structure)
    assert method is OxidationMethod.DECLARED
    assert [s.specie.oxi_state for s in decorated][:3] == [2, 3, 3]


def test_partial_occupancies_and_positions_are_kept():
    structure = cubic([{"Li": 0.5, "Na": 0.25}, {"Li": 0.25}, "Cl"])
    decorated, method = assign_oxidation_states(structure)
    assert method is OxidationMethod.GUESSED
    assert [{s.symbol: a for s, a in site.species.items()} for site in decorated] == [
        {"Li": 0.5, "Na": 0.25},
        {"Li": 0.25},
        {"Cl": 1.0},
    ]
    assert (decorated.frac_coords == structure.frac_coords).all()
    assert decorated.lattice == structure.lattice


def test_deuterium_and_dummy_atoms_do_not_break_it():
    decorated, _ = assign_oxidation_states(cubic(["Li", "D", DummySpecies("X")]))
    assert [site.specie.oxi_state for site in decorated] == [1, -1, 0]


def test_prepare_keeps_ids_and_order():
    decorated, methods = prepare({"b": cubic(["Li", "Cl"]), "a": cubic(["Li", "Al"])})
    assert list(decorated) == list(methods) == ["b", "a"]
    assert methods == {"b": OxidationMethod.GUESSED, "a": OxidationMethod.METALLIC}


@pytest.mark.shared
def test_every_obelix_crystal_has_both_signs_and_usual_anions(shared_data):
    never_positive = {"O", "F", "Cl", "Br", "I", "S", "Se", "N"}
    with tarfile.open(shared_data / "obelix" / "all_cifs.tar.gz") as archive:
        for member in archive:
            if not member.name.endswith(".cif"):
                continue
            text = archive.extractfile(member).read().decode()
            parser = CifParser.from_str(text, occupancy_tolerance=2.0)
            decorated, _ = assign_oxidation_states(parser.parse_structures(primitive=False)[0])
            states = {s.symbol: s.oxi_state for s in decorated.composition}
            assert all(states[symbol] < 0 for symbol in never_positive & set(states)), member.name
            assert states.get("Li", 1) == 1, member.name
            assert all(state != 0 for state in states.values()), member.name
