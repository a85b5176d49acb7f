"""Which clusters are left out of which training: every pair of usable ones, and every single one.

A training without c and c' validates the choice for both of them, so a pair is trained once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from sie.errors import InputError
from sie.splits.left_out import usable_clusters
from sie.splits.record import Clustering, Split

FEWEST = 3
"""Clusters below which the inner validation would be a single one."""


@dataclass(frozen=True)
class LeftOut:
    """One training: the clusters it does not see, rising, and its split.

    The split validates on all of them, one cluster after the other.
    """

    clusters: tuple[int, ...]
    split: Split

    @property
    def key(self) -> str:
        """What files call it, e.g. 0-3."""
        return "-".join(str(cluster) for cluster in self.clusters)


def left_out_sets(clustering: Clustering, labels: Mapping[str, int]) -> list[LeftOut]:
    """Return the trainings of a nested estimate: singles first, then pairs.

    Raises
    ------
    InputError
        When fewer than `FEWEST` clusters can be left out, or a pair leaves one class to train on.
    """
    usable = [c.cluster for c in usable_clusters(clustering, labels) if c.usable]
    if len(usable) < FEWEST:
        raise InputError(
            f"nested estimate: {len(usable)} clusters can be left out, but {FEWEST} are needed; "
            "give --clusters FILE (columns id, cluster)"
        )
    chosen: list[tuple[int, ...]] = [(cluster,) for cluster in usable]
    chosen += list(combinations(usable, 2))
    return [_without(clusters, clustering, labels) for clusters in chosen]


def folds_as_sets(splits: Sequence[Split]) -> list[LeftOut]:
    """Return random folds as trainings, so that a candidate can be trained on them too."""
    return [LeftOut((number,), split) for number, split in enumerate(splits)]


def _without(
    clusters: tuple[int, ...], clustering: Clustering, labels: Mapping[str, int]
) -> LeftOut:
    members = sorted(zip(clustering.ids, (int(n) for n in clustering.labels), strict=True))
    train = tuple(entry for entry, number in members if number not in clusters)
    validation = tuple(entry for c in clusters for entry, number in members if number == c)
    if len({labels[entry] for entry in train}) < 2:
        raise InputError(
            f"nested estimate: without clusters {clusters} the training part holds a single class"
        )
    name = "nested-" + "-".join(str(cluster) for cluster in clusters)
    method = {"kind": "nested", "clusters": list(clusters), "clustering_hash": clustering.hash}
    return LeftOut(clusters, Split(name, train, validation, method))
