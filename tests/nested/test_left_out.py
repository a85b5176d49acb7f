"""Every pair and every single cluster is left out once, and nothing left out is trained on."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sie.errors import InputError
from sie.nested.left_out import folds_as_sets, left_out_sets
from sie.splits.record import Clustering, Split


def clustering(n_clusters: int, size: int = 4) -> tuple[Clustering, dict[str, int]]:
    ids = tuple(f"e{i:02d}" for i in range(n_clusters * size))
    labels = np.repeat(np.arange(n_clusters), size)
    return Clustering(ids, labels), {entry: i % 2 for i, entry in enumerate(ids)}


def test_pairs_and_singles_are_all_there_and_split_cleanly():
    clusters, labels = clustering(4)
    members = dict(zip(clusters.ids, clusters.labels.tolist(), strict=True))
    made = left_out_sets(clusters, labels)
    singles = [(c,) for c in range(4)]
    assert [item.clusters for item in made] == singles + list(combinations(range(4), 2))
    for item in made:
        assert [members[e] for e in item.split.validation] == [
            c for c in item.clusters for _ in range(4)
        ]
        assert {members[e] for e in item.split.train} == set(range(4)) - set(item.clusters)
        assert len(item.split.train) + len(item.split.validation) == 16


def test_a_cluster_of_one_class_is_never_left_out_but_trained_on():
    clusters, labels = clustering(4)
    labels |= dict.fromkeys(clusters.ids[:4], 0)
    made = left_out_sets(clusters, labels)
    assert all(0 not in item.clusters for item in made)
    assert all(set(clusters.ids[:4]) <= set(item.split.train) for item in made)


def test_two_usable_clusters_are_too_few():
    clusters, labels = clustering(2)
    with pytest.raises(InputError, match="2 clusters can be left out, but 3 are needed"):
        left_out_sets(clusters, labels)


def test_folds_are_numbered():
    folds = [Split(f"kfold-{i}", ("a",), ("b",)) for i in range(3)]
    assert [item.key for item in folds_as_sets(folds)] == ["0", "1", "2"]
