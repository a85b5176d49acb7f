"""Clusters of chemistry for leave-one-cluster-out: ElMD, UMAP, DBSCAN.

Clusters know nothing of labels; which of them can be left out is decided in left_out.py.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.hashing import content_hash
from sie.splits.cluster_cache import read_cached, write_cached
from sie.splits.elmd import elmd_matrix
from sie.splits.record import Clustering

log = logging.getLogger(__name__)

SPREAD = 5.0
EPS = 4.0
N_NEIGHBORS = 15
MIN_SAMPLES = 5
SEED = 1
"""Settings of the article; N_NEIGHBORS and MIN_SAMPLES are the libraries' defaults."""

MIN_ENTRIES = 10
"""Below this there are no neighbourhoods to speak of: DBSCAN alone wants 5 entries a cluster."""

DISTANCE_DECIMALS = 10
"""Distances are rounded to this many decimals before UMAP sees them.

UMAP measures from the nearest neighbour that is not at distance 0, so the 1e-16 between two
spellings of one composition decides the layout: without rounding, relative noise of 1e-15 in
OBELiX's amounts gave 4 different clusterings in 6 trials, with it always the same one.
"""


def loco_clusters(
    compositions: Mapping[str, str | Mapping[Any, float]], seed: int = SEED
) -> Clustering:
    """Cluster entries by composition as the article does for leave-one-cluster-out.

    ElMD between all pairs, UMAP to two dimensions, DBSCAN in that plane; an entry that DBSCAN
    calls noise joins the cluster of its nearest clustered entry in the plane. Clusters are numbered
    from 0 by decreasing size, ties by their smallest id; entries are taken in the order of their
    ids, so neither the order of the input nor any label plays a part. The result is kept in the
    cache folder, keyed by all it depends on. Other processors or versions of the libraries may draw
    another plane: `write_clusters` saves clusters that others shall share.

    Parameters
    ----------
    compositions : Mapping
        Formula, amounts by element, or pymatgen composition of every id.
    seed : int
        Random state of UMAP.

    Returns
    -------
    Clustering
        Sorted ids; `method` holds the settings and `n_noise`.

    Raises
    ------
    InputError
        When there are fewer than `MIN_ENTRIES` entries, DBSCAN finds no cluster, or a composition
        cannot be used.

    References
    ----------
    McHaffie et al. 2025, 10.1039/d5dd00052a, and its archived code, 10.22002/cgx0v-wqq34.
    """
    ids = tuple(sorted(compositions))
    if len(ids) < MIN_ENTRIES:
        raise InputError(
            f"leave-one-cluster-out needs at least {MIN_ENTRIES} entries to find clusters, but got "
            f"{len(ids)}; give --clusters FILE (columns id, cluster) or use k-fold"
        )
    distances = np.round(elmd_matrix([compositions[i] for i in ids], ids), DISTANCE_DECIMALS)
    settings = _settings(len(ids), seed)
    key = content_hash("loco-1", list(ids), distances, settings, _versions())
    found = read_cached(key, ids)
    if found is None:
        found = _cluster(ids, distances, settings)
        write_cached(key, found)
    return found


def _settings(n_entries: int, seed: int) -> dict[str, Any]:
    return {
        "kind": "elmd-umap-dbscan",
        "n_components": 2,
        "spread": SPREAD,
        "n_neighbors": min(N_NEIGHBORS, n_entries - 1),
        "seed": seed,
        "eps": EPS,
        "min_samples": MIN_SAMPLES,
        "distance_decimals": DISTANCE_DECIMALS,
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("umap-learn", "numba", "numpy", "scipy")}


def _cluster(ids: tuple[str, ...], distances: np.ndarray, settings: dict[str, Any]) -> Clustering:
    from sklearn.cluster import DBSCAN

    embedding = _embed(distances, settings)
    raw = DBSCAN(eps=settings["eps"], min_samples=settings["min_samples"]).fit_predict(embedding)
    if (raw == -1).all():
        raise InputError(
            f"no clusters: DBSCAN calls all {len(ids)} entries noise; "
            "give --clusters FILE (columns id, cluster) or use k-fold"
        )
    labels = number_by_size(join_noise(raw, embedding))
    n_noise = int((raw == -1).sum())
    log.info("%d clusters of %d entries (%d noise)", labels.max() + 1, len(ids), n_noise)
    return Clustering(ids, labels, embedding, {**settings, "n_noise": n_noise})


def _embed(distances: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    with _quiet_umap():
        from umap import UMAP

        plane = UMAP(
            n_components=settings["n_components"],
            n_neighbors=settings["n_neighbors"],
            spread=settings["spread"],
            metric="precomputed",
            random_state=settings["seed"],
            n_jobs=1,
        ).fit_transform(distances)
    return np.asarray(plane, dtype=np.float64)


def join_noise(raw: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Give every noise entry (-1) the cluster of its nearest clustered entry in the plane.

    Parameters
    ----------
    raw : numpy.ndarray
        Integers, shape (n,), at least one of them not -1.
    embedding : numpy.ndarray
        Shape (n, 2); among equally near entries the first counts.

    Returns
    -------
    numpy.ndarray
        Int64, shape (n,), none negative.
    """
    from scipy.spatial.distance import cdist

    labels = raw.astype(np.int64)
    noise, members = np.flatnonzero(raw == -1), np.flatnonzero(raw != -1)
    if noise.size:
        nearest = cdist(embedding[noise], embedding[members]).argmin(axis=1)
        labels[noise] = raw[members[nearest]]
    return labels


def number_by_size(labels: np.ndarray) -> np.ndarray:
    """Renumber clusters from 0 by decreasing size, ties by the first entry; shape (n,), int64."""
    values, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(values))
    return rank[inverse]


@contextmanager
def _quiet_umap() -> Iterator[None]:
    """Silence what umap and the TensorFlow it imports say about themselves."""
    variable = "TF_CPP_MIN_LOG_LEVEL"
    before = os.environ.get(variable)
    os.environ.setdefault(variable, "3")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
