"""Representations side by side: the same sums as each has by itself."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sie.errors import InputError
from sie.features import view_features
from sie.features.cache import cached_view, features_hash, view_hash
from sie.features.extract import compute_features
from sie.features.record import OrbitFeatures
from sie.features.view_features import compute_view, side_by_side
from sie.features.views import parse_view, seen_through

WHOLE = "CAMN-V0+V2+CAMNS-V0+V1+V3"


def alike_but_for_the_element() -> Structure:
    """Rock salt of two cations of one charge, ordered: CAMNS cannot tell them apart."""
    metals = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    oxygen = [[0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    species = ["Li+", "Mg2+", "Zn2+", "Mg2+", *["O2-"] * 4]
    return Structure(Lattice.cubic(4.2), species, [*metals, *oxygen])


def alike_but_for_the_charge() -> Structure:
    """The same of one element in two charges: CAMN cannot tell what CAMNS can."""
    return Structure(
        Lattice.cubic(5.0),
        ["Li+", "S2-", "S6+", "O2-", "O2-"],
        [[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75], [0.5, 0.5, 0], [0, 0.5, 0.5]],
    )


@pytest.fixture(scope="module")
def several(crystals):
    given = {**crystals, "cations": alike_but_for_the_element()}
    return {**given, "charges": alike_but_for_the_charge()}


def pools(features: OrbitFeatures, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted means and attention means of each structure by plain loops."""
    means, attended = [], []
    for first, last in zip(features.offsets[:-1], features.offsets[1:], strict=True):
        rows = features.rows[first:last].astype(float)
        weights = features.multiplicity[first:last].astype(float)
        means.append(weights @ rows / weights.sum())
        scores = weights * np.exp(rows @ query)
        attended.append(scores @ rows / scores.sum())
    return np.array(means), np.array(attended)


@pytest.mark.parametrize("block", parse_view(WHOLE).blocks)
def test_every_block_pools_to_what_it_does_on_its_own_orbits(several, block):
    whole = compute_view(several, parse_view(WHOLE))
    representation, level = block
    own = compute_features(several, representation, level)
    seen = seen_through(whole, WHOLE, f"{representation}-V{level}")
    query = np.random.default_rng(0).normal(0, 0.1, own.dimension)
    for ours, theirs in zip(pools(seen, query), pools(own, query), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    sites = np.add.reduceat(seen.multiplicity, seen.offsets[:-1])
    np.testing.assert_array_equal(sites, np.add.reduceat(own.multiplicity, own.offsets[:-1]))


def test_orbits_are_those_that_all_representations_share(several):
    n = {name: np.diff(compute_view(several, parse_view(name)).offsets) for name in
         ("CAMN-V0", "CAMNS-V0", "CAMN-V0+CAMNS-V0")}  # fmt: skip
    ids = list(several)
    cations, charges = ids.index("cations"), ids.index("charges")
    both = n["CAMN-V0+CAMNS-V0"]
    assert both[cations] == n["CAMN-V0"][cations] > n["CAMNS-V0"][cations]
    # elements alone do not refine charges: their orbits would mix two kinds of sulphur
    assert both[charges] >= n["CAMNS-V0"][charges] > n["CAMN-V0"][charges]
    assert (both >= np.maximum(n["CAMN-V0"], n["CAMNS-V0"])).all()


def test_levels_of_one_representation_are_those_of_each(several):
    both = compute_view(several, parse_view("CAMNS-V0+V1"))
    parts = [compute_features(several, "CAMNS", level) for level in (0, 1)]
    np.testing.assert_array_equal(both.rows, np.hstack([part.rows for part in parts]))
    np.testing.assert_array_equal(both.offsets, parts[0].offsets)


def test_with_and_without_lithium_do_not_stand_side_by_side(several):
    with pytest.raises(
        InputError, match="structure LiCl: its representations show different sites"
    ):
        compute_view(several, parse_view("CAMN-V1+CAN-V1"))


def test_rows_stand_side_by_side_when_they_are_of_the_same_orbits():
    def features(width, multiplicity=(1, 2, 3)):
        rows = np.random.default_rng(width).normal(size=(3, width)).astype(np.float32)
        return OrbitFeatures(("a", "b"), rows, np.array(multiplicity, "f4"), np.array([0, 2, 3]))

    both = side_by_side([features(2), features(5)])
    np.testing.assert_array_equal(both.rows, np.hstack([features(2).rows, features(5).rows]))
    with pytest.raises(InputError, match="same orbits"):
        side_by_side([features(2), features(5, (1, 2, 4))])


def test_a_view_is_computed_once(several, tmp_path, monkeypatch):
    view = parse_view("CAMN-V1+CAMNS-V1")
    first = cached_view(several, view, tmp_path)
    monkeypatch.setattr(view_features, "graphs_and_orbits", None)  # to compute would fail
    again = cached_view(several, view, tmp_path)
    assert again.hash == first.hash == compute_hash(first)
    levels = cached_view(several, parse_view("CAMN-V0+V1"), tmp_path)
    assert sorted(path.name.rpartition("-")[0] for path in tmp_path.iterdir()) == [
        "CAMN-V0", "CAMN-V1", "CAMN-V1+CAMNS-V1",
    ]  # fmt: skip
    assert levels.dimension == 48


def compute_hash(features: OrbitFeatures) -> str:
    return OrbitFeatures(features.ids, features.rows, features.multiplicity, features.offsets).hash


def test_a_view_of_one_level_has_the_hash_of_that_level(several):
    assert view_hash(several, parse_view("CAMN-V1")) == features_hash(several, "CAMN", 1)
    hashes = {view_hash(several, parse_view(n)) for n in ("CAMN-V0+V1", "CAMN-V1+V0", "CAMN-V1")}
    assert len(hashes) == 3
