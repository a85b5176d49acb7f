from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher

from sie.datasets import cif, cif_limits
from sie.datasets.cif import UnusableCif, parse_cif, read_cif
from sie.errors import InputError

LI = "Li1 Li 0 0 0 1"
CL = "Cl1 Cl .5 .5 .5 1"


def reason_of(text: str) -> str:
    with pytest.raises(UnusableCif) as caught:
        parse_cif(text)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_conventional_cell_survives_a_round_trip(tmp_path, rock_salt, cif_text):
    original = rock_salt()
    path = tmp_path / "licl.cif"
    path.write_text(cif_text(original, symprec=0.01))
    read = read_cif(path)
    assert "'x, y, z'" in path.read_text()
    assert len(read) == 8  # the primitive cell would hold 2
    assert StructureMatcher(primitive_cell=False).fit(read, original)


def test_no_warning_reaches_the_user(sites_text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_cif(sites_text(f"{LI}\nCl1 Cl .5 .5 .5 0.8\nBr1 Br .5 .5 .5 0.3"))


@pytest.mark.parametrize("total", [1.02, 1.5, 2.0])
def test_sums_above_one_are_rescaled(sites_text, total):
    rows = f"{LI}\nCl1 Cl .5 .5 .5 {total * 0.5}\nBr1 Br .5 .5 .5 {total * 0.5}"
    amounts = parse_cif(sites_text(rows)).composition
    assert amounts["Cl"] == pytest.approx(0.5)
    assert amounts["Br"] == pytest.approx(0.5)


def test_sums_below_one_stay_as_they_are(sites_text):
    structure = parse_cif(sites_text(f"Li1 Li 0 0 0 0.25(3)\n{CL}"))
    assert structure.composition["Li"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("Br1 Br .5 .5 .5 1\nI1 I .5 .5 .5 1", "occupancies of a site sum to 3"),
        ("Br1 Br .25 .5 .5 -0.2", "impossible occupancy -0.2"),
        ("Br1 Br .25 .5 .5 1.5", "impossible occupancy 1.5"),
        ("Br1 Br .25 .5 .5 nan", "impossible occupancy nan"),
        ("Br1 Br .25 .5 .5 half", "occupancy 'half' is not a number"),
    ],
)
def test_impossible_occupancies_are_refused(sites_text, row, expected):
    assert reason_of(sites_text(f"{LI}\n{CL}\n{row}")) == expected


@pytest.mark.parametrize("mark", [".", "?"])
def test_an_unstated_occupancy_is_one(sites_text, mark):
    structure = parse_cif(sites_text(f"Li1 Li 0 0 0 {mark}\n{CL}"))
    assert structure.composition["Li"] == 1


def test_a_site_of_occupancy_zero_is_empty(sites_text):
    structure = parse_cif(sites_text(f"{LI}\n{CL}\nBr1 Br .25 .5 .5 0"))
    assert "Br" not in structure.composition


TYPES = "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\n{}"


@pytest.mark.parametrize(
    ("types", "symbols", "charge"),
    [
        ("Li 1\nCl -1", ("Li", "Cl"), {"Li": 1, "Cl": -1}),
        ("Li1+ 1\nCl1- -1", ("Li1+", "Cl1-"), {"Li": 1, "Cl": -1}),
        ("", ("Li+", "Cl-"), {"Li": 1, "Cl": -1}),
        ("Li ?\nCl ?", ("Li1+", "Cl1-"), {"Li": 1, "Cl": -1}),
        ("Li ?\nCl ?", ("Li", "Cl"), {"Li": None, "Cl": None}),
        ("Li 0\nCl 0", ("Li", "Cl"), {"Li": None, "Cl": None}),
        ("Li0+ 0\nCl0+ 0", ("Li0+", "Cl0+"), {"Li": None, "Cl": None}),
        ("", ("Li+", "Cl"), {"Li": None, "Cl": None}),
        ("", ("Li", "Cl"), {"Li": None, "Cl": None}),
    ],
)
def test_oxidation_states_are_kept_where_they_say_something(sites_text, types, symbols, charge):
    rows = f"Li1 {symbols[0]} 0 0 0 1\nCl1 {symbols[1]} .5 .5 .5 1"
    structure = parse_cif(sites_text(rows, extra=TYPES.format(types) if types else ""))
    found = {
        kind.symbol: getattr(kind, "oxi_state", None) for site in structure for kind in site.species
    }
    assert found == charge


