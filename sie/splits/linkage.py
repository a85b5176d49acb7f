"""Other groupings of the same chemistry: hierarchical clusters of compositions by ElMD.

For asking whether a result depends on how clusters were found; searches leave out those of loco.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.splits.elmd import elmd_matrix
from sie.splits.loco import DISTANCE_DECIMALS
from sie.splits.record import Clustering

METHODS = ("average", "complete", "ward")
"""What SciPy calls the rules by which two clusters are joined."""


def parse_grouping(text: str) -> tuple[str, int]:
    """Return method and number of clusters from a name such as complete-6.

    Raises
    ------
    InputError
        When it is not written like that.
    """
    found = re.fullmatch(rf"({'|'.join(METHODS)})-([1-9][0-9]?)", text)
    if found is None or int(found[2]) < 2:
        raise InputError(
            f"grouping {text}: write it like complete-6 ({', '.join(METHODS)}; 2 to 99 clusters)"
        )
    return found[1], int(found[2])


def linkage_clusters(
    compositions: Mapping[str, str | Mapping[Any, float]], method: str, n: int
) -> Clustering:
    """Cluster entries by joining the nearest, as SciPy's linkage does, on the distances of ElMD.

    Clusters are numbered from 0 by decreasing size, ties by their smallest id; the order of the
    input and labels play no part. Ward's rule is meant for Euclidean distances; here it is a rule
    like another that makes clusters of similar size.

    Parameters
    ----------
    compositions : Mapping
        Formula, amounts by element, or pymatgen composition of every id.
    method : str
        One of `METHODS`.
    n : int
        Clusters at most.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    ids = tuple(sorted(compositions))
    distances = elmd_matrix([compositions[entry] for entry in ids], ids)
    condensed = squareform(np.round(distances, DISTANCE_DECIMALS), checks=False)
    found = fcluster(linkage(condensed, method), n, "maxclust")
    members: dict[int, list[int]] = {}
    for place, number in enumerate(found):
        members.setdefault(int(number), []).append(place)
    labels = np.empty(len(ids), dtype=np.int64)
    # rising ids, so the first place of a cluster is its smallest id
    for number, places in enumerate(sorted(members.values(), key=lambda p: (-len(p), p[0]))):
        labels[places] = number
    return Clustering(ids, labels, method={"kind": "linkage", "method": method, "n_noise": 0})
