"""`HoldOut`, `Clustering` and `Split`: who trains, who validates, who is never seen.

Only the records and their hashes live here; how they are drawn lives beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sie.hashing import content_hash


@dataclass(frozen=True)
class HoldOut:
    """The test ids, drawn first; search code receives `development` and never this object."""

    development: tuple[str, ...]
    test: tuple[str, ...]
    method: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def hash(self) -> str:
        """Content hash over both sets of ids; order does not matter."""
        return content_hash("hold-out-1", sorted(self.development), sorted(self.test))


@dataclass(frozen=True)
class Clustering:
    """Clusters of chemistry over the development ids.

    Attributes
    ----------
    ids : tuple of str
        Shape (n,).
    labels : numpy.ndarray
        Int64, shape (n,): cluster number of each id, from 0, none negative.
    embedding : numpy.ndarray or None
        Shape (n, 2): the plane in which the clusters were found; None for clusters from a file.
    method : Mapping
        Settings that made the clusters, `n_noise` among them.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    embedding: np.ndarray | None = None
    method: Mapping[str, Any] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The cluster numbers that occur, rising; those of a file may have gaps."""
        return tuple(int(number) for number in np.unique(self.labels))

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.numbers)

    @cached_property
    def hash(self) -> str:
        """Content hash over (id, cluster); order does not matter."""
        pairs = sorted(zip(self.ids, (int(label) for label in self.labels), strict=True))
        return content_hash("clustering-1", pairs)


@dataclass(frozen=True)
class Split:
    """One division of the development ids into training and validation."""

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    method: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if shared := set(self.train) & set(self.validation):
            raise ValueError(f"split {self.name}: {len(shared)} ids both train and validate")

    @cached_property
    def hash(self) -> str:
        """Content hash over both sets of ids; order does not matter."""
        return content_hash("split-1", sorted(self.train), sorted(self.validation))
