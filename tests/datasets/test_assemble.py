from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Lattice, Structure

from sie.datasets.assemble import (
    Measurement,
    assemble,
    has_lithium,
    scale_free_formula,
    space_group_number,
)
from sie.datasets.cif import UnusableCif
from sie.datasets.record import COLUMNS, LeftOut
from sie.errors import InputError


def test_a_row_holds_what_the_record_asks_for(rock_salt):
    crystal = rock_salt()
    item = Measurement("a", 1, 2e-4, doi="10.1/x", extra={"family": "halide"})
    database = assemble("mine", [item], lambda _: (crystal, "a.cif"))
    assert tuple(database.table.columns) == (*COLUMNS, "family")
    row = database.table.loc["a"]
    assert row["formula"] == "LiCl"
    assert row["log10_sigma"] == pytest.approx(math.log10(2e-4))
    assert row["space_group"] == 225
    assert row["ordered"]
    assert (row["source"], row["doi"], row["family"]) == ("a.cif", "10.1/x", "halide")
    assert database.structures["a"] is crystal


def test_a_class_without_a_conductivity_has_no_logarithm(rock_salt):
    database = assemble("mine", [Measurement("a", 0)], lambda _: (rock_salt(), ""))
    assert math.isnan(database.table.loc["a", "log10_sigma"])
    assert database.labels.tolist() == [0]


def test_what_cannot_be_used_is_left_out_with_its_reason(rock_salt):
    def crystal_of(entry):
        if entry == "broken":
            raise UnusableCif("no atom positions", "broken.cif")
        return rock_salt(cation="Na" if entry == "salt" else "Li"), f"{entry}.cif"

    items = [Measurement(i, 0, 1e-6, where="t.csv:2") for i in ("a", "a", "broken", "salt")]
    database = assemble("mine", items, crystal_of, [LeftOut("z", "no id", "t.csv:9")])
    assert database.ids == ("a",)
    assert set(database.left_out) == {
        LeftOut("z", "no id", "t.csv:9"),
        LeftOut("a", "id occurs more than once", "t.csv:2"),
        LeftOut("broken", "no atom positions", "broken.cif"),
        LeftOut("salt", "no Li in the structure", "salt.cif"),
    }
    kept = assemble("mine", items, crystal_of, require_lithium=False)
    assert kept.ids == ("a", "salt")


def test_where_nothing_is_left_the_commonest_reason_has_its_first_file():
    def crystal_of(entry):
        raise UnusableCif("no Li" if entry == "a" else "no atom positions", f"{entry}.cif")

    items = [Measurement(i, 0) for i in ("a", "b", "c")]
    with pytest.raises(InputError) as caught:
        assemble("mine", items, crystal_of)
    assert "left of 3: no atom positions (2 of them, first b, b.cif); correct" in str(caught.value)


def test_nothing_left_is_the_users_mistake(rock_salt):
    with pytest.raises(InputError, match="no Li in the structure"):
        assemble("mine", [Measurement("a", 0)], lambda _: (rock_salt(cation="Na"), ""))
    with pytest.raises(InputError, match="the source is empty"):
        assemble("mine", [], lambda _: (rock_salt(), ""))


def test_lithium_on_a_mixed_site_counts():
    crystal = Structure(Lattice.cubic(4), [{"Na": 0.9, "Li": 0.1}], [[0, 0, 0]])
    assert has_lithium(crystal)


@pytest.mark.parametrize(
    ("amounts", "formula"),
    [
        ("Li52.8La24Zr12.8Ta3.2O96", "Li6.6La3Zr1.6Ta0.4O12"),
        ("Li12P4S16", "Li3PS4"),
        ("Li2", "Li"),
        ("Li1.5P0.5S2", "Li3PS4"),
    ],
)
def test_formula_of_known_compounds(amounts, formula):
    assert scale_free_formula(Composition(amounts)) == formula


@given(
    st.dictionaries(
        st.sampled_from(["Li", "La", "Zr", "O", "P", "S"]), st.integers(1, 120), min_size=1
    ),
    st.sampled_from([1, 2, 3, 4, 6]),
)
def test_formula_says_the_composition_whatever_the_cell(amounts, scale):
    composition = Composition({element: n / 10 for element, n in amounts.items()})
    formula = scale_free_formula(composition)
    assert Composition(formula).fractional_composition.almost_equals(
        composition.fractional_composition, rtol=1e-2, atol=1e-3
    )
    if max(n for element, n in amounts.items() if element != "Li" or len(amounts) == 1) <= 24:
        assert scale_free_formula(composition * scale) == formula


def test_coinciding_sites_do_not_stop_the_space_group():
    crystal = Structure(Lattice.cubic(4), [{"Li": 0.5}, {"Li": 0.5}], [[0, 0, 0], [1e-4, 0, 0]])
    assert space_group_number(crystal) == 1