def test_isotopes_without_type_symbols_become_hydrogen(sites_text):
    rows = "Li1 0 0 0\nD1 .5 .5 .5\nTi1 .5 0 0\nDy1 0 0 .5"
    structure = parse_cif(sites_text(rows, columns="label fract_x fract_y fract_z"))
    assert structure.composition.get_el_amt_dict() == {"Li": 1, "H": 1, "Ti": 1, "Dy": 1}


def test_a_charged_isotope_keeps_its_charge(sites_text):
    types = TYPES.format("Li1+ 1\nD1- -1")
    structure = parse_cif(sites_text("Li1 Li1+ 0 0 0 1\nD1 D1- .5 .5 .5 1", extra=types))
    assert {str(kind) for kind in structure.composition} == {"Li+", "H-"}


def test_isotopes_become_hydrogen_and_add_up(sites_text):
    structure = parse_cif(sites_text(f"{LI}\nD1 D .5 .5 .5 0.6\nH1 H .5 .5 .5 0.3"))
    assert structure.composition.get_el_amt_dict() == pytest.approx({"Li": 1, "H": 0.9})


@pytest.mark.parametrize("symbol", ["X", "Va", "Vac", "Q"])
def test_what_is_no_element_is_refused(sites_text, symbol):
    rows = f"{LI}\nA1 {symbol} .5 .5 .5 1"
    assert "is no element" in reason_of(sites_text(rows))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no atom positions"),
        ("<html>404</html>", "no atom positions"),
        ("data_x\n_atom_site_fract_x 0\n", "the atoms are not listed in a loop"),
        ("_atom_site_fract_x", "0 blocks with atoms; exactly one is needed"),
    ],
)
def test_what_is_no_cif_is_refused(text, expected):
    assert reason_of(text) == expected


def test_several_crystals_in_one_file_are_refused(sites_text):
    one = sites_text(f"{LI}\n{CL}")
    both = one + one.replace("data_x", "data_y")
    assert reason_of(both) == "2 blocks with atoms; exactly one is needed"


def test_blocks_without_atoms_do_not_matter(sites_text):
    text = "data_global\n_journal_year 2024\n" + sites_text(f"{LI}\n{CL}")
    assert parse_cif(text).composition.reduced_formula == "LiCl"


def test_a_missing_coordinate_is_refused(sites_text):
    assert reason_of(sites_text("Li1 Li ? 0 0 1")).startswith("cannot be parsed")


@pytest.mark.parametrize("cell", [0.5, 500.0])
def test_a_broken_cell_is_refused(sites_text, cell):
    assert "impossible cell" in reason_of(sites_text(f"{LI}\n{CL}", cell=cell))


def test_sizes_are_bounded(sites_text, tmp_path, monkeypatch):
    text = sites_text(f"{LI}\n{CL}")
    assert "a line is longer" in reason_of(text + "#" * (cif_limits.MAX_LINE + 1))
    monkeypatch.setattr(cif_limits, "MAX_POSITIONS", 1)
    assert reason_of(text) == "2 positions, more than 1"
    monkeypatch.setattr(cif_limits, "MAX_BYTES", 10)
    assert "larger than" in reason_of(text)
    monkeypatch.setattr(cif, "MAX_BYTES", 10)
    (tmp_path / "big.cif").write_text(text)
    with pytest.raises(UnusableCif, match="larger than"):
        read_cif(tmp_path / "big.cif")


def test_sites_are_bounded(sites_text, monkeypatch):
    monkeypatch.setattr(cif, "MAX_SITES", 1)
    assert reason_of(sites_text(f"{LI}\n{CL}")) == "2 sites, more than 1"


def test_an_unreadable_file_is_the_users_mistake(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.cif: cannot be read"):
        read_cif(tmp_path / "nowhere.cif")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_text_never_crashes(data):
    text = (
        "data_x\n_cell_length_a 5\n_cell_length_b 5\n_cell_length_c 5\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\nloop_\n_atom_site_label\n"
        "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nLi1 0 0 0\nCl1 .5 .5 .5\n"
    )
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    filling = data.draw(st.text(st.sampled_from(" \n'\"_;#?.0159-+loLiatmse()\x00é"), max_size=12))
    try:
        structure = parse_cif(text[:start] + filling + text[end:])
    except UnusableCif as refusal:
        assert len(refusal.reason) < 120
    else:
        assert np.isfinite(structure.frac_coords).all()
        assert all(site.species.num_atoms <= 1 + 1e-6 for site in structure)
