"""Split statistics against a twin of plain loops, scipy's Wasserstein distance and pandas."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition
from scipy.stats import wasserstein_distance

from sie.errors import InputError
from sie.splits.elmd import MODIFIED_PETTIFOR, composition_vectors, elmd_between, elmd_matrix
from sie.splits.record import Split
from sie.splits.similarity import similar, split_statistics, statistics_table

compositions = st.dictionaries(
    st.sampled_from(["Li", "P", "S", "Cl", "O"]), st.integers(1, 12), min_size=1
)
entries = st.tuples(
    compositions, st.integers(0, 1), st.one_of(st.just(math.nan), st.floats(-12, -1))
)
parts = st.tuples(
    st.lists(entries, min_size=1, max_size=8), st.lists(entries, min_size=1, max_size=8)
)


def fraction(composition, symbol):
    return composition.get(symbol, 0) / sum(composition.values())


def alike(one, other, tolerance, relative):
    """Say whether every element of either composition is nearly as frequent in the other."""
    for symbol in {*one, *other}:
        here, there = fraction(one, symbol), fraction(other, symbol)
        if abs(here - there) > tolerance * (there if relative else 1) + 1e-9:
            return False
    return True


def transport(one, other):
    place = MODIFIED_PETTIFOR.index
    return wasserstein_distance(
        [place(s) for s in one], [place(s) for s in other], [*one.values()], [*other.values()]
    )


def mappings(train, validation):
    drawn = {f"t{i}": item for i, item in enumerate(train)}
    drawn |= {f"v{i}": item for i, item in enumerate(validation)}
    split = Split(
        "some", tuple(k for k in drawn if k[0] == "t"), tuple(k for k in drawn if k[0] == "v")
    )
    found = [{entry: item[k] for entry, item in drawn.items()} for k in range(3)]
    return split, found[1], found[2], found[0]


@settings(max_examples=60, deadline=None)
@given(parts, st.sampled_from([0.0, 0.05, 0.2]), st.booleans())
def test_equals_plain_loops(both, tolerance, relative):
    train, validation = both
    found = split_statistics(*mappings(train, validation), tolerance=tolerance, relative=relative)
    near = [
        any(alike(asked, known, tolerance, relative) for known, _, _ in train)
        for asked, _, _ in validation
    ]
    assert found.similar_share == pytest.approx(sum(near) / len(near))
    nearest = pd.Series([min(transport(a, b) for b, _, _ in train) for a, _, _ in validation])
    assert [found.elmd_p10, found.elmd_median, found.elmd_p90] == pytest.approx(
        [nearest.quantile(0.1), nearest.median(), nearest.quantile(0.9)], abs=1e-9
    )
    for part, items in ((found.train, train), (found.validation, validation)):
        sigma = pd.Series([value for _, _, value in items], dtype=float)
        assert (part.entries, part.positives) == (len(items), sum(label for _, label, _ in items))
        ranges = [part.log10_sigma_min, part.log10_sigma_median, part.log10_sigma_max]
        expected = [sigma.min(), sigma.median(), sigma.max()]
        assert ranges == pytest.approx(expected, nan_ok=True)


def share(asked, known, **settings):
    fractions = composition_vectors([asked, known])
    return bool(similar(fractions[:1], fractions[1:], **settings)[0])


def test_five_percent_of_all_atoms_or_of_each_element():
    # 45 and 50 % Li, 55 and 50 % F: exactly at the edge, however the amounts are spelt
    assert share("Li9F11", "LiF")
    assert share("Li0.9F1.1", "Li3F3")
    assert not share("Li8.9F11.1", "LiF")
    assert not share("Li9F11", "LiF", relative=True)
    # 2 % of a dopant are no new composition, unless counted relative to nothing
    assert share({"Li": 49, "F": 49, "Cl": 2}, "LiF")
    assert not share({"Li": 49, "F": 49, "Cl": 2}, "LiF", relative=True)
    assert share({"Li": 49, "F": 50}, "LiF", relative=True)


def test_distances_between_two_sets_are_a_block_of_all_distances():
    formulas = ["LiF", "Li3PS4", "Li7La3Zr2O12", "Li10GeP2S12", "LiCl"]
    fractions = composition_vectors(formulas)
    block = elmd_between(fractions[:2], fractions[2:])
    np.testing.assert_allclose(block, elmd_matrix(formulas)[:2, 2:], atol=1e-12)


def test_the_same_compositions_on_both_sides_are_all_similar():
    formulas = [Composition("LiF"), "Li3PS4"]
    split = Split("twins", ("a", "b"), ("c", "d"))
    ids = dict(zip("abcd", formulas * 2, strict=True))
    found = split_statistics(split, dict.fromkeys("abcd", 1), dict.fromkeys("abcd", -3.0), ids)
    assert found.similar_share == 1
    assert found.elmd_p90 == 0


def test_the_table_has_a_row_a_split_and_all_numbers():
    split, labels, sigma, formulas = mappings([({"Li": 1}, 1, -3.0)], [({"S": 1}, 0, math.nan)])
    found = split_statistics(split, labels, sigma, formulas)
    table = statistics_table([found, replace(found, split="other", similar_share=0.5)])
    assert list(table.index) == ["some", "other"]
    row = table.loc["some"]
    assert (row["train_entries"], row["train_positives"], row["validation_positives"]) == (1, 1, 0)
    assert row["train_log10_sigma_median"] == -3
    assert np.isnan(row["validation_log10_sigma_max"])
    assert list(table["similar_share"]) == [0, 0.5]
    assert row["elmd_median"] == MODIFIED_PETTIFOR.index("S") - MODIFIED_PETTIFOR.index("Li")
    assert list(table.columns[-6:]) == [
        "similar_share",
        "elmd_p10",
        "elmd_median",
        "elmd_p90",
        "tolerance",
        "relative",
    ]
    assert statistics_table([]).empty


def test_unusable_input_is_refused():
    split, labels, sigma, formulas = mappings([({"Li": 1}, 1, -3.0)], [({"S": 1}, 0, -4.0)])
    with pytest.raises(InputError, match=r"must be >= 0, but is -0\.1"):
        split_statistics(split, labels, sigma, formulas, tolerance=-0.1)
    with pytest.raises(InputError, match="split some: the validation part is empty"):
        split_statistics(Split("some", ("t0",), ()), labels, sigma, formulas)
    with pytest.raises(InputError, match="v0: element Xx"):
        split_statistics(split, labels, sigma, {**formulas, "v0": {"Xx": 1}})
