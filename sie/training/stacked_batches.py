"""Batches of several members at once: each reads the same structures in an order of its own.

Index arithmetic only, as in `batches`; what is read by it belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sie.features.record import OrbitFeatures
from sie.training.batches import make_batches

PARTS = 2
"""Parts of a batch between which no attention is computed; see `ATTENTION_PARTS` of the layer."""


@dataclass(frozen=True)
class StackedBatches:
    """One pass of n_members over n structures in n_batches; int32 throughout but `multiplicity`.

    The rows of every part of a batch are filled up to the most that a member has there: the last
    row again, with multiplicity 0, which changes nothing.

    Attributes
    ----------
    order : numpy.ndarray
        Shape (n_members, n): structures in the order of reading.
    row_index : numpy.ndarray
        Shape (n_members, n_places): their rows in that order.
    place : numpy.ndarray
        Shape (n_members, n_places): the row's place among the n_rows that the member would read
        alone.
    owner : numpy.ndarray
        Shape (n_members, n_places): the row's structure, from the first of its part.
    multiplicity : numpy.ndarray
        Float32, shape (n_members, n_places).
    bounds : numpy.ndarray
        Shape (PARTS n_batches + 1,): part i holds structures bounds[i]:bounds[i + 1] of `order`.
    row_bounds : numpy.ndarray
        Shape (PARTS n_batches + 1,): and places row_bounds[i]:row_bounds[i + 1].
    """

    order: np.ndarray
    row_index: np.ndarray
    place: np.ndarray
    owner: np.ndarray
    multiplicity: np.ndarray
    bounds: np.ndarray
    row_bounds: np.ndarray


def stack_batches(
    features: OrbitFeatures, orders: Sequence[np.ndarray], batch_size: int
) -> StackedBatches:
    """Cut the structures of `features`, read by each member in its order, into batches.

    Parameters
    ----------
    features : OrbitFeatures
        Where the rows are.
    orders : sequence of numpy.ndarray
        For each member shape (n,): all positions in `features`.
    batch_size : int
        Structures in every batch but the last, which keeps what is left.
    """
    alone = [make_batches(features, order, batch_size) for order in orders]
    order = np.stack([batches.order for batches in alone])
    row_index = np.stack([batches.row_index for batches in alone])
    bounds = _part_bounds(alone[0].bounds)
    counts = np.diff(features.offsets)[order]
    ends = np.cumsum(counts, axis=1)
    part_ends = np.concatenate([np.zeros((len(alone), 1), int), ends], axis=1)[:, bounds]
    lengths = np.diff(part_ends, axis=1)
    padded = lengths.max(axis=0)
    row_bounds = np.append(0, np.cumsum(padded))
    part = np.repeat(np.arange(len(padded)), padded)
    inside = np.arange(row_bounds[-1]) - row_bounds[part]
    length = lengths[:, part]
    place = part_ends[:, part] + np.minimum(inside, length - 1)
    owner = np.stack([np.repeat(np.arange(order.shape[1]), n) for n in counts])
    index = np.take_along_axis(row_index, place, axis=1)
    return StackedBatches(
        order=order,
        row_index=index,
        place=place.astype(np.int32),
        owner=(np.take_along_axis(owner, place, axis=1) - bounds[part]).astype(np.int32),
        multiplicity=features.multiplicity[index] * (inside < length),
        bounds=bounds.astype(np.int32),
        row_bounds=row_bounds.astype(np.int32),
    )


def _part_bounds(bounds: np.ndarray) -> np.ndarray:
    """Return the bounds of the parts of batches with these bounds."""
    sizes = np.diff(bounds)[:, np.newaxis] * np.arange(PARTS) // PARTS
    return np.append((bounds[:-1, np.newaxis] + sizes).ravel(), bounds[-1])
