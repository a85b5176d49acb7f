"""Features of a crystal do not depend on how its cell is written down."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sie.errors import InputError
from sie.features.extract import LEVELS, compute_features, compute_levels
from sie.features.weights import bundled_weights
from sie.structures.representations import represent

SETTINGS = settings(deadline=None, max_examples=15)


def table(structure: Structure, level: int, representation: str = "CAMN") -> np.ndarray:
    """Return rows with their multiplicity as the last column, in a canonical order."""
    features = compute_features({"a": structure}, representation, level)
    rows = np.column_stack([features.rows, features.multiplicity])
    return rows[np.lexsort(np.round(rows, 3).T)]


def unordered_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest distance from a row to the nearest row of the other table."""
    assert len(a) == len(b)
    gaps = np.abs(a[:, None, :] - b[None, :, :]).max(axis=2)
    return float(max(gaps.min(axis=0).max(), gaps.min(axis=1).max()))


@pytest.mark.parametrize("name", ["LiCl", "argyrodite", "skewed"])
@pytest.mark.parametrize("scale", [(2, 1, 1), (1, 2, 3), [[1, 1, 0], [0, 1, 0], [0, 1, 1]]])
def test_a_supercell_has_the_same_rows_with_scaled_multiplicities(crystals, name, scale):
    cell = crystals[name].get_primitive_structure()
    large = cell.make_supercell(scale, in_place=False)
    for level in (1, 3):
        expected = table(cell, level)
        expected[:, -1] *= len(large) / len(cell)
        assert unordered_difference(table(large, level), expected) < 1e-4


@SETTINGS
@given(
    order=st.permutations(range(4)),
    shift=st.tuples(*[st.floats(-2, 2)] * 3),
    turn=st.floats(0, 6.3),
)
def test_order_origin_and_orientation_do_not_matter(crystals, order, shift, turn):
    cell = crystals["skewed"]
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    moved = Structure(
        Lattice(cell.lattice.matrix @ rotation),
        [cell[i].species for i in order],
        cell.frac_coords[list(order)] + shift,
    )
    assert unordered_difference(table(moved, 3), table(cell, 3)) < 1e-4


@SETTINGS
@given(st.floats(0.05, 0.95))
def test_v0_is_linear_in_occupancy_and_a_vacancy_adds_nothing(share):
    def sites(content: dict) -> np.ndarray:
        cell = Structure(Lattice.cubic(4.0), [content, "Cl"], [[0, 0, 0], [0.5] * 3])
        features = compute_features({"a": cell}, "CAMN", 0)
        return features.rows[0]

    embedding = bundled_weights().embedding
    np.testing.assert_allclose(sites({"Li": share}), share * embedding[3], atol=1e-6)
    mixed = sites({"Li": share, "Na": 1 - share})
    np.testing.assert_allclose(mixed, share * embedding[3] + (1 - share) * embedding[11], atol=1e-6)


def test_rows_of_all_levels_belong_together(crystals):
    levels = compute_levels(crystals, "CAMN")
    for level in LEVELS:
        features = levels[level]
        assert features.ids == tuple(crystals)
        assert features.rows.dtype == features.multiplicity.dtype == np.float32
        assert features.dimension == (16 if level == 0 else 32)
        assert features.multiplicity.sum() == sum(len(s) for s in crystals.values())
        alone = compute_features(crystals, "CAMN", level)
        np.testing.assert_allclose(alone.rows, features.rows, atol=1e-6)


def test_representing_twice_changes_nothing(crystals):
    shown = {entry: represent(structure, "CAMN") for entry, structure in crystals.items()}
    a, b = compute_features(crystals, "CAN", 2), compute_features(shown, "CAN", 2)
    assert a.hash == b.hash


def test_simplified_features_see_only_the_sign(crystals):
    cell = crystals["LiCl"]
    bromide = cell.copy()
    bromide.replace_species({"Cl-": "Br-"})
    same = [compute_features({"a": s}, "CAMNS", 1).rows for s in (cell, bromide)]
    np.testing.assert_array_equal(*same)
    different = [compute_features({"a": s}, "CAMN", 1).rows for s in (cell, bromide)]
    assert np.abs(different[0] - different[1]).max() > 1e-2


def test_mistakes_name_the_structure_or_the_choices(crystals):
    with pytest.raises(InputError, match="level is 4; choose one of"):
        compute_features(crystals, "CAMN", 4)
    with pytest.raises(InputError, match="representation 'CAMM' is unknown; known: CAMN"):
        compute_features(crystals, "CAMM", 1)
    with pytest.raises(InputError, match="no structure"):
        compute_features({}, "CAMN", 1)
    lithium = Structure(Lattice.cubic(3.4), ["Li"], [[0, 0, 0]])
    with pytest.raises(InputError, match=r"structure x7: .*no atom is left"):
        compute_features({"x7": lithium}, "CAN", 1)
    americium = Structure(Lattice.cubic(3.4), ["Am"], [[0, 0, 0]])
    with pytest.raises(InputError, match="structure x8: Am has no MEGNet embedding"):
        compute_features({"x8": americium}, "CAMN", 1)


def test_features_need_no_tensorflow():
    code = (
        "import sys; from pymatgen.core import Lattice, Structure;"
        "from sie.features.extract import compute_features;"
        "cell = Structure(Lattice.cubic(3.4), ['Li'], [[0, 0, 0]]);"
        "compute_features({'a': cell}, 'CAMN', 3);"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'maml', 'megnet')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
