"""AtomSets of several members side by side: the same network, its weights with a leading axis.

The arithmetic of `atomsets` and `set2set` for training many at once; both say why it is so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sie.models.atomsets import ACTIVATIONS
from sie.models.config import TrialConfig
from sie.models.readout_weights import folds, pooling_shapes
from sie.models.set2set import SharedKernel
from sie.models.shapes import weight_shapes

RATES = ("dropout_phi", "dropout_rho", "l2_phi", "l2_rho")
"""Hyperparameters in which the members may differ."""


class StackedAtomSets:
    """Networks of one shape whose products are batched over the members.

    No member's numbers reach another's: one that diverges leaves the others as they are.

    Parameters
    ----------
    config : TrialConfig
        Gives depth, width and readout of all members.
    dimension : int
        Length of an input row.
    n_members : int
        Length of the leading axis.
    """

    def __init__(self, config: TrialConfig, dimension: int, n_members: int) -> None:
        self.config, self.dimension, self.n_members = config, dimension, n_members
        self._activation = ACTIVATIONS[config.activation]
        shapes = weight_shapes(config, dimension)
        self.variables = {
            name: tf.Variable(tf.zeros((n_members, *shape)), name=name.replace("/", "_"))
            for name, shape in shapes.items()
        }
        self.rates = {name: tf.Variable(tf.zeros(n_members), trainable=False) for name in RATES}

    def set_hyperparameters(self, configs: Sequence[TrialConfig]) -> None:
        """Take each member's dropout rates and L2 penalties."""
        for name, variable in self.rates.items():
            variable.assign([getattr(config, name) for config in configs])

    def shared_kernels(self) -> dict[str, SharedKernel]:
        """Return the kernels that several rounds use, by name; new ones for every call."""
        if self.config.pooling != "set2set":
            return {}
        steps = self.config.readout_steps
        several = ["readout/hidden_kernel"] * (steps > 2)
        several += ["readout/read_kernel"] * (steps > 2 and not self._folds)
        return {name: SharedKernel(self.variables[name]) for name in several}

    def norm_groups(self) -> list[list[tf.Variable]]:
        """Return all variables, those together whose norm LAMB takes as one, member by member."""
        readout = [["hidden_kernel", "read_kernel", "idle_kernel"], ["gate_bias", "idle_bias"]]
        if self.config.pooling != "set2set":
            readout = [[name] for name in pooling_shapes(self.config)]
        groups = [[f"readout/{name}" for name in group] for group in readout]
        joined = {name for group in groups for name in group}
        groups += [[name] for name in self.variables if name not in joined]
        return [[self.variables[name] for name in group] for group in groups]

    def logits(
        self,
        rows: tf.Tensor,
        multiplicity: tf.Tensor,
        owner: tf.Tensor,
        parts: tuple[tf.Tensor, tf.Tensor],
        draws: tuple[Sequence[tf.Tensor], Sequence[tf.Tensor]],
        shared: Mapping[str, SharedKernel],
    ) -> tf.Tensor:
        """Return the log-odds of class 1, shape (n_members, n_structures).

        Parameters
        ----------
        rows, multiplicity, owner : tf.Tensor
            Shapes (n_members, n_rows, d), (n_members, n_rows) twice: a row's owner is its
            structure, from the first of its part. Rows of multiplicity 0 change nothing.
        parts : pair of tf.Tensor
            Structures and rows in each part of the batch.
        draws : pair of sequences of tf.Tensor
            Uniform uint16 for every unit: for each layer of phi (n_members, n_rows, n_neurons),
            for each of rho (n_members, n_structures, n_neurons).
        shared : mapping
            Of `shared_kernels`, from which the caller takes the gradients of these kernels.
        """
        x = self._dense_layers("phi", rows, draws[0])
        read = self._pool(x, StackedAttention(x, multiplicity, owner, parts), shared)
        x = self._dense_layers("rho", read, draws[1])
        return self._dense(x, "score")[:, :, 0]

    def penalties(self) -> tf.Tensor:
        """Return each member's L2 penalty, shape (n_members,)."""
        sums = {"phi": 0.0, "rho": 0.0}
        for part in sums:
            for i in range(self.config.n_layers):
                kernel = self.variables[f"{part}/{i}/kernel"]
                sums[part] += tf.reduce_sum(tf.square(kernel), axis=(1, 2))
        return self.rates["l2_phi"] * sums["phi"] + self.rates["l2_rho"] * sums["rho"]

    @property
    def _folds(self) -> bool:
        return folds(self.config.n_neurons, self.config.readout_width)

    def _dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        return add_bias(
            tf.matmul(x, self.variables[f"{name}/kernel"]), self.variables[f"{name}/bias"]
        )

    def _dense_layers(self, part: str, x: tf.Tensor, draws: Sequence[tf.Tensor]) -> tf.Tensor:
        rate = self.rates[f"dropout_{part}"]
        for i in range(self.config.n_layers):
            x = self._activation(self._dense(x, f"{part}/{i}"))
            x = drop(x, rate, draws[i])
        return x

    def _pool(
        self, rows: tf.Tensor, attention: StackedAttention, shared: Mapping[str, SharedKernel]
    ) -> tf.Tensor:
        """Return what rho reads, (n_members, n_structures, ...); see `WeightedPooling`."""
        if self.config.pooling == "set2set":
            return self._read(attention, shared)
        query = tf.zeros_like(rows[:, 0])
        if self.config.pooling == "attention":
            query = self.variables["readout/query"]
        return attention(tf.tile(query[:, tf.newaxis], [1, attention.n_structures, 1]))

    def _read(self, attention: StackedAttention, shared: Mapping[str, SharedKernel]) -> tf.Tensor:
        """Return q*, shape (n_members, n_structures, 2 width); see `WeightedSet2Set`."""
        kernel, bias = (self.variables[f"readout/{kind}"] for kind in ("kernel", "bias"))
        gate_bias = self.variables["readout/gate_bias"]
        hidden = shared.get("readout/hidden_kernel") or self._product("readout/hidden_kernel")
        of_mean = self._of_mean(shared)
        query = _lstm(gate_bias[:, tf.newaxis])  # (n_members, 1, width): all structures ask alike
        mean = attention(self._asked(query, kernel, attention.n_structures))
        for _ in range(self.config.readout_steps - 1):
            query = _lstm(add_bias(of_mean(mean), gate_bias) + hidden(query))
            mean = attention(tf.matmul(query, kernel, transpose_b=True))
        if self.config.readout_steps == 1:
            query = tf.tile(query, [1, attention.n_structures, 1])
        return tf.concat([query, add_bias(tf.matmul(mean, kernel), bias)], -1)

    def _asked(self, query: tf.Tensor, kernel: Any, n_structures: tf.Tensor) -> tf.Tensor:
        return tf.tile(tf.matmul(query, kernel, transpose_b=True), [1, n_structures, 1])

    def _product(self, name: str) -> Any:
        return lambda x: tf.matmul(x, self.variables[name])

    def _of_mean(self, shared: Mapping[str, SharedKernel]) -> Any:
        """Return the function from attended rows to their part of the gates."""
        kernel, bias = self.variables["readout/kernel"], self.variables["readout/bias"]
        if self._folds and self.config.readout_steps > 1:
            both = tf.concat([kernel, bias[:, tf.newaxis]], axis=1)
            folded = tf.matmul(both, self.variables["readout/read_kernel"])
            of_rows, of_bias = folded[:, :-1], folded[:, -1]
            return lambda mean: add_bias(tf.matmul(mean, of_rows), of_bias)
        read = shared.get("readout/read_kernel") or self._product("readout/read_kernel")
        return lambda mean: read(add_bias(tf.matmul(mean, kernel), bias))


