"""Leaving a cluster out: counts by brute force, refusals in one line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.errors import InputError
from sie.splits.left_out import ClusterCount, loco_split, usable_clusters
from sie.splits.record import Clustering

entries = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=1, max_size=40)


def built(rows) -> tuple[Clustering, dict[str, int]]:
    ids = tuple(f"e{i:02d}" for i in range(len(rows)))
    clustering = Clustering(ids, np.array([cluster for cluster, _ in rows], dtype=np.int64))
    return clustering, {entry: label for entry, (_, label) in zip(ids, rows, strict=True)}


@given(entries)
def test_counts_and_splits(rows):
    clustering, labels = built(rows)
    counts = usable_clusters(clustering, labels)
    assert [count.cluster for count in counts] == sorted({cluster for cluster, _ in rows})
    for count in counts:
        inside = [label for cluster, label in rows if cluster == count.cluster]
        outside = [label for cluster, label in rows if cluster != count.cluster]
        assert (count.entries, count.positives) == (len(inside), inside.count(1))
        assert count.usable == (set(inside) == set(outside) == {0, 1})
        if not count.usable:
            with pytest.raises(InputError):
                loco_split(clustering, count.cluster, labels)
            continue
        split = loco_split(clustering, count.cluster, labels)
        assert split.name == f"loco-{count.cluster}"
        assert sorted(split.train + split.validation) == sorted(clustering.ids)
        number = dict(zip(clustering.ids, clustering.labels, strict=True))
        assert {number[entry] for entry in split.validation} == {count.cluster}
        assert count.cluster not in {number[entry] for entry in split.train}


@given(entries, st.randoms())
def test_order_of_ids_does_not_matter(rows, random):
    clustering, labels = built(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = Clustering(tuple(clustering.ids[i] for i in order), clustering.labels[order])
    assert shuffled.hash == clustering.hash
    assert usable_clusters(shuffled, labels) == usable_clusters(clustering, labels)
    for count in usable_clusters(clustering, labels):
        if count.usable:
            one, other = (
                loco_split(made, count.cluster, labels) for made in (clustering, shuffled)
            )
            assert one == other
            assert one.hash == other.hash


ROWS = [(0, 0)] * 3 + [(0, 1)] * 2 + [(2, 0), (2, 1)] + [(7, 0)] * 4 + [(8, 1)]


@pytest.mark.parametrize(
    ("cluster", "start"),
    [
        (7, "cluster 7 cannot be left out: 0 of its 4 entries are positive; "),
        (8, "cluster 8 cannot be left out: 1 of its 1 entries are positive; "),
        (1, "cluster 1 does not exist; "),
        (-1, "cluster -1 does not exist; "),
    ],
)
def test_refusal_lists_the_usable_clusters_in_one_line(cluster, start):
    clustering, labels = built(ROWS)
    with pytest.raises(InputError) as caught:
        loco_split(clustering, cluster, labels)
    assert str(caught.value) == f"{start}choose one of (entries/positives): 0 (5/2), 2 (2/1)"


def test_training_needs_both_classes_too():
    clustering, labels = built([(0, 0), (0, 1), (1, 0)])
    with pytest.raises(InputError, match="training part holds a single class; no cluster can"):
        loco_split(clustering, 0, labels)


def test_a_count_reads_as_cluster_and_numbers():
    assert str(ClusterCount(3, 45, 21, usable=True)) == "3 (45/21)"
