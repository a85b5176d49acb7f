"""Hierarchical clusters of compositions, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from sie.errors import InputError
from sie.splits.elmd import elmd_matrix
from sie.splits.linkage import linkage_clusters, parse_grouping

FORMULAS = {
    "a": "Li3PS4", "b": "Li10GeP2S12", "c": "Li7P3S11", "d": "Li6PS5Cl", "e": "Li7La3Zr2O12",
    "f": "Li2O", "g": "Li4SiO4", "h": "LiTi2P3O12", "i": "Li3YCl6", "j": "Li3InBr6", "k": "Li3N",
}  # fmt: skip


@pytest.mark.parametrize("method", ["average", "complete"])
@pytest.mark.parametrize("n", [2, 4, 6])
def test_same_partition_as_scikit_learn(method, n):
    from sklearn.cluster import AgglomerativeClustering

    ids = sorted(FORMULAS)
    distances = elmd_matrix([FORMULAS[entry] for entry in ids], ids)
    theirs = AgglomerativeClustering(n, metric="precomputed", linkage=method).fit(distances).labels_
    ours = linkage_clusters(FORMULAS, method, n).labels
    assert np.array_equal(theirs[:, None] == theirs, ours[:, None] == ours)


def test_numbers_fall_with_size_and_order_plays_no_part():
    one = linkage_clusters(FORMULAS, "ward", 3)
    other = linkage_clusters(dict(reversed(FORMULAS.items())), "ward", 3)
    assert one.ids == other.ids
    assert np.array_equal(one.labels, other.labels)
    sizes = np.bincount(one.labels)
    assert sorted(sizes, reverse=True) == list(sizes)


def test_names_of_groupings():
    assert parse_grouping("complete-6") == ("complete", 6)
    for wrong in ("complete", "complete-1", "median-6", "complete-06", "complete-6x"):
        with pytest.raises(InputError, match="write it like complete-6"):
            parse_grouping(wrong)
