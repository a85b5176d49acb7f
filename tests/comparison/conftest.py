"""A toy problem: forty structures of two rows, whose first column tells the class."""

from __future__ import annotations

import numpy as np
import pytest

from sie.comparison.systems import BaselineSystem, ControlSystem, NetworkSystem
from sie.features.descriptors import Descriptors
from sie.features.record import OrbitFeatures
from sie.models.baselines import Baseline, Kind
from sie.models.config import TrialConfig
from sie.splits.kfold import stratified_folds

SMALL = TrialConfig(
    n_layers=1, n_neurons=8, readout_width=8, batch_size=16, init_lr=1e-2, max_lr=3e-2
)


@pytest.fixture(scope="session")
def ids():
    return tuple(f"s{i:02d}" for i in range(40))


@pytest.fixture(scope="session")
def labels(ids):
    return {entry: int(i % 3 == 0) for i, entry in enumerate(ids)}


@pytest.fixture(scope="session")
def folds(ids, labels):
    return stratified_folds(ids, labels, 2)


@pytest.fixture(scope="session")
def descriptors(ids, labels):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3))
    values[:, 0] += 2 * np.array([labels[entry] for entry in ids])
    return Descriptors(ids, ("told", "noise", "more noise"), values)


@pytest.fixture(scope="session")
def network(ids, labels, descriptors):
    rows = np.repeat(descriptors.values, 2, axis=0).astype(np.float32)
    features = OrbitFeatures(ids, rows, np.ones(80, np.float32), np.arange(0, 81, 2))
    return NetworkSystem("toy-V1", features, features.hash, labels, SMALL, epochs=12)


@pytest.fixture(scope="session")
def forest(labels, descriptors):
    model = Baseline("forest", Kind.FOREST, {"n_estimators": 20})
    return BaselineSystem("forest-toy", model, descriptors, labels)


@pytest.fixture(scope="session")
def controls(labels):
    return [ControlSystem(name, labels, 50) for name in ("mean", "shuffled")]
