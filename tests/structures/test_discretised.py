"""Whole numbers of atoms, checked against every possible choice of whole numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sie.structures.discretised import (
    apportion,
    compact_factors,
    repeated,
    site_groups,
    smallest_supercell,
)

SHARES = st.lists(st.integers(1, 50), min_size=1, max_size=4).map(
    lambda numbers: np.array(numbers) / sum(numbers)
)


def one_site(*amounts: float) -> Structure:
    content = dict(zip(["Na+", "Mg2+", "Al3+"], amounts, strict=False))
    return Structure(Lattice.cubic(3.0), [content], [[0, 0, 0]])


@given(SHARES, st.integers(1, 40))
def test_whole_numbers_fill_the_places_and_stay_within_one_of_their_share(shares, places):
    counts = apportion(shares, places)
    assert counts.sum() == places
    assert np.abs(counts - shares * places).max() < 1


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any))
def test_exact_shares_are_kept(numbers):
    counts = apportion(np.array(numbers) / sum(numbers), sum(numbers))
    assert counts.tolist() == numbers


def closest_possible(shares: np.ndarray, places: int) -> float:
    """Smallest possible largest error, by trying all whole numbers that fill the places."""
    choices = itertools.product(range(places + 1), repeat=len(shares) - 1)
    filled = [(*c, places - sum(c)) for c in choices if sum(c) <= places]
    return min(float(np.abs(np.array(c) / places - shares).max()) for c in filled)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=3).filter(lambda n: sum(n) <= 60),
    st.sampled_from([0.0, 0.02, 0.05, 0.1]),
)
def test_no_smaller_supercell_would_do(numbers, allowed):
    structure = one_site(*(n / 60 for n in numbers))
    (group,) = groups = site_groups(structure)
    found = smallest_supercell(structure, groups, 12, allowed)
    fit = [
        n
        for n in range(1, 13)
        if closest_possible(group.shares, n) <= allowed + 1e-9
        and apportion(group.shares, n)[0:-1].any()
    ]
    assert (found.size if found else None) == (fit[0] if fit else None)


def test_the_size_limit_counts_every_site_of_the_cell():
    structure = Structure(Lattice.cubic(4.0), [{"Na+": 0.25}, "Cl-"], [[0, 0, 0], [0.5] * 3])
    groups = site_groups(structure)
    assert smallest_supercell(structure, groups, 7, 0.0) is None
    found = smallest_supercell(structure, groups, 8, 0.0)
    assert found.size == 4
    by_species = dict(zip(groups[0].species, found.counts[0], strict=True))
    assert {str(s): int(n) for s, n in by_species.items()} == {"Na+": 1, "None": 3}


def test_a_dopant_may_vanish_but_not_the_crystal():
    doped = one_site(0.97, 0.03)
    assert smallest_supercell(doped, site_groups(doped), 10, 0.05).size == 1
    rare = one_site(0.04)
    assert smallest_supercell(rare, site_groups(rare), 100, 0.05).size == 13  # 13 * 0.04 > 1/2


def test_groups_are_of_equal_content_and_their_shares_add_up_to_one():
    contents = [{"Na+": 0.5}, "Cl-", {"Na+": 0.5000001}, {"Na+": 0.25, "K+": 0.5}]
    structure = Structure(Lattice.cubic(6.0), contents, [[n / 4, 0, 0] for n in range(4)])
    groups = site_groups(structure)
    assert [group.sites for group in groups] == [(0, 2), (1,), (3,)]
    assert [group.shares.sum() for group in groups] == pytest.approx([1, 1, 1])
    assert dict(zip(map(str, groups[2].species), groups[2].shares, strict=True)) == {
        "K+": 0.5,
        "Na+": 0.25,
        "None": 0.25,
    }


@given(st.integers(1, 48), st.tuples(*[st.floats(1, 30)] * 3))
def test_the_longest_edge_is_as_short_as_it_can_be(size, lengths):
    factors = compact_factors(size, lengths)
    assert math.prod(factors) == size
    longest = [
        max(n * edge for n, edge in zip(t, lengths, strict=True))
        for t in itertools.product(range(1, size + 1), repeat=2)
        if size % (t[0] * t[1]) == 0
        for t in [(*t, size // (t[0] * t[1]))]
    ]
    assert max(np.array(factors) * lengths) == pytest.approx(min(longest))


def test_a_repeated_cell_is_pymatgens_supercell():
    lattice = Lattice.from_parameters(4, 5, 6, 80, 95, 110)
    structure = Structure(lattice, ["Na", "Cl"], [[0.1, 0.2, 0.3], [0.6, 0.7, 0.9]])
    matrix, coordinates = repeated(structure, (2, 1, 3))
    ours = Structure(matrix, ["Na"] * 6 + ["Cl"] * 6, coordinates.reshape(-1, 3))
    theirs = structure.copy().make_supercell([2, 1, 3])
    np.testing.assert_allclose(matrix, theirs.lattice.matrix)
    for site in ours:
        assert len([s for s in theirs if s.is_periodic_image(site, 1e-6)]) == 1
