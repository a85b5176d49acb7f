"""Many arrangements at once are measured like each alone by plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from sendek_twin import plain_features

from sie.features.neighbour_pairs import supercell_scale
from sie.features.occupancy_sampling import SiteContents
from sie.features.sendek_meter import SendekMeter

CELL = Structure(
    Lattice.from_parameters(8.3, 8.9, 9.4, 82, 95, 101),
    [{"Li": 0.5}] * 6 + [{"S": 0.7}] * 4 + [{"P": 0.4, "Ge": 0.5}] * 3 + ["S", "S"],
    np.random.default_rng(3).random((15, 3)),
)


def draws_of(contents: SiteContents, n_draws: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    ends = contents.chances.cumsum(axis=1)
    return (rng.random((n_draws, len(ends), 1)) > ends).sum(axis=-1)


def test_arrangements_are_measured_like_single_crystals():
    contents = SiteContents.of(CELL)
    state = draws_of(contents, 12)
    measured = SendekMeter(CELL, contents, (1, 1, 1)).measure(state)
    names = (*contents.symbols, None)
    for row, numbers in zip(measured, state, strict=True):
        expected = plain_features(CELL, tuple(names[k] for k in numbers))
        np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_a_repeated_cell_is_measured_like_pymatgen_s():
    small = Structure(Lattice.cubic(4.3), [{"Li": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.45, 0.5]])
    scale = supercell_scale(small, 8.0)
    assert scale == (2, 2, 2)
    contents = SiteContents.of(small)
    meter = SendekMeter(small, contents, scale)
    state = draws_of(meter.contents, 5)
    copies = np.stack(np.unravel_index(np.arange(8), scale), axis=1)
    places = ((copies[:, None, :] + small.frac_coords) / 2).reshape(-1, 3)
    big = Structure(Lattice.cubic(8.6), ["Li", "Cl"] * 8, places)
    names = (*contents.symbols, None)
    for row, numbers in zip(meter.measure(state), state, strict=True):
        expected = plain_features(big, tuple(names[k] for k in numbers))
        np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_arrangements_without_lithium_or_anion_have_no_number():
    contents = SiteContents.of(CELL)
    state = np.full((1, len(CELL)), len(contents.symbols))
    values = SendekMeter(CELL, contents, (1, 1, 1)).measure(state)
    assert np.isnan(values).all()


@pytest.mark.parametrize("spread", [2.0, 9.5, 16.0])
def test_far_neighbours_are_found(spread):
    chain = Structure(
        Lattice.orthorhombic(spread, 30, 30), ["Li", "F"], [[0, 0, 0], [0.5, 0.06, 0]]
    )
    contents = SiteContents.of(chain)
    values = SendekMeter(chain, contents, (1, 1, 1)).measure(
        contents.chances.argmax(axis=1)[None, :]
    )[0]
    assert values[4] == pytest.approx(spread)
    assert values[3] == pytest.approx(np.hypot(spread / 2, 1.8))
    assert values[2] == 2
