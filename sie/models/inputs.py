"""Standardised input rows: statistics of the training part, kept with the weights of a network.

NumPy only. A network is trained on the rows that come from here and knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig

MEAN, SCALE = "input/mean", "input/scale"

_CONSTANT = 1e-6
"""A column whose standard deviation is a smaller share of its largest entry is float32 noise."""


def input_shapes(config: TrialConfig, dimension: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a kept network's statistics by name; none without standardisation."""
    return {MEAN: (dimension,), SCALE: (dimension,)} if config.standardise else {}


def input_statistics(features: OrbitFeatures) -> dict[str, np.ndarray]:
    """Return mean and standard deviation of every column, float32, shape (d,) each.

    Every structure counts once, and its atoms share that equally: a row's weight is its
    multiplicity over the sum of its structure's. So a supercell, or a conventional cell instead of
    the primitive one, changes nothing, as it changes nothing in the readout. The scale of a column
    that is constant is 1: what it holds becomes 0.

    Parameters
    ----------
    features : OrbitFeatures
        Of the training part alone.
    """
    rows = features.rows.astype(np.float64)
    multiplicity = features.multiplicity.astype(np.float64)
    sites = np.add.reduceat(multiplicity, features.offsets[:-1])
    weights = multiplicity / np.repeat(sites, np.diff(features.offsets)) / len(features)
    mean = weights @ rows
    deviation = np.sqrt(weights @ (rows - mean) ** 2)
    constant = deviation <= _CONSTANT * np.abs(rows).max(axis=0)
    scale = np.where(constant, 1.0, deviation)
    return {MEAN: mean.astype(np.float32), SCALE: scale.astype(np.float32)}


def standardised(features: OrbitFeatures, weights: Mapping[str, np.ndarray]) -> OrbitFeatures:
    """Return features as a kept network takes them: as they are where it has no statistics."""
    return replace(features, rows=standard_rows(features.rows, weights))


def standard_rows(rows: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return float32 rows (n_rows, d) less the mean, over the scale; see `standardised`."""
    if MEAN not in weights:
        return rows
    return (rows - weights[MEAN]) / weights[SCALE]


def trained_only(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights of a kept network without the statistics of its inputs."""
    return {name: array for name, array in weights.items() if name not in (MEAN, SCALE)}