class StackedAttention:
    """Weighted softmax attention of each structure over its rows, in parts of a batch."""

    def __init__(
        self,
        rows: tf.Tensor,
        multiplicity: tf.Tensor,
        owner: tf.Tensor,
        parts: tuple[tf.Tensor, tf.Tensor],
    ) -> None:
        self._sizes, of_rows = parts
        self.n_structures = tf.reduce_sum(self._sizes)
        self._rows = _cut(rows, of_rows)
        weights = zip(_cut(tf.math.log(multiplicity), of_rows), _cut(owner, of_rows), strict=True)
        sizes = tf.unstack(self._sizes, len(self._rows))
        self._log_weights = [
            _log_weights(w, own, n) for (w, own), n in zip(weights, sizes, strict=True)
        ]

    def __call__(self, asked: tf.Tensor) -> tf.Tensor:
        """Return for asked (n_members, n_structures, d) the means of the structures' rows."""
        parts = zip(_cut(asked, self._sizes), self._rows, self._log_weights, strict=True)
        return tf.concat([_attend(*part) for part in parts], axis=1)


def _cut(x: tf.Tensor, sizes: tf.Tensor) -> list[tf.Tensor]:
    return tf.split(x, sizes, axis=1, num=sizes.shape[0])


def _log_weights(log_weight: tf.Tensor, owner: tf.Tensor, n_structures: tf.Tensor) -> tf.Tensor:
    """Return log w_i at (owner of i, i) and -inf elsewhere, (n_members, n_structures, n_rows)."""
    own = owner[:, tf.newaxis] == tf.range(n_structures)[:, tf.newaxis]
    return tf.where(own, log_weight[:, tf.newaxis], -np.float32(np.inf))


def _attend(asked: tf.Tensor, rows: tf.Tensor, log_weights: tf.Tensor) -> tf.Tensor:
    scores = tf.matmul(asked, rows, transpose_b=True)
    return tf.matmul(tf.nn.softmax(scores + log_weights), rows)


def _lstm(gates: tf.Tensor) -> tf.Tensor:
    """Return the hidden state from gates (..., 3 width); the cell state before is 0."""
    width = gates.shape[-1] // 3
    open_gates, cell = tf.split(gates, [2 * width, width], axis=-1)
    into, out = tf.split(tf.nn.relu6(1.2 * open_gates + 3.0), 2, axis=-1)
    return out * tf.tanh(into * tf.tanh(cell) * (1 / 6)) * (1 / 6)


def drop(x: tf.Tensor, rate: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    """Set each member's share of x to zero and raise the rest; see `atomsets.drop`.

    Parameters
    ----------
    x, rate, draw : tf.Tensor
        Float32 (n_members, n, n_neurons), (n_members,), and uniform uint16 of the shape of x.
    """
    below = tf.minimum(tf.round(65536.0 * rate), 65535.0)[:, tf.newaxis, tf.newaxis]
    kept = tf.cast(draw >= tf.cast(below, tf.uint16), tf.float32)
    return x * (kept * (65536.0 / (65536.0 - below)))


@tf.custom_gradient
def add_bias(x: tf.Tensor, bias: tf.Tensor) -> Any:
    """Return x (n_members, n, d) plus bias (n_members, d); its sum over n as one product."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ones = tf.ones_like(upstream[:, :, :1])
        return upstream, tf.matmul(ones, upstream, transpose_a=True)[:, 0]

    return x + bias[:, tf.newaxis], gradient
