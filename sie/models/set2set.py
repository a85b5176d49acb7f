"""Weighted Set2Set: the attention readout over the orbit rows of many structures at once.

The layer lives here; what its weights are, and how they are drawn, in `readout_weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from sie.models.readout_weights import folds, readout_shapes

Product = Callable[[tf.Tensor], tf.Tensor]

ATTENTION_PARTS = 2
"""More waste fewer products with other structures' rows and start more operations; of 1, 2 and 4
the fastest over the article's network shapes."""


class SharedKernel:
    """A kernel of several products, whose gradient is one product too.

    Gradients of a kernel are as large as the kernel; made one by one and then added they cost
    several passes over it. Here each product's output is kept, for a tape to give its gradient.

    Parameters
    ----------
    kernel : tf.Variable
        Shape (n_inputs, n_outputs), or (n_members, n_inputs, n_outputs) of side-by-side members.
    """

    def __init__(self, kernel: tf.Variable) -> None:
        self.kernel = kernel
        self.inputs: list[tf.Tensor] = []
        self.outputs: list[tf.Tensor] = []

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return x times the kernel; a tape sees no way from it to the kernel."""
        self.inputs.append(x)
        self.outputs.append(tf.matmul(x, tf.stop_gradient(self.kernel)))
        return self.outputs[-1]

    def gradient(self, of_outputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return the kernel's gradient from those of `outputs`, in their order."""
        return tf.matmul(tf.concat(self.inputs, -2), tf.concat(of_outputs, -2), transpose_a=True)


