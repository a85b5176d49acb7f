"""d_training: how far a crystal is from everything that the networks were trained on.

Only the metric lives here; mean atom vectors come from `sie.features`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from sie.errors import InputError

NOISE = 1e-6
"""Directions whose standard deviation is less, relative to the widest, hold rounding only: the
vectors are float32."""

_DISTANCES = 500_000
"""Distances in memory at once, 4 MB."""


@dataclass(frozen=True)
class TrainingDistance:
    """The metric of d_training (McHaffie et al. 2025, 10.1039/d5dd00052a).

    A crystal's mean atom vector is projected on the principal components of the training set. In
    the squared distance each component is divided by the square root of the variance it explains,
    and all distances are given as multiples of the training set's mean distance, in that same
    metric, to its centroid. `project` gives coordinates in which that is the Euclidean distance.

    Components without variance in the training set do not count: no distance along them could be
    told from an infinite one.

    Attributes
    ----------
    centre : numpy.ndarray
        Float64, shape (d,): the centroid.
    axes : numpy.ndarray
        Float64, shape (d, n_components): principal axes with their scales, the widest first.
    training : numpy.ndarray
        Float64, shape (n_training, n_components): the training set, projected.
    explained_share : numpy.ndarray
        Float64, shape (n_components,): share of the variance that each component explains.
    """

    centre: np.ndarray
    axes: np.ndarray
    training: np.ndarray
    explained_share: np.ndarray

    @classmethod
    def fit(cls, mean_vectors: np.ndarray) -> TrainingDistance:
        """Fit the metric.

        Parameters
        ----------
        mean_vectors : numpy.ndarray
            Shape (n_training, d): mean atom vectors of the training compounds.

        Raises
        ------
        InputError
            When they do not differ, or hold something that is no number.
        """
        vectors = np.asarray(mean_vectors, dtype=np.float64)
        if not np.isfinite(vectors).all():
            raise InputError("training vectors hold values that are no numbers; compute them anew")
        centre = vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
        centred = vectors - centre
        _, widths, directions = np.linalg.svd(centred, full_matrices=False)
        kept = widths > NOISE * max(widths.max(initial=0), np.abs(vectors).max(initial=0))
        if not kept.any():
            raise InputError(
                f"{len(vectors)} training compound(s) without difference have no d_training; "
                "train on more"
            )
        widths, directions = widths[kept], _same_signs(directions[kept])
        variance = widths**2 / (len(vectors) - 1)
        axes = directions.T / variance**0.25
        axes /= np.linalg.norm(centred @ axes, axis=1).mean()
        return cls(centre, axes, centred @ axes, variance / variance.sum())

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return coordinates in the metric, float64, shape (n, n_components), the widest first."""
        return (np.asarray(vectors, dtype=np.float64) - self.centre) @ self.axes

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """Return d_training, the distance to the nearest training compound.

        Parameters
        ----------
        vectors : numpy.ndarray
            Shape (n, d): mean atom vectors.

        Returns
        -------
        numpy.ndarray
            Float64, shape (n,), as multiples of the training set's mean distance to its centroid;
            NaN for a vector that holds NaN.
        """
        nearest = [distances.min(axis=1) for distances in self._blocks(vectors)]
        return np.concatenate([np.empty(0), *nearest])

    def nearest(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the k nearest training compounds of each crystal, the nearest first.

        Returns
        -------
        numpy.ndarray
            Int64, shape (n, k): rows of the training set; of equal distances the first row first.
            Fewer columns where the training set has fewer compounds.
        numpy.ndarray
            Float64, shape (n, k): their distances, in the unit of `of`.
        """
        k = min(k, len(self.training))
        rows, found = [np.empty((0, k), np.int64)], [np.empty((0, k))]
        for distances in self._blocks(vectors):
            order = np.argsort(distances, axis=1, kind="stable")[:, :k]
            rows.append(order)
            found.append(np.take_along_axis(distances, order, axis=1))
        return np.concatenate(rows), np.concatenate(found)

    def to_each(self, vectors: np.ndarray) -> np.ndarray:
        """Return the distances to every training compound, float64, shape (n, n_training)."""
        return np.concatenate([np.empty((0, len(self.training))), *self._blocks(vectors)])

    def _blocks(self, vectors: np.ndarray) -> Iterator[np.ndarray]:
        projected = self.project(vectors)
        step = _DISTANCES // len(self.training) + 1
        for start in range(0, len(projected), step):
            yield cdist(projected[start : start + step], self.training)


def _same_signs(directions: np.ndarray) -> np.ndarray:
    """Return axes whose largest component is positive, so that maps look the same everywhere."""
    largest = np.abs(directions).argmax(axis=1)
    return directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
