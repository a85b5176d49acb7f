"""Leave-one-cluster-out: which clusters can be left out, and the split that leaves one out.

How the clusters are found lives in loco.py and clusters_file.py; this module alone sees labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sie.errors import InputError
from sie.splits.record import Clustering, Split


@dataclass(frozen=True)
class ClusterCount:
    """Size of a cluster and whether it can be left out.

    Attributes
    ----------
    cluster : int
        Its number.
    entries, positives : int
        Members, and members of class 1.
    usable : bool
        Both classes stand inside the cluster and outside it.
    """

    cluster: int
    entries: int
    positives: int
    usable: bool

    def __str__(self) -> str:
        return f"{self.cluster} ({self.entries}/{self.positives})"


def usable_clusters(clustering: Clustering, labels: Mapping[str, int]) -> list[ClusterCount]:
    """Count every cluster, in the order of their numbers; `usable` says which can be left out.

    AUC-PR is not defined on a validation part of one class, and nothing is learnt from a training
    part of one class.

    Parameters
    ----------
    clustering : Clustering
        Clusters of n ids.
    labels : Mapping
        Class, 0 or 1, of at least these ids.
    """
    classes = [int(labels[entry]) for entry in clustering.ids]
    members: dict[int, list[int]] = {number: [] for number in clustering.numbers}
    for number, value in zip(clustering.labels, classes, strict=True):
        members[int(number)].append(value)
    counts = []
    for number, inside in members.items():
        entries, positives = len(inside), sum(inside)
        outside, positives_outside = len(classes) - entries, sum(classes) - positives
        usable = 0 < positives < entries and 0 < positives_outside < outside
        counts.append(ClusterCount(number, entries, positives, usable))
    return counts


def loco_split(clustering: Clustering, cluster: int, labels: Mapping[str, int]) -> Split:
    """Return the split `loco-<cluster>` that validates on one cluster and trains on the others.

    Parameters
    ----------
    clustering : Clustering
        Clusters of the development ids.
    cluster : int
        The number of the cluster to leave out.
    labels : Mapping
        Class, 0 or 1, of at least these ids.

    Raises
    ------
    InputError
        When the cluster does not exist, or it or the rest holds a single class; the line lists the
        clusters that can be left out with their entries and positives.
    """
    counts = usable_clusters(clustering, labels)
    chosen = next((count for count in counts if count.cluster == cluster), None)
    if chosen is None or not chosen.usable:
        raise InputError(f"{_complaint(cluster, chosen)}; {_choice(counts)}")
    members = sorted(zip(clustering.ids, clustering.labels, strict=True))
    return Split(
        f"loco-{cluster}",
        tuple(entry for entry, number in members if number != cluster),
        tuple(entry for entry, number in members if number == cluster),
        {"kind": "loco", "cluster": cluster, "clustering_hash": clustering.hash},
    )


def _complaint(cluster: int, count: ClusterCount | None) -> str:
    if count is None:
        return f"cluster {cluster} does not exist"
    start = f"cluster {cluster} cannot be left out: "
    if 0 < count.positives < count.entries:
        return f"{start}without it the training part holds a single class"
    return f"{start}{count.positives} of its {count.entries} entries are positive"


def _choice(counts: list[ClusterCount]) -> str:
    usable = [str(count) for count in counts if count.usable]
    if not usable:
        return (
            "no cluster can be left out; give --clusters FILE (columns id, cluster) or use k-fold"
        )
    return f"choose one of (entries/positives): {', '.join(usable)}"
