"""One toy problem and one set of compiled programs for every test of this room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.splits.record import Split


def make_features(n: int, dimension: int = 4, seed: int = 0) -> OrbitFeatures:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 6, size=n)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return OrbitFeatures(
        tuple(f"s{i}" for i in range(n)),
        rng.normal(size=(offsets[-1], dimension)).astype(np.float32),
        rng.integers(1, 9, size=offsets[-1]).astype(np.float32),
        offsets,
    )


@pytest.fixture(scope="session")
def config() -> TrialConfig:
    return TrialConfig(
        n_layers=1, n_neurons=16, readout_width=8, batch_size=16, init_lr=1e-2, max_lr=3e-2
    )


@pytest.fixture(scope="session")
def new_features() -> Callable[..., OrbitFeatures]:
    return make_features


@pytest.fixture(scope="session")
def features() -> OrbitFeatures:
    return make_features(60)


@pytest.fixture(scope="session")
def labels(features: OrbitFeatures) -> dict[str, int]:
    """1 where the mean of the first column over all atoms of the structure is positive."""
    weighted = features.rows[:, 0] * features.multiplicity
    sums = np.add.reduceat(weighted, features.offsets[:-1])
    return dict(zip(features.ids, (sums > 0).astype(int).tolist(), strict=True))


@pytest.fixture(scope="session")
def split(features: OrbitFeatures) -> Split:
    return Split("toy", features.ids[:45], features.ids[45:])


@pytest.fixture(scope="session")
def programs():
    from sie.training.program import ProgramCache

    return ProgramCache()


@pytest.fixture(scope="session")
def trainer(features, labels, split, programs):
    from sie.training.trainer import Trainer

    return Trainer(features, labels, split.train, split.validation, programs)
