"""A store for the whole session, Ray for this folder, and a problem whose searches are recorded."""

from __future__ import annotations

import numpy as np
import pytest

from sie.features.record import OrbitFeatures
from sie.search.problem import LearningProblem
from sie.search.session import start_ray, stop_ray
from sie.splits.record import Clustering
from sie.structures.representations import Representation
from sie.tracking.store import open_store


@pytest.fixture(scope="session")
def builders_store(tmp_path_factory):
    return open_store(None, tmp_path_factory.mktemp("builders"))


@pytest.fixture(scope="package")
def ray_cluster():
    yield start_ray(None)
    stop_ray()


@pytest.fixture(scope="session")
def problem():
    """Four clusters of eight entries; the last holds one class. The first column tells it."""
    n = 32
    rng = np.random.default_rng(3)
    ids = tuple(f"s{i:02d}" for i in range(n))
    labels = {entry: int(i % 2 and i < 24) for i, entry in enumerate(ids)}
    rows = rng.normal(size=(2 * n, 4)).astype(np.float32)
    rows[:, 0] += 2 * np.repeat([labels[entry] for entry in ids], 2)
    features = OrbitFeatures(ids, rows, np.ones(2 * n, np.float32), np.arange(0, 2 * n + 1, 2))
    return LearningProblem(
        dataset="d", dataset_hash="a", representation=Representation.CAMN, level=1,
        features=features, features_hash="b", labels=labels,
        clustering=Clustering(ids, np.repeat([0, 1, 2, 3], 8)),
        formulas=dict.fromkeys(ids, "LiCl"), groups=dict.fromkeys(ids, 0),
        hold_out_hash="e", report=None,
    )  # fmt: skip
