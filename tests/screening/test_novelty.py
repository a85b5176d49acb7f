"""The novelty rule against plain loops over pairs and elements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from sie.errors import InputError
from sie.features.composition import element_fractions
from sie.screening.novelty import is_novel, novelty, shared_columns
from sie.splits import similarity

M = 6
tables = st.lists(
    st.lists(st.sampled_from([0, 0, 0, 1, 2, 9, 10, 11]), min_size=M, max_size=M).filter(any),
    min_size=0,
    max_size=12,
).map(lambda rows: np.array([np.array(row) / sum(row) for row in rows]).reshape(-1, M))


def twin(candidate, known, tolerance, relative):
    """Return the row of the nearest similar compound, by loops in plain Python."""
    best = None
    for row, compound in enumerate(known.tolist()):
        gaps = [abs(a - b) for a, b in zip(candidate.tolist(), compound, strict=True)]
        limits = [tolerance * b if relative else tolerance for b in compound]
        near = all(gap <= limit + 1e-9 for gap, limit in zip(gaps, limits, strict=True))
        if near and (best is None or max(gaps) < best[0]):
            best = max(gaps), row
    return -1 if best is None else best[1]


@settings(max_examples=150, deadline=None)
@given(
    tables, tables, st.sampled_from([0.0, 0.05, 0.3]), st.booleans(), st.sampled_from([1, 10**6])
)
def test_equals_plain_loops(candidates, known, tolerance, relative, pairs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_PAIRS", pairs)  # a candidate at a time, or all at once
        found = novelty(candidates, known, tolerance, relative)
    expected = [twin(row, known, tolerance, relative) for row in candidates]
    assert found.alike.tolist() == expected
    assert found.novel.tolist() == [row < 0 for row in expected]
    assert np.array_equal(is_novel(candidates, known, tolerance, relative), found.novel)


def test_an_element_that_no_known_compound_holds_counts():
    ours = element_fractions({"a": Composition("Li2Xe2"), "b": Composition("LiF")})
    theirs = element_fractions({"k": Composition("LiF")})
    candidates, known = shared_columns(ours.names, ours.values, theirs.names, theirs.values)
    assert candidates.shape == (2, 3)
    np.testing.assert_allclose(candidates.sum(axis=1), 1)
    np.testing.assert_allclose(known, [[0.5, 0.5, 0.0]])
    assert is_novel(candidates, known).tolist() == [True, False]


def test_elements_of_the_known_that_a_candidate_lacks_count():
    candidates, known = shared_columns(["Li"], np.ones((1, 1)), ["F", "Li"], np.array([[0.1, 0.9]]))
    assert is_novel(candidates, known).tolist() == [True]
    assert is_novel(candidates, known, 0.1).tolist() == [False]


def test_the_nearest_of_several_is_named():
    known = np.array([[0.5, 0.5], [0.48, 0.52], [0.49, 0.51], [0.49, 0.51], [0.9, 0.1]])
    assert novelty(np.array([[0.49, 0.51]]), known).alike.tolist() == [2]


def test_without_known_compounds_all_is_novel():
    assert is_novel(np.ones((3, 1)), np.empty((0, 1))).tolist() == [True] * 3


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_a_tolerance_must_be_a_number_from_0(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        is_novel(np.ones((1, 1)), np.ones((1, 1)), tolerance)


def test_tables_of_other_elements_are_refused():
    with pytest.raises(ValueError, match="columns"):
        is_novel(np.ones((1, 1)), np.full((1, 2), 0.5))
