"""Weighted Set2Set: the attention readout over the orbit rows of many structures at once.

The layer, its initial values and the exchange of weights with maml live here; phi and rho do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sie.models.initial import glorot_uniform, orthogonal


class WeightedSet2Set(tf.keras.layers.Layer):
    r"""Read a set of rows with `steps` rounds of attention: maml's WeightedSet2Set, on flat rows.

    With m = x K + b, each round t sets (h) = LSTM(q*), a_i = w_i exp(m_i·h) / sum_j w_j
    exp(m_j·h) and q* = [h, sum_i a_i m_i]. A row of multiplicity w counts as w equal rows.

    What is left out beside maml's layer, and why nothing changes:

    - The cell state is not carried from round to round (maml starts each at c = 0), so the forget
      gate multiplies zero and its weights get no gradient: they are not stored. LAMB scales each
      step by the norm of the whole variable, though, and there the idle block counts (at the start
      it makes up all of the recurrent bias' norm). One idle entry in the last row of
      `recurrent_kernel` and at the end of `recurrent_bias` holds the block's norm, so the
      training is maml's as well.
    - q* is zero in round 1, so h is the same for every structure there, and its half of the
      product in round 2 is computed once.
    - The memory vectors m_i are not formed. m_i·h = x_i·(K h) + b·h, whose last term is the same
      for all rows of a structure and cancels in the softmax; and sum_i a_i m_i =
      (sum_i a_i x_i) K + b, for the a_i of a structure sum to 1. So every product that runs over
      rows has the d columns of a row, not `width`.

    Parameters
    ----------
    width : int
        n_hidden of the article (512).
    steps : int
        T of the article (3).

    Source: O. Vinyals et al., ICLR 2016 (arXiv:1511.06391); C. Chen and S. P. Ong, npj Comput.
    Mater. 2021, 7, 173.
    """

    def __init__(self, width: int = 512, steps: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.steps = width, steps

    def build(self, input_shape: Sequence[Any]) -> None:
        """Create the four variables, all zero, for rows of input_shape[0][-1] columns.

        `initial_readout` draws what to start a training from.
        """
        for name, shape in readout_shapes(int(input_shape[0][-1]), self.width).items():
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer="zeros"))
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return q*, shape (n_structures, 2 width).

        Parameters
        ----------
        inputs : rows, multiplicity, owner
            Shapes (n_rows, d), (n_rows,) and (n_rows,): owner is the structure of a row, rising
            from 0 without gaps. Rows of multiplicity 0 change nothing, but each structure needs
            one of more.
        """
        rows, multiplicity, owner = inputs
        kernel_h, kernel_r, _ = tf.split(self.recurrent_kernel, [self.width, self.width, 1], axis=0)
        bias = self.recurrent_bias[:-1]
        query = self._lstm(bias[tf.newaxis])  # (1, width): every structure asks the same
        scores = tf.linalg.matvec(rows, self._asked(query)[0])
        read = self._read(rows, scores, multiplicity, owner)
        for _ in range(self.steps - 1):
            query = self._lstm(tf.matmul(query, kernel_h) + tf.matmul(read, kernel_r) + bias)
            scores = tf.reduce_sum(rows * tf.gather(self._asked(query), owner), axis=-1)
            read = self._read(rows, scores, multiplicity, owner)
        if self.steps == 1:
            query = tf.broadcast_to(query, tf.shape(read))
        return tf.concat([query, read], axis=-1)

    def _asked(self, query: tf.Tensor) -> tf.Tensor:
        """Return queries in the space of the rows, shape (n_structures, d)."""
        return tf.matmul(query, self.kernel, transpose_b=True)

    def _read(
        self, rows: tf.Tensor, scores: tf.Tensor, multiplicity: tf.Tensor, owner: tf.Tensor
    ) -> tf.Tensor:
        """Return the attended mean of the memory vectors, shape (n_structures, width)."""
        return tf.matmul(_attend(rows, scores, multiplicity, owner), self.kernel) + self.bias

    def _lstm(self, gates: tf.Tensor) -> tf.Tensor:
        into, cell, out = tf.split(gates, 3, axis=-1)
        state = _hard_sigmoid(into) * tf.tanh(cell)
        return _hard_sigmoid(out) * tf.tanh(state)

    def get_config(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        own = {"width": self.width, "steps": self.steps}
        return {**super().get_config(), **own}


def _hard_sigmoid(x: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


def _attend(
    rows: tf.Tensor, scores: tf.Tensor, multiplicity: tf.Tensor, owner: tf.Tensor
) -> tf.Tensor:
    """Average the rows of each structure with softmax weights times multiplicities."""
    real = tf.where(multiplicity > 0, scores, scores.dtype.min)
    highest = tf.stop_gradient(tf.math.segment_max(real, owner))
    # on rows of multiplicity 0 exp could overflow, and inf * 0 is no number
    excess = tf.where(multiplicity > 0, scores - tf.gather(highest, owner), 0.0)
    weights = tf.exp(excess) * multiplicity
    total = tf.math.segment_sum(weights, owner)
    return tf.math.segment_sum(rows * weights[:, tf.newaxis], owner) / total[:, tf.newaxis]


def readout_shapes(dimension: int, width: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the layer's weights by name, for rows of `dimension` columns."""
    return {
        "kernel": (dimension, width),
        "bias": (width,),
        "recurrent_kernel": (2 * width + 1, 3 * width),
        "recurrent_bias": (3 * width + 1,),
    }


def initial_readout(rng: np.random.Generator, dimension: int, width: int) -> dict[str, np.ndarray]:
    """Draw the layer's weights from maml's initial distribution (the forget gate cut out).

    Returns
    -------
    dict
        Float32 arrays of `readout_shapes`.
    """
    recurrent_bias = np.zeros(4 * width, dtype=np.float32)
    recurrent_bias[width : 2 * width] = 1  # maml's unit_forget_bias
    full = orthogonal(rng, 2 * width, 4 * width)
    kernel = glorot_uniform(rng, dimension, width)
    return from_maml([kernel, np.zeros(width, dtype=np.float32), full, recurrent_bias])


def from_maml(weights: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Turn maml's [kernel, bias, recurrent kernel, recurrent bias] into this layer's weights."""
    kernel, bias, recurrent_kernel, recurrent_bias = weights
    width = len(bias)
    idle = slice(width, 2 * width)
    last_row = np.zeros((1, 3 * width), dtype=np.float32)
    last_row[0, 0] = np.linalg.norm(recurrent_kernel[:, idle])
    used_kernel = np.delete(recurrent_kernel, idle, axis=1)
    used_bias = np.delete(recurrent_bias, idle)
    return {
        "kernel": kernel,
        "bias": bias,
        "recurrent_kernel": np.concatenate([used_kernel, last_row]),
        "recurrent_bias": np.append(used_bias, np.linalg.norm(recurrent_bias[idle])),
    }


def to_maml(weights: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Turn this layer's weights into maml's four; the forget gate gets one entry with its norm."""
    width = len(weights["bias"])
    forget_kernel = np.zeros((2 * width, width), dtype=np.float32)
    forget_kernel[0, 0] = weights["recurrent_kernel"][-1, 0]
    forget_bias = np.zeros(width, dtype=np.float32)
    forget_bias[0] = weights["recurrent_bias"][-1]
    used = weights["recurrent_kernel"][:-1]
    return [
        weights["kernel"],
        weights["bias"],
        np.concatenate([used[:, :width], forget_kernel, used[:, width:]], axis=1),
        np.concatenate(
            [
                weights["recurrent_bias"][:width],
                forget_bias,
                weights["recurrent_bias"][width:-1],
            ]
        ),
    ]
