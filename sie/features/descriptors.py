"""`Descriptors`: one vector of named numbers per crystal, what baselines learn from.

The record only; how the numbers are computed lives beside this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sie.hashing import content_hash


@dataclass(frozen=True)
class Descriptors:
    """Named numbers of n_structures crystals.

    Attributes
    ----------
    ids : tuple of str
        Shape (n_structures,).
    names : tuple of str
        Shape (d,): what each column is.
    values : numpy.ndarray
        Float64, shape (n_structures, d); NaN where a number is not defined for a crystal.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.ids), len(self.names)):
            raise ValueError("values, ids and names do not fit together")

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, ids: Sequence[str]) -> np.ndarray:
        """Return the vectors of the given ids, shape (n, d), in the given order.

        Raises
        ------
        KeyError
            When an id has no vector.
        """
        position = {entry: i for i, entry in enumerate(self.ids)}
        return self.values[[position[entry] for entry in ids]]

    @cached_property
    def hash(self) -> str:
        """Content hash over ids, names and values."""
        return content_hash("descriptors-1", list(self.ids), list(self.names), self.values)
