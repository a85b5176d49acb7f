"""Descriptors of a crystal from its atom vectors: pooled over the sites of the cell.

What learns from them lives in sie.models; how the vectors are computed lives beside this module.
"""

from __future__ import annotations

import numpy as np

from sie.features.descriptors import Descriptors
from sie.features.record import OrbitFeatures

STATISTICS = ("mean", "sd", "min", "max")


def pooled(features: OrbitFeatures) -> Descriptors:
    """Return mean, standard deviation, minimum and maximum of every component over the sites.

    An orbit's vector counts as often as its multiplicity says, so the result is that of pooling
    over all sites of the cell, primitive or not. The standard deviation is the population's.

    Parameters
    ----------
    features : OrbitFeatures
        Rows of n_structures crystals, d numbers each.

    Returns
    -------
    Descriptors
        Float64, shape (n_structures, 4 d): columns `mean_0` to `max_<d - 1>`.
    """
    rows = features.rows
    weights = features.multiplicity.astype(np.float64)[:, None]  # sums are float64 by them
    starts, counts = features.offsets[:-1], np.diff(features.offsets)
    total = np.add.reduceat(weights, starts)
    mean = np.add.reduceat(weights * rows, starts) / total
    # about the mean: E[x^2] - E[x]^2 would lose half the digits where a component hardly varies
    squares = weights * (rows - np.repeat(mean, counts, axis=0)) ** 2
    parts = [
        mean,
        np.sqrt(np.add.reduceat(squares, starts) / total),
        np.minimum.reduceat(rows, starts),
        np.maximum.reduceat(rows, starts),
    ]
    names = tuple(f"{of}_{k}" for of in STATISTICS for k in range(features.dimension))
    return Descriptors(features.ids, names, np.concatenate(parts, axis=1))
