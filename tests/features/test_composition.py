"""Fractions and statistics of compositions against plain formulas over pymatgen's elements."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, DummySpecies, Element, Species

from sie.errors import InputError
from sie.features.composition import (
    PROPERTIES,
    composition_statistics,
    element_fractions,
    element_properties,
)

symbols = st.integers(1, 100).map(lambda z: Element.from_Z(z).symbol)
compositions = st.dictionaries(symbols, st.integers(1, 500).map(lambda n: n / 10), min_size=1).map(
    Composition
)
databases = st.lists(compositions, min_size=1, max_size=5).map(
    lambda several: {f"entry-{i}": item for i, item in enumerate(several)}
)


@settings(max_examples=40, deadline=None)
@given(databases)
def test_fractions_are_those_of_pymatgen(database):
    found = element_fractions(database)
    occurring = {element.symbol for item in database.values() for element in item}
    assert found.names == tuple(sorted(occurring))
    assert found.ids == tuple(database)
    for entry, composition in database.items():
        expected = [composition.get_atomic_fraction(symbol) for symbol in found.names]
        np.testing.assert_allclose(found.rows_of([entry])[0], expected, rtol=1e-12)
    np.testing.assert_allclose(found.values.sum(axis=1), 1)


def by_hand(composition: Composition, attribute: str) -> list[float]:
    """Mean, average deviation, minimum, maximum, range in plain Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = [getattr(element, attribute) for element in composition]
    values = [math.nan if value is None else float(value) for value in known]
    if any(math.isnan(value) for value in values):
        return [math.nan] * 5
    weights = [composition.get_atomic_fraction(element) for element in composition]
    mean = sum(w * x for w, x in zip(weights, values, strict=True))
    deviation = sum(w * abs(x - mean) for w, x in zip(weights, values, strict=True))
    return [mean, deviation, min(values), max(values), max(values) - min(values)]


@settings(max_examples=40, deadline=None)
@given(databases)
def test_statistics_are_those_of_plain_formulas(database):
    found = composition_statistics(database)
    for entry, composition in database.items():
        row = dict(zip(found.names, found.rows_of([entry])[0], strict=True))
        assert row.pop("n_elements") == len(composition)
        for name, attribute in PROPERTIES.items():
            got = [row.pop(f"{name}_{of}") for of in ("mean", "deviation", "min", "max", "range")]
            assert got == pytest.approx(by_hand(composition, attribute), rel=1e-9, nan_ok=True)
        assert not row


def test_known_values_of_lithium_fluoride():
    found = composition_statistics({"LiF": Composition("LiF")})
    row = dict(zip(found.names, found.values[0], strict=True))
    assert row["number_mean"] == 6
    assert row["number_deviation"] == 3
    assert row["electronegativity_range"] == pytest.approx(3.98 - 0.98)
    assert (row["row_max"], row["group_min"], row["group_max"]) == (2, 1, 17)


@settings(max_examples=30, deadline=None)
@given(compositions, st.floats(0.01, 1000))
def test_only_fractions_of_elements_count(composition, factor):
    spellings = {
        "plain": composition,
        "scaled": composition * factor,
        "ions": Composition({Species(e.symbol, 1): n for e, n in composition.items()}),
    }
    for descriptors in (element_fractions(spellings), composition_statistics(spellings)):
        first = descriptors.values[[0, 0]]
        np.testing.assert_allclose(descriptors.values[1:], first, rtol=1e-9, atol=1e-9)


def test_a_property_that_all_elements_share_has_no_deviation():
    found = composition_statistics({"a": Composition("H0.3Cs0.1"), "b": Composition("H9Cs3")})
    assert not found.values[:, found.names.index("group_deviation")].any()


def test_a_missing_property_leaves_its_columns_undefined_and_no_others():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = composition_statistics({"a": Composition("LiAr"), "b": Composition("LiF")})
    missing = {
        name for name, value in zip(found.names, found.values[0], strict=True) if value != value
    }
    assert missing == {
        f"electronegativity_{of}" for of in ("mean", "deviation", "min", "max", "range")
    }
    assert np.isfinite(found.values[1]).all()


def test_the_elements_without_a_value_are_those_of_the_docstring():
    table = {e.symbol: element_properties(e.symbol) for e in map(Element.from_Z, range(1, 104))}
    without = {
        name: {symbol for symbol, row in table.items() if np.isnan(row[k])}
        for k, name in enumerate(PROPERTIES)
    }
    beyond_am = {"Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr"}
    assert {name: missing for name, missing in without.items() if missing} == {
        "electronegativity": {"He", "Ne", "Ar"},
        "atomic_radius_A": {"He", "Ne", "Kr", "Xe", "At", "Rn", "Fr"} | beyond_am,
        "van_der_waals_radius_A": {"Lr"},
        "molar_volume_cm3": {"At", "Fr", "Fm", "Md", "No", "Lr"},
    }


@pytest.mark.parametrize("describe", [element_fractions, composition_statistics])
@pytest.mark.parametrize(
    ("composition", "part"),
    [
        (Composition({}), "is empty"),
        (Composition({DummySpecies("X", 1): 1, "O": 1}), "X is no element"),
    ],
)
def test_unusable_compositions_are_named(describe, composition, part):
    with pytest.raises(InputError, match=f"^entry-7: .*{part}"):
        describe({"good": Composition("LiF"), "entry-7": composition})


def test_no_compositions_give_no_rows():
    assert element_fractions({}).values.shape == (0, 0)
    assert len(composition_statistics({})) == 0
