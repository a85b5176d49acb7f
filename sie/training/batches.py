"""Batches of structures as flat rows: what one epoch reads, in which order, from where to where.

Rows of a batch lie end to end with the number of their structure beside them, so nothing is padded.
Only index arithmetic lives here; the arrays it points into belong to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sie.features.record import OrbitFeatures

MASKS_PER_ORBIT = 2
"""Dropout masks of an orbit in training: one lowers MCC against a mask per atom, two do not, and
cost a tenth of the time (docs/performance.md)."""


@dataclass(frozen=True)
class Batches:
    """One pass over n structures with n_rows rows, cut into n_batches; int32 throughout.

    Attributes
    ----------
    order : numpy.ndarray
        Shape (n,): structures in the order of reading.
    row_index : numpy.ndarray
        Shape (n_rows,): their rows in that order.
    owner : numpy.ndarray
        Shape (n_rows,): place of the row's structure within its batch, from 0.
    bounds : numpy.ndarray
        Shape (n_batches + 1,): batch i holds structures bounds[i]:bounds[i + 1] of `order`.
    row_bounds : numpy.ndarray
        Shape (n_batches + 1,): and rows row_bounds[i]:row_bounds[i + 1] of `row_index`.
    """

    order: np.ndarray
    row_index: np.ndarray
    owner: np.ndarray
    bounds: np.ndarray
    row_bounds: np.ndarray

    def __len__(self) -> int:
        return len(self.bounds) - 1


def n_batches(n_structures: int, batch_size: int) -> int:
    """Return the number of batches; the last may be smaller."""
    return -(-n_structures // batch_size)


def make_batches(features: OrbitFeatures, order: np.ndarray, batch_size: int) -> Batches:
    """Cut the structures of `features`, read in `order`, into batches.

    Parameters
    ----------
    features : OrbitFeatures
        Where the rows are.
    order : numpy.ndarray
        Shape (n,): positions in `features`, each at most once.
    batch_size : int
        Structures in every batch but the last, which keeps what is left.
    """
    counts = np.diff(features.offsets)[order]
    ends = np.cumsum(counts)
    starts = ends - counts
    place = np.arange(len(order))
    bounds = np.append(place[::batch_size], len(order))
    return Batches(
        order=_int32(order),
        row_index=_int32(np.arange(ends[-1]) + np.repeat(features.offsets[order] - starts, counts)),
        owner=_int32(np.repeat(place % batch_size, counts)),
        bounds=_int32(bounds),
        row_bounds=_int32(np.append(0, ends)[bounds]),
    )


def _int32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.int32)