class WeightedSet2Set(tf.keras.layers.Layer):
    r"""Read a set of rows with `steps` rounds of attention: maml's WeightedSet2Set, on flat rows.

    With m = x K + b, each round t sets (h) = LSTM(q*), a_i = w_i exp(m_i·h) / sum_j w_j
    exp(m_j·h) and q* = [h, sum_i a_i m_i]. A row of multiplicity w counts as w equal rows.

    What is done otherwise than in maml's layer, and why nothing changes:

    - The cell state is not carried from round to round (maml starts each at c = 0), so the forget
      gate multiplies zero and its weights get no gradient: they are not stored. LAMB scales each
      step by the norm of the whole variable, though, and there the idle block counts (at the start
      it makes up all of the recurrent bias' norm). `idle_kernel` and `idle_bias` hold the block's
      norms for it, so the training is maml's as well; see `norm_groups`.
    - q* is zero in round 1, so h is the same for every structure there, and its half of the
      product in round 2 is computed once.
    - The memory vectors m_i are not formed. m_i·h = x_i·(K h) + b·h, whose last term is the same
      for all rows of a structure and cancels in the softmax; and sum_i a_i m_i =
      (sum_i a_i x_i) K + b, for the a_i of a structure sum to 1. So every product that runs over
      rows has the d columns of a row, not `width`.
    - Where d is small, K R is computed once for the half R of the recurrent kernel that meets the
      sum, instead of two products with R for every structure.
    - Attention is a softmax over all rows of half a batch, with log w_i added at the rows of the
      structure and -inf at those of others. The structures' products with each other's rows are
      wasted, and still cheaper than gathering rows by index.

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
        """Create the variables, all zero, for rows of `input_shape[0][-1]` columns.

        `initial_readout` draws what to start a training from.
        """
        self._folds = folds(int(input_shape[0][-1]), self.width)
        for name, shape in readout_shapes(int(input_shape[0][-1]), self.width).items():
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer="zeros"))
        super().build(input_shape)

    def norm_groups(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of the weights, those together that are one variable in maml."""
        kernel = ("hidden_kernel", "read_kernel", "idle_kernel")
        return ("kernel",), ("bias",), kernel, ("gate_bias", "idle_bias")

    def shared_kernels(self) -> dict[str, SharedKernel]:
        """Return the kernels that several rounds use, by name; new ones for every call."""
        several = ["hidden_kernel"] * (self.steps > 2)
        several += ["read_kernel"] * (self.steps > 2 and not self._folds)
        return {name: SharedKernel(getattr(self, name)) for name in several}

    def call(
        self, inputs: Sequence[tf.Tensor], shared: Mapping[str, SharedKernel] | None = None
    ) -> tf.Tensor:
        """Return q*, shape (n_structures, 2 width).

        Parameters
        ----------
        inputs : rows, multiplicity, owner
            Shapes (n_rows, d), (n_rows,) and (n_rows,): owner is the structure of a row, rising
            from 0 without gaps. Rows of multiplicity 0 change nothing, but each structure needs
            one of more.
        shared : mapping, optional
            Of `shared_kernels`: the caller takes the gradients of these kernels from them.
        """
        rows, multiplicity, owner = inputs
        product = {
            name: (shared or {}).get(name) or partial(_product, getattr(self, name))
            for name in ("hidden_kernel", "read_kernel")
        }
        attention = RowAttention(rows, multiplicity, owner)
        read = product["read_kernel"]
        from_read = self._folded() if self._folds and self.steps > 1 else self._unfolded(read)
        query = self._lstm(self.gate_bias[tf.newaxis])  # (1, width): every structure asks the same
        asked = tf.matmul(query, self.kernel, transpose_b=True)
        mean = attention(tf.tile(asked, [attention.n_structures, 1]))
        for _ in range(self.steps - 1):
            of_hidden = product["hidden_kernel"](query) + self.gate_bias
            query = self._lstm(of_hidden + from_read(mean))
            asked = tf.matmul(query, self.kernel, transpose_b=True)
            mean = attention(asked)
        if self.steps == 1:
            query = tf.tile(query, [attention.n_structures, 1])
        return tf.concat([query, self._read(mean)], axis=-1)

    def _read(self, mean: tf.Tensor) -> tf.Tensor:
        """Return the attended memory from the attended rows."""
        return tf.nn.bias_add(tf.matmul(mean, self.kernel), self.bias)

    def _unfolded(self, product: Product) -> Product:
        """Return the function from attended rows to their part of the gates, (n, 3 width)."""
        return lambda mean: product(self._read(mean))

    def _folded(self) -> Product:
        """Return the same function with both kernels multiplied beforehand."""
        both = tf.concat([self.kernel, self.bias[tf.newaxis]], axis=0)
        folded = tf.matmul(both, self.read_kernel)
        kernel, bias = tf.split(folded, [self.kernel.shape[0], 1], axis=0)
        return lambda mean: tf.nn.bias_add(tf.matmul(mean, kernel), bias[0])

    def _lstm(self, gates: tf.Tensor) -> tf.Tensor:
        """Return the hidden state from gates (n, 3 width): input, output, cell; c before is 0."""
        open_gates, cell = tf.split(gates, [2 * self.width, self.width], axis=-1)
        # hard sigmoid, clip(0.2 x + 0.5, 0, 1), as one operation with one gradient
        into, out = tf.split(tf.nn.relu6(1.2 * open_gates + 3.0), 2, axis=-1)
        return out * tf.tanh(into * tf.tanh(cell) * (1 / 6)) * (1 / 6)

    def get_config(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        own = {"width": self.width, "steps": self.steps}
        return {**super().get_config(), **own}


def _product(kernel: tf.Variable, x: tf.Tensor) -> tf.Tensor:
    return tf.matmul(x, kernel)


class RowAttention:
    """Weighted softmax attention of each structure over its rows, in `ATTENTION_PARTS` of a batch.

    Within a part every structure is multiplied with every row, its own or not.
    """

    def __init__(self, rows: tf.Tensor, multiplicity: tf.Tensor, owner: tf.Tensor) -> None:
        self.n_structures = owner[-1] + 1
        bounds = self.n_structures * tf.range(ATTENTION_PARTS + 1) // ATTENTION_PARTS
        row_bounds = tf.searchsorted(owner, bounds)
        # tf.split's gradient is one concat, where a slice's is a padded copy
        self._sizes = bounds[1:] - bounds[:-1]
        of_rows = row_bounds[1:] - row_bounds[:-1]
        self._rows = _cut(rows, of_rows)
        first, sizes = (tf.unstack(x, ATTENTION_PARTS) for x in (bounds[:-1], self._sizes))
        parts = zip(_cut(multiplicity, of_rows), _cut(owner, of_rows), first, sizes, strict=True)
        self._log_weights = [_log_weights(w, own - at, n) for w, own, at, n in parts]

    def __call__(self, asked: tf.Tensor) -> tf.Tensor:
        """Return for each row of asked (n_structures, d) the mean of its structure's rows."""
        parts = zip(_cut(asked, self._sizes), self._rows, self._log_weights, strict=True)
        return tf.concat([_attend(*part) for part in parts], axis=0)


def _cut(x: tf.Tensor, sizes: tf.Tensor) -> list[tf.Tensor]:
    return tf.split(x, sizes, num=ATTENTION_PARTS)


def _log_weights(multiplicity: tf.Tensor, owner: tf.Tensor, n_structures: tf.Tensor) -> tf.Tensor:
    """Return log w_i at (owner of i, i) and -inf elsewhere, shape (n_structures, n_rows)."""
    n_rows = tf.size(owner)
    place = tf.stack([owner, tf.range(n_rows)], axis=1)
    nothing = tf.fill([n_structures, n_rows], -np.float32(np.inf))
    return tf.tensor_scatter_nd_update(nothing, place, tf.math.log(multiplicity))


def _attend(asked: tf.Tensor, rows: tf.Tensor, log_weights: tf.Tensor) -> tf.Tensor:
    """Average the rows of each structure with softmax weights times multiplicities."""
    scores = tf.matmul(asked, rows, transpose_b=True)
    return tf.matmul(tf.nn.softmax(scores + log_weights), rows)
