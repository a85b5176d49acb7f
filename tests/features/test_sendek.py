"""The five features: numbers of the paper, hand numbers, exact expectations, invariances."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from sendek_twin import arrangements, plain_features

from sie.features.occupancy_sampling import OVERLAP_SOFTNESS_A
from sie.features.sendek import (
    SENDEK_NAMES,
    SendekSettings,
    sendek_descriptors,
    sendek_features,
)

CHI = {"Li": 0.98, "F": 3.98, "O": 3.44}


def rock_salt(anion: str, edge: float) -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(edge), ["Li", anion], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def split_sites(li: float = 0.5) -> Structure:
    return Structure(
        Lattice.cubic(8.0),
        [{"Li": li}] * 4 + [{"Cl": 0.5, "Br": 0.5}] * 2 + ["Cl", "P"],
        [
            [0, 0, 0],
            [0.15, 0, 0],
            [0.5, 0, 0],
            [0.5, 0.17, 0],
            [0.3, 0.3, 0.1],
            [0.7, 0.2, 0.3],
            [0.2, 0.1, 0.7],
            [0.5, 0.4, 0.6],
        ],
    )


def test_rock_salt_by_hand():
    edge = 4.0263
    values = sendek_features(rock_salt("F", edge)).values
    # of F: 6 Li at a/2, 8 Li at sqrt(3)/2 a, 12 F at a/sqrt(2); a itself is beyond 4 Å
    ionicity = (6 + 8) * (CHI["F"] - CHI["Li"]) / (6 + 8 + 12)
    expected = [12, ionicity, 12, edge / 2, edge / math.sqrt(2)]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_antifluorite_by_hand():
    edge = 4.619
    lattice = Lattice.cubic(edge)
    oxide = Structure.from_spacegroup(
        "Fm-3m", lattice, ["Li", "O"], [[0.25, 0.25, 0.25], [0, 0, 0]]
    )
    values = sendek_features(oxide).values
    # Li on a simple cubic lattice of a/2: 6 + 12 below 4 Å (the 8 at sqrt(3)/2 a = 4.0002 are not)
    # O sees 8 Li at sqrt(3)/4 a, 24 Li at sqrt(11)/4 a, 12 O at a/sqrt(2)
    ionicity = 32 * (CHI["O"] - CHI["Li"]) / 44
    expected = [18, ionicity, 12, edge * math.sqrt(3) / 4, edge / 2]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_published_examples():
    """Table S2 of 10.1039/C6EE02697D; lattices from the literature, so to a few hundredths."""
    iodide = sendek_features(rock_salt("I", 6.03)).values
    np.testing.assert_allclose(iodide[[0, 1, 3, 4]], [0, 1.68, 3.02, 4.26], atol=0.006)
    phosphide = Structure.from_spacegroup(
        "P6_3/mmc",
        Lattice.hexagonal(4.273, 7.594),
        ["Li", "Li", "P"],
        [[0, 0, 0.25], [1 / 3, 2 / 3, 0.583], [1 / 3, 2 / 3, 0.25]],
    )
    values = sendek_features(phosphide).values
    np.testing.assert_allclose(values[[0, 1, 3, 4]], [11.33, 1.21, 2.50, 2.59], atol=0.03)


@pytest.mark.shared
def test_published_probabilities(shared_data):
    """Eq. 11 of 10.1039/C6EE02697D on crystals whose cells have not changed since (Table 3)."""
    import pyarrow.parquet as parquet

    published = {
        "mp-554076": 0.589,
        "mp-558219": 0.518,
        "mp-19896": 0.604,
        "mp-559238": 0.812,
        "mp-561095": 0.984,
        "mp-643069": 0.652,
        "mp-676109": 0.656,
    }
    path = shared_data / "mp-li" / "mp_li.parquet"
    for row in parquet.read_table(path, filters=[("id", "in", list(published))]).to_pylist():
        places = np.array(row["frac_coords"]).reshape(-1, 3) / 1e5
        crystal = Structure(np.reshape(row["lattice"], (3, 3)), row["numbers"], places)
        values = sendek_features(crystal).values
        score = values @ [0.184, -4.009, -0.467, 8.699, -2.170] - 6.564
        assert 1 / (1 + math.exp(-score)) == pytest.approx(published.pop(row["id"]), abs=0.0015)
    assert not published


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_ordered_crystals_are_measured_as_plain_loops_do(seed):
    crystal = random_crystal(seed)
    result = sendek_features(crystal)
    np.testing.assert_allclose(result.values, plain_features(crystal), rtol=1e-6)
    assert (result.n_draws, result.converged) == (1, True)
    assert not result.standard_errors.any()


@given(st.integers(0, 10**6), st.tuples(*[st.integers(1, 2)] * 3))
@settings(max_examples=15, deadline=None)
def test_the_choice_of_cell_origin_and_order_does_not_matter(seed, scale):
    crystal = random_crystal(seed)
    rng = np.random.default_rng(seed)
    expected = sendek_features(crystal).values
    other = crystal.make_supercell(scale, in_place=False)
    other.translate_sites(list(range(len(other))), rng.random(3))
    other = Structure.from_sites([other[i] for i in rng.permutation(len(other))])
    np.testing.assert_allclose(sendek_features(other).values, expected, rtol=1e-6)


def random_crystal(seed: int) -> Structure:
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(*rng.uniform(5, 8, 3), *rng.uniform(75, 105, 3))
    names = ["Li", "Li", "S", "S", *rng.choice(["Li", "P", "Zr", "Cl", "O"], 3)]
    return Structure(lattice, [str(name) for name in names], rng.random((7, 3)))


@pytest.mark.parametrize("li", [0.5, 0.4, 0.25], ids=["half", "uneven", "quarter"])
@pytest.mark.parametrize("seed", [0, 1])
def test_averages_agree_with_the_enumeration_of_all_arrangements(li, seed, monkeypatch):
    # the twin enumerates one cell
    monkeypatch.setattr("sie.features.sendek.SUPERCELL_WIDTH_A", 8.0)
    monkeypatch.setattr("sie.features.sendek.LEAST_ATOMS", 0)
    cell = split_sites(li)
    exact = np.zeros(len(SENDEK_NAMES))
    for filling, chance in arrangements(cell, OVERLAP_SOFTNESS_A).items():
        exact += chance * plain_features(cell, filling)
    result = sendek_features(cell, SendekSettings(tolerance=0.005, seed=seed))
    assert result.converged
    assert result.n_draws > 64
    assert (result.standard_errors <= 0.005 * np.maximum(np.abs(result.values), 1)).all()
    deviation = np.abs(result.values - exact)
    assert (deviation <= 3.5 * result.standard_errors + 1e-6).all()


def test_standard_errors_tell_the_spread_over_seeds():
    cell = split_sites()
    few = SendekSettings(batch=32, max_draws=32, tolerance=0.0)
    results = [sendek_features(cell, replace(few, seed=seed)) for seed in range(60)]
    spread = np.std([result.values for result in results], axis=0, ddof=1)
    told = np.mean([result.standard_errors for result in results], axis=0)
    np.testing.assert_allclose(spread, told, rtol=0.35)


def test_the_seed_decides():
    cell = split_sites()
    first, again = sendek_features(cell), sendek_features(cell)
    other = sendek_features(cell, SendekSettings(seed=1))
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.standard_errors, again.standard_errors)
    assert first.n_draws == again.n_draws
    assert (first.values != other.values).any()


def test_what_does_not_converge_says_so():
    result = sendek_features(split_sites(), SendekSettings(tolerance=1e-6, max_draws=200))
    assert not result.converged
    assert result.n_draws == 200


def test_a_small_disordered_cell_is_repeated_before_it_is_filled():
    small = Structure(Lattice.cubic(4.2), [{"Li": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    large = small.make_supercell((5, 5, 5), in_place=False)
    one = sendek_features(small, SendekSettings(tolerance=0.002))
    other = sendek_features(large, SendekSettings(tolerance=0.002))
    np.testing.assert_allclose(one.values, other.values, rtol=0.015)
    # independent occupants: a Li has none of its 6 nearest sites filled once in 64
    assert 4.2 < one.values[4] < 4.27


def test_dilute_lithium_does_not_see_its_own_image():
    cell = Structure(
        Lattice.cubic(8.0),
        [{"Li": 0.02, "Na": 0.98}] * 8 + ["Cl"],
        [[x, y, z] for x in (0, 0.5) for y in (0, 0.5) for z in (0, 0.5)] + [[0.25, 0.25, 0.25]],
    )
    # 0.56 density^(-1/3) = 8.3 Å at random; 16 Å is the width of 12 Å or more without more atoms
    assert sendek_features(cell).values[4] < 11


def test_oxidation_states_do_not_matter():
    cell = split_sites()
    charged = cell.copy()
    charged.add_oxidation_state_by_element({"Li": 1, "Cl": -1, "Br": -1, "P": 3})
    np.testing.assert_array_equal(sendek_features(cell).values, sendek_features(charged).values)


@pytest.mark.parametrize("sodium", ["Na", {"Na": 0.5}], ids=["ordered", "disordered"])
def test_without_lithium_only_the_sublattice_has_numbers(sodium):
    salt = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64), [sodium, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    result = sendek_features(salt)
    assert np.isnan(result.values).tolist() == [True, False, False, True, True]
    assert np.isnan(result.standard_errors).tolist() == [True, False, False, True, True]
    assert result.values[2] == 12
    assert result.converged


def test_lithium_alone_has_no_anion():
    metal = Structure(Lattice.cubic(3.51), ["Li", "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    values = sendek_features(metal).values
    np.testing.assert_allclose(values[[0, 4]], [14, 3.51 * math.sqrt(3) / 2])
    assert np.isnan(values[[1, 2, 3]]).all()


def test_descriptors_hold_one_row_a_crystal():
    crystals = {"a": rock_salt("F", 4.03), "b": rock_salt("Cl", 5.13)}
    table = sendek_descriptors(crystals)
    assert table.ids == ("a", "b")
    assert table.names == SENDEK_NAMES
    np.testing.assert_array_equal(table.values[1], sendek_features(crystals["b"]).values)
    assert sendek_descriptors({}).values.shape == (0, 5)
