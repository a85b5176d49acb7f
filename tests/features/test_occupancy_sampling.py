"""Arrangements come with their exact probabilities, and every site keeps its occupancy."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from sendek_twin import arrangements, overlap_radius

from sie.features.neighbour_pairs import neighbour_pairs
from sie.features.occupancy_sampling import (
    OVERLAP_SOFTNESS_A,
    ArrangementSampler,
    SiteContents,
)

CUBE = Lattice.cubic(8.0)

SPREAD = Structure(
    CUBE,
    [{"Li": 0.5}, {"Li": 0.5}, {"Li": 0.5}, {"Cl": 0.5, "Br": 0.5}, {"Cl": 0.5, "Br": 0.5}, "Zr"],
    [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0.5, 0.5, 0.5]],
)
"""Nothing can overlap; one and a half Li on three sites."""

CROWDED = Structure(
    CUBE,
    [{"Li": 0.4}] * 4 + [{"Li": 0.3, "Al": 0.2}] * 2 + ["O", "Al"],
    [
        [0, 0, 0],
        [0.23, 0, 0],
        [0.4, 0, 0],
        [0.5, 0.5, 0],
        [0.1, 0.16, 0],
        [0.5, 0.5, 0.24],
        [0.3, 0.3, 0.3],
        [0.34, 0.15, 0],
    ],
)
"""Li of one kind 1.36 to 1.9 Å from each other, from sites that Li and Al share and from an Al."""


def sampler_of(structure: Structure) -> tuple[SiteContents, ArrangementSampler]:
    contents = SiteContents.of(structure)
    return contents, ArrangementSampler(contents, neighbour_pairs(structure, 4.0))


@pytest.mark.parametrize("structure", [SPREAD, CROWDED], ids=["spread", "crowded"])
def test_arrangements_are_as_frequent_as_enumeration_says(structure):
    contents, sampler = sampler_of(structure)
    exact = arrangements(structure, OVERLAP_SOFTNESS_A)
    assert sum(exact.values()) == pytest.approx(1)
    n_draws = 40_000
    states, counts = np.unique(
        sampler.draw(n_draws, np.random.default_rng(1)), axis=0, return_counts=True
    )
    names = (*contents.symbols, None)
    seen = {
        tuple(names[k] for k in state): count / n_draws
        for state, count in zip(states, counts, strict=True)
    }
    assert set(seen) <= set(exact)
    for filling, chance in exact.items():
        error = np.sqrt(chance * (1 - chance) / n_draws)
        assert abs(seen.get(filling, 0.0) - chance) < 5 * error + 2 / n_draws


def test_every_kind_of_site_keeps_its_occupancies_in_every_draw():
    contents, sampler = sampler_of(CROWDED)
    state = sampler.draw(500, np.random.default_rng(0))
    for sites, symbol, amount in (([0, 1, 2, 3], "Li", 1.6), ([4, 5], "Al", 0.4)):
        held = (state[:, sites] == contents.symbols.index(symbol)).sum(axis=1)
        assert set(held) == {int(amount), int(amount) + 1}
        assert held.mean() == pytest.approx(amount, abs=0.1)
    assert (state[:, 6] == contents.symbols.index("O")).all()


def test_overlaps_are_avoided_where_they_can_be():
    pair = [[0, 0, 0], [0.05, 0, 0], [0.5, 0, 0], [0.55, 0, 0]]
    for content, avoided in (
        ({"Li": 0.5}, True),
        ({"C": 0.5}, True),
        ({"H": 0.25, "C": 0.25}, False),
    ):
        _, sampler = sampler_of(Structure(CUBE, [content] * 4, pair))
        filled = sampler.draw(2000, np.random.default_rng(0)) < len(content)
        both = (filled[:, 0] & filled[:, 1]).mean()
        assert both < 0.02 if avoided else both > 0.1


def test_radii_know_metals_bonds_and_vacancies():
    contents = SiteContents.of(
        Structure(CUBE, ["Li", "Al", "P", "O", "H"], np.linspace(0, 0.8, 15).reshape(5, 3))
    )
    radii = contents.overlap_radii()
    assert not radii[-1].any() and not radii[:, -1].any()
    for i, one in enumerate(contents.symbols):
        for j, other in enumerate(contents.symbols):
            assert radii[i, j] == overlap_radius(one, other)


def test_contents_are_elements_and_vacancies():
    structure = Structure(
        CUBE,
        [{"Li+": 0.25, "Na+": 0.25}, {"D+": 1}, {"H+": 0.5}, {"S2-": 0.999999}],
        [[0, 0, 0], [0.2, 0, 0], [0.4, 0, 0], [0.6, 0, 0]],
    )
    contents = SiteContents.of(structure)
    assert contents.symbols == ("H", "Li", "Na", "S")
    np.testing.assert_allclose(
        contents.chances,
        [[0, 0.25, 0.25, 0, 0.5], [1, 0, 0, 0, 0], [0.5, 0, 0, 0, 0.5], [0, 0, 0, 1, 0]],
        atol=1e-9,
    )
    assert contents.certain.tolist() == [False, True, False, True]
    assert contents.symbols[contents.anion] == "S"


def test_an_element_without_electronegativity_is_never_the_anion():
    contents = SiteContents.of(Structure(CUBE, ["Ar", "Li"], [[0, 0, 0], [0.5, 0, 0]]))
    assert contents.anion is None
    assert contents.lithium == 1
