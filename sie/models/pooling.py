"""Simple pooling: attention with one learnt query, or the mean, over the rows of each structure.

Both weighted by multiplicity. Set2Set lives in `set2set`, what attention computes there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from sie.models.set2set import RowAttention, SharedKernel


class WeightedPooling(tf.keras.layers.Layer):
    """Read a set of rows once: sum_i a_i x_i with a_i = w_i exp(x_i·q) / sum_j w_j exp(x_j·q).

    The mean is attention whose query is zero and stays so.

    Parameters
    ----------
    learnt : bool
        Whether there is a query q to learn.
    """

    def __init__(self, learnt: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.learnt = learnt

    def build(self, input_shape: Sequence[Any]) -> None:
        """Create the query, zero, for rows of `input_shape[0][-1]` columns."""
        self._dimension = int(input_shape[0][-1])
        if self.learnt:
            shape = (self._dimension,)
            self.query = self.add_weight(name="query", shape=shape, initializer="zeros")
        super().build(input_shape)

    def norm_groups(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of the weights, those together whose norm LAMB takes as one."""
        return (("query",),) if self.learnt else ()

    def shared_kernels(self) -> dict[str, SharedKernel]:
        """Return nothing: no kernel is used twice."""
        return {}

    def call(
        self, inputs: Sequence[tf.Tensor], shared: Mapping[str, SharedKernel] | None = None
    ) -> tf.Tensor:
        """Return the pooled rows, shape (n_structures, d); inputs as `WeightedSet2Set` has them."""
        attention = RowAttention(*inputs)
        query = self.query if self.learnt else tf.zeros(self._dimension)
        return attention(tf.tile(query[tf.newaxis], [attention.n_structures, 1]))
