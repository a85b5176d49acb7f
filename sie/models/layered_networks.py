"""Networks of a `LayeredModel` in TensorFlow: one for a trial, many side by side for an ensemble.

What they compute is the model's; variables, dropout and penalties are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from sie.models.atomsets import ACTIVATIONS, DropoutDraws, drop
from sie.models.config import TrialConfig
from sie.models.shapes import assign_named
from sie.models.stacked import RATES, StackedAttention, add_bias
from sie.models.stacked import drop as drop_stacked

if TYPE_CHECKING:
    from sie.models.layered import LayeredModel

_PARTS = ("phi", "rho")


class LayeredNetwork:
    """The network that a trial trains; the interface is `sie.models.model.Network`'s."""

    def __init__(self, model: LayeredModel, config: TrialConfig, dimension: int) -> None:
        self.config, self.dimension, self._model = config, dimension, model
        self.variables = {
            name: tf.Variable(tf.zeros(shape), name=name.replace("/", "_"))
            for name, shape in model.shapes(config, dimension).items()
        }
        self.rates = {name: tf.Variable(0.0, trainable=False, name=name) for name in RATES}

    def logits(
        self,
        rows: tf.Tensor,
        multiplicity: tf.Tensor,
        owner: tf.Tensor,
        draws: DropoutDraws | None = None,
        shared: Mapping[str, Any] | None = None,
    ) -> tf.Tensor:
        """Return the log-odds of class 1, shape (n_structures,); see `AtomSets.logits`."""
        return self._model.score(_Layers(self, rows, multiplicity, owner, draws))[:, 0]

    def penalty(self) -> tf.Tensor:
        """Return the L2 penalty of the hidden layers' kernels, a scalar."""
        total = tf.constant(0.0)
        for part, name in _hidden_kernels(self.variables):
            total += self.rates[f"l2_{part}"] * tf.reduce_sum(tf.square(self.variables[name]))
        return total

    def shared_kernels(self) -> dict[str, Any]:
        """Return nothing: kernels that are used twice have plain gradients."""
        return {}

    def norm_groups(self) -> list[list[tf.Variable]]:
        """Return all trained variables, each with a norm of its own."""
        return [[variable] for variable in self.variables.values()]

    def set_hyperparameters(self, config: TrialConfig) -> None:
        """Take dropout rates and L2 penalties."""
        for name, variable in self.rates.items():
            variable.assign(getattr(config, name))

    def named_weights(self) -> dict[str, np.ndarray]:
        """Return copies of the trained weights by name, float32."""
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def assign_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take over weights by name; see `assign_named` for what is refused."""
        assign_named(self.variables, weights)


class _Layers:
    """`sie.models.layered.Layers` of one network on a batch."""

    def __init__(
        self,
        network: LayeredNetwork,
        rows: tf.Tensor,
        multiplicity: tf.Tensor,
        owner: tf.Tensor,
        draws: DropoutDraws | None,
    ) -> None:
        self._network, self.rows = network, rows
        self._multiplicity, self._owner = multiplicity[:, tf.newaxis], owner
        self._draws = dict(zip(_PARTS, draws, strict=True)) if draws is not None else None

    def dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        known = self._network.variables
        return tf.nn.bias_add(tf.matmul(x, known[f"{name}/kernel"]), known[f"{name}/bias"])

    def hidden(self, part: str, x: tf.Tensor) -> tf.Tensor:
        config = self._network.config
        for i in range(config.n_layers):
            x = ACTIVATIONS[config.activation](self.dense(f"{part}/{i}", x))
            if self._draws is not None:
                x = drop(x, self._network.rates[f"dropout_{part}"], self._draws[part][i])
        return x

    def mean(self, x: tf.Tensor) -> tf.Tensor:
        total = tf.math.segment_sum(self._multiplicity * x, self._owner)
        return total / tf.math.segment_sum(self._multiplicity, self._owner)


class StackedLayered:
    """Networks of one shape, their weights with a leading axis; see `StackedAtomSets`."""

    def __init__(
        self, model: LayeredModel, config: TrialConfig, dimension: int, n_members: int
    ) -> None:
        self.config, self.dimension, self._model = config, dimension, model
        self.n_members = n_members
        self.variables = {
            name: tf.Variable(tf.zeros((n_members, *shape)), name=name.replace("/", "_"))
            for name, shape in model.shapes(config, dimension).items()
        }
        self.rates = {name: tf.Variable(tf.zeros(n_members), trainable=False) for name in RATES}

    def set_hyperparameters(self, configs: Sequence[TrialConfig]) -> None:
        """Take each member's dropout rates and L2 penalties."""
        for name, variable in self.rates.items():
            variable.assign([getattr(config, name) for config in configs])

    def shared_kernels(self) -> dict[str, Any]:
        """Return nothing: kernels that are used twice have plain gradients."""
        return {}

    def norm_groups(self) -> list[list[tf.Variable]]:
        """Return all variables, each with a norm of its own, member by member."""
        return [[variable] for variable in self.variables.values()]

    def logits(
        self,
        rows: tf.Tensor,
        multiplicity: tf.Tensor,
        owner: tf.Tensor,
        parts: tuple[tf.Tensor, tf.Tensor],
        draws: DropoutDraws,
        shared: Mapping[str, Any],
    ) -> tf.Tensor:
        """Return the log-odds of class 1, (n_members, n_structures); see `StackedAtomSets`."""
        layers = _StackedLayers(self, rows, (multiplicity, owner, parts), draws)
        return self._model.score(layers)[:, :, 0]

    def penalties(self) -> tf.Tensor:
        """Return each member's L2 penalty, shape (n_members,)."""
        total = tf.zeros_like(self.rates["l2_rho"])
        for part, name in _hidden_kernels(self.variables):
            squares = tf.reduce_sum(tf.square(self.variables[name]), axis=(1, 2))
            total += self.rates[f"l2_{part}"] * squares
        return total


class _StackedLayers:
    """`sie.models.layered.Layers` of members side by side, each on its own batch."""

    def __init__(
        self,
        networks: StackedLayered,
        rows: tf.Tensor,
        places: tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, tf.Tensor]],
        draws: DropoutDraws,
    ) -> None:
        self._networks, self.rows, self._places = networks, rows, places
        self._draws = dict(zip(_PARTS, draws, strict=True))

    def dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        known = self._networks.variables
        return add_bias(tf.matmul(x, known[f"{name}/kernel"]), known[f"{name}/bias"])

    def hidden(self, part: str, x: tf.Tensor) -> tf.Tensor:
        config = self._networks.config
        for i in range(config.n_layers):
            x = ACTIVATIONS[config.activation](self.dense(f"{part}/{i}", x))
            x = drop_stacked(x, self._networks.rates[f"dropout_{part}"], self._draws[part][i])
        return x

    def mean(self, x: tf.Tensor) -> tf.Tensor:
        # attention that asks for nothing: the shares are the multiplicities'
        attention = StackedAttention(x, *self._places)
        asked = tf.zeros_like(x[:, :1])
        return attention(tf.tile(asked, [1, attention.n_structures, 1]))


def _hidden_kernels(names: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return part and name of every kernel that carries an L2 penalty."""
    parts = ((name.split("/")[0], name) for name in names if name.endswith("/kernel"))
    return [(part, name) for part, name in parts if part in _PARTS]
