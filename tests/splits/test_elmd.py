"""ElMD against the ElMD package, scipy's Wasserstein distance and the properties of a metric."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Element, Species
from scipy.stats import wasserstein_distance

from sie.errors import InputError
from sie.splits.elmd import MODIFIED_PETTIFOR, composition_vectors, elmd_matrix

compositions = st.dictionaries(
    st.sampled_from(MODIFIED_PETTIFOR),
    st.integers(1, 20_000).map(lambda amount: amount / 1000),
    min_size=1,
    max_size=7,
)


def formula(composition: dict[str, float]) -> str:
    return "".join(f"{symbol}{amount:.3f}" for symbol, amount in composition.items())


def wasserstein(one: dict[str, float], other: dict[str, float]) -> float:
    place = MODIFIED_PETTIFOR.index
    return wasserstein_distance(
        [place(symbol) for symbol in one],
        [place(symbol) for symbol in other],
        list(one.values()),
        list(other.values()),
    )


def test_the_scale_is_the_one_of_the_package():
    from ElMD import ElMD

    lookup = ElMD("LiF", metric="mod_petti").petti_lookup
    assert [lookup[symbol] for symbol in MODIFIED_PETTIFOR] == list(range(103))
    assert set(MODIFIED_PETTIFOR) == {Element.from_Z(z).symbol for z in range(1, 104)}


@settings(max_examples=60, deadline=None)
@given(compositions, compositions)
def test_equals_the_package_and_scipy(one, other):
    from ElMD import ElMD

    distance = elmd_matrix([one, other])[0, 1]
    package = ElMD(formula(one), metric="mod_petti").elmd(ElMD(formula(other), metric="mod_petti"))
    assert distance == pytest.approx(package, abs=1e-9)
    assert distance == pytest.approx(wasserstein(one, other), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(compositions, min_size=3, max_size=6))
def test_is_a_metric(several):
    matrix = elmd_matrix(several)
    fractions = composition_vectors(several)
    assert matrix.shape == (len(several), len(several))
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, matrix.T)
    assert not matrix.diagonal().any()
    detour = (matrix[:, :, None] + matrix[None, :, :]).min(axis=1)
    assert (matrix <= detour + 1e-9).all()
    same = np.abs(fractions[:, None] - fractions[None]).max(axis=2) < 1e-12
    assert ((matrix < 1e-9) == same).all()


@settings(max_examples=40, deadline=None)
@given(compositions, st.floats(0.01, 1000))
def test_only_fractions_count(composition, factor):
    spellings = [
        formula(composition),
        {symbol: amount * factor for symbol, amount in reversed(composition.items())},
        Composition(composition),
        Composition({Species(symbol, 1): amount for symbol, amount in composition.items()}),
    ]
    assert elmd_matrix([composition, *spellings]).max() < 1e-9
    np.testing.assert_allclose(composition_vectors(spellings).sum(axis=1), 1)


def test_one_step_of_the_scale_costs_one():
    matrix = elmd_matrix([{symbol: 1.0} for symbol in MODIFIED_PETTIFOR])
    steps = np.arange(103.0)
    np.testing.assert_array_equal(matrix, np.abs(steps[:, None] - steps))


def test_species_of_one_element_add_up():
    mixed = {Species("Fe", 2): 1, Species("Fe", 3): 2, Element("O"): 4}
    assert elmd_matrix([mixed, "Fe3O4"])[0, 1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("composition", "part"),
    [
        ({"D": 2, "O": 1}, "element D is not on"),
        ({"Rf": 1}, "element Rf is not on"),
        ({"Xx": 1}, "element Xx is not on"),
        ({}, "is empty"),
        ({"Li": 0}, "is empty"),
        ({"Li": -1, "F": 2}, "amount of Li is -1.0"),
        ({"Li": float("nan")}, "amount of Li is nan"),
        ({"Li": float("inf")}, "amount of Li is inf"),
        ("Li7Bi1.0*O6", "cannot be read"),
        ("not a formula", "cannot be read"),
    ],
)
def test_unusable_compositions_are_named(composition, part):
    with pytest.raises(InputError, match=part) as caught:
        elmd_matrix(["LiF", composition], ["good", "entry-7"])
    assert str(caught.value).startswith("entry-7: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"^composition 1: "):
        elmd_matrix(["LiF", composition])


@pytest.mark.shared
def test_equals_the_package_on_obelix(obelix):
    from ElMD import ElMD

    chosen = np.random.default_rng(0).choice(list(obelix.ids), size=60, replace=False)
    real = [obelix.structures[entry].composition for entry in chosen]
    amounts = [composition.get_el_amt_dict() for composition in real]
    package = [
        ElMD("".join(f"{k}{v:.10f}" for k, v in item.items()), metric="mod_petti")
        for item in amounts
    ]
    expected = [[one.elmd(other) for other in package] for one in package]
    np.testing.assert_allclose(elmd_matrix(real), expected, atol=1e-8)
