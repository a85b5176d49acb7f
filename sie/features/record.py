"""`OrbitFeatures`: atom vectors of many structures, one row per symmetry orbit.

The unit that the trainer eats; how the vectors are computed lives beside this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sie.hashing import content_hash


@dataclass(frozen=True)
class OrbitFeatures:
    """Ragged feature rows of n_structures crystals.

    Attributes
    ----------
    ids : tuple of str
        Shape (n_structures,).
    rows : numpy.ndarray
        Float32, shape (n_rows, d): one vector per distinct atom environment.
    multiplicity : numpy.ndarray
        Float32, shape (n_rows,): equivalent sites of the cell that share the row.
    offsets : numpy.ndarray
        Int64, shape (n_structures + 1,): structure i owns rows offsets[i]:offsets[i + 1].
    """

    ids: tuple[str, ...]
    rows: np.ndarray
    multiplicity: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        n_rows = len(self.rows)
        if self.multiplicity.shape != (n_rows,) or self.offsets.shape != (len(self.ids) + 1,):
            raise ValueError("rows, multiplicity, offsets and ids do not fit together")
        if self.offsets[0] != 0 or self.offsets[-1] != n_rows or (np.diff(self.offsets) < 1).any():
            raise ValueError("offsets must rise from 0 to n_rows with at least one row a structure")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimension(self) -> int:
        """Length d of a row."""
        return int(self.rows.shape[1])

    def select(self, ids: Sequence[str]) -> OrbitFeatures:
        """Return the features of the given ids, in the given order.

        Raises
        ------
        KeyError
            When an id has no features.
        """
        position = {entry: i for i, entry in enumerate(self.ids)}
        chosen = np.array([position[entry] for entry in ids], dtype=np.int64)
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], counts)
        return OrbitFeatures(tuple(ids), self.rows[index], self.multiplicity[index], offsets)

    def copied(self, most: int) -> OrbitFeatures:
        """Return every row as often as its multiplicity says, `most` times at most.

        The copies of a row share its multiplicity in equal parts, so that a weighted sum over rows
        stays what it was.
        """
        times = np.clip(self.multiplicity.astype(np.int64), 1, most)
        ends = np.append(0, np.cumsum(times))
        rows = np.repeat(self.rows, times, axis=0)
        shares = np.repeat(self.multiplicity / times, times).astype(np.float32)
        return OrbitFeatures(self.ids, rows, shares, ends[self.offsets])

    @cached_property
    def hash(self) -> str:
        """Content hash over ids, rows, multiplicities and offsets."""
        return content_hash(
            "orbit-features-1", list(self.ids), self.rows, self.multiplicity, self.offsets
        )
