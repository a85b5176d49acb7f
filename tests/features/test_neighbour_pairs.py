"""Pairs of a repeated cell are the pairs of the cell repeated by pymatgen."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sie.features.neighbour_pairs import Pairs, neighbour_pairs, repeated, supercell_scale

SKEWED = Lattice.from_parameters(3.3, 4.1, 5.2, 75, 98, 112)


def crystal() -> Structure:
    return Structure(SKEWED, ["Li", "O", "Zr"], [[0.1, 0.2, 0.3], [0.6, 0.5, 0.9], [0.3, 0.9, 0.5]])


def lengths(pairs: Pairs, n_sites: int) -> list[list[float]]:
    return [sorted(pairs.distance[pairs.first == i].round(6).tolist()) for i in range(n_sites)]


@given(st.tuples(*[st.integers(1, 3)] * 3))
@settings(max_examples=10, deadline=None)
def test_repeated_pairs_are_those_of_the_repeated_cell(scale):
    cell = crystal()
    ours = repeated(neighbour_pairs(cell, 5.0), len(cell), scale)
    theirs = neighbour_pairs(cell.make_supercell(scale, in_place=False), 5.0)
    n_sites = 3 * int(np.prod(scale))
    assert sorted(lengths(ours, n_sites)) == sorted(lengths(theirs, n_sites))


def test_numbers_and_images_of_repeated_pairs_lead_to_the_distance():
    cell, scale = crystal(), (2, 3, 1)
    pairs = repeated(neighbour_pairs(cell, 5.0), len(cell), scale)
    copies = np.stack(np.unravel_index(np.arange(6), scale), axis=1)
    place = (copies[:, None, :] + cell.frac_coords).reshape(-1, 3)
    reached = place[pairs.second] + pairs.image * np.array(scale)
    vectors = (reached - place[pairs.first]) @ cell.lattice.matrix
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), pairs.distance, atol=1e-9)


def test_pairs_are_sorted_and_include_own_images():
    pairs = neighbour_pairs(crystal(), 5.0)
    order = np.lexsort((pairs.distance, pairs.first))
    np.testing.assert_array_equal(order, np.arange(len(pairs)))
    own = pairs.where(pairs.first == pairs.second)
    assert own.distance.min() == 3.3 or np.isclose(own.distance.min(), 3.3)
    assert (np.abs(own.image).sum(axis=1) > 0).all()


@given(st.floats(2, 15))
@settings(max_examples=30, deadline=None)
def test_the_repeated_cell_is_just_wide_enough(width):
    cell = crystal()
    scale = supercell_scale(cell, width)
    matrix = cell.lattice.matrix * np.array(scale)[:, None]
    volume = abs(np.linalg.det(matrix))
    for k in range(3):
        area = np.linalg.norm(np.cross(matrix[k - 2], matrix[k - 1]))
        assert volume / area >= width * 0.999
        assert volume / area * (scale[k] - 1) / scale[k] < width
