"""What the race is run on: OBELiX as CAMNS-V1 split at random, or random rows of that size.

Only data and split; who trains on it lives in race/contestants.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from epochs import VALIDATION_SHARE, synthetic_features

from race.contestants import RaceData
from sie.features.record import OrbitFeatures

MAX_MULTIPLICITY = {"files": 28, "primitive": 14}
"""Multiplicities of random rows are uniform from 1: 14.5 atoms a row as in the files' cells of
OBELiX, or 7.5 as in primitive cells."""


def synthetic_data(n: int, cells: str = "files") -> RaceData:
    """Return n random structures with random classes."""
    rng = np.random.default_rng(1)
    features = synthetic_features(n)
    drawn = rng.integers(1, MAX_MULTIPLICITY[cells] + 1, size=len(features.rows))
    features = replace(features, multiplicity=drawn.astype(np.float32))
    labels = dict(zip(features.ids, rng.integers(0, 2, size=n).tolist(), strict=True))
    return RaceData(features, labels, _n_train(features))


def obelix_data(folder: Path, cells: str = "files") -> RaceData:
    """Compute CAMNS-V1 of OBELiX, or take it from the cache, and put it in a seeded order."""
    from race.stock import lattice_points
    from sie.datasets.registry import load_dataset
    from sie.features.cache import cached_features
    from sie.structures.oxidation import prepare

    database = load_dataset("obelix", data_dir=folder)
    structures, _ = prepare(database.structures)
    features = cached_features(structures, "CAMNS", 1)
    features = features.select(np.random.default_rng(0).permutation(features.ids).tolist())
    labels = dict(zip(database.ids, (int(label) for label in database.labels), strict=True))
    points = lattice_points(structures) if cells == "primitive" else None
    return RaceData(features, labels, _n_train(features), points)


def _n_train(features: OrbitFeatures) -> int:
    return round(len(features) * (1 - VALIDATION_SHARE))
