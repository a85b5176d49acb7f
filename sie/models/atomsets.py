"""AtomSets: phi on every orbit row, pooling over the rows of a structure, rho on the result.

The network and its named weights live here; batches, losses over epochs and optimisers do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sie.models.config import TrialConfig
from sie.models.initial import glorot_uniform
from sie.models.pooling import WeightedPooling
from sie.models.readout_weights import initial_pooling, pooled_width, pooling_shapes
from sie.models.set2set import SharedKernel, WeightedSet2Set
from sie.models.shapes import assign_named

DropoutDraws = tuple[Sequence[Any], Sequence[Any]]
"""Random numbers for the layers of phi and of rho; see `AtomSets.logits`."""

ACTIVATIONS = {"relu": tf.nn.relu, "silu": tf.nn.silu, "tanh": tf.nn.tanh}
"""Functions of the dense layers by the name they have in a configuration."""

_HYPERPARAMETERS = ("dropout_phi", "dropout_rho", "l2_phi", "l2_rho")


class AtomSets(tf.keras.Model):
    """Probability that a structure is superionic, from its orbit rows and multiplicities.

    phi and rho are n_layers of Dense(n_neurons, relu), or another activation, each followed by
    dropout and with an L2 penalty on its kernel; the last Dense(1) carries neither, and the readout
    none. Dropout has one mask for each row, so that the equivalent atoms of an orbit share as many
    masks as the trainer gives them rows. Rates and penalties are variables, so that one compiled
    network serves every trial of the same shape.

    Source: C. Chen and S. P. Ong, npj Comput. Mater. 2021, 7, 173; McHaffie et al. 2025, Methods.
    """

    def __init__(self, config: TrialConfig, dimension: int) -> None:
        super().__init__(name="atomsets")
        self.dimension = dimension
        self.hyperparameters = {
            name: tf.Variable(0.0, trainable=False, name=name) for name in _HYPERPARAMETERS
        }
        self.phi = _dense_layers(config, dimension)
        self.readout = _pooling(config)
        self._readout_names = tuple(pooling_shapes(config))
        self.rho = _dense_layers(config, pooled_width(config))
        self.score = tf.keras.layers.Dense(1)
        self.readout.build([(None, config.n_neurons), (None,), (None,)])
        self.score.build((None, config.n_neurons))

    def logits(
        self,
        rows: tf.Tensor,
        multiplicity: tf.Tensor,
        owner: tf.Tensor,
        draws: DropoutDraws | None = None,
        shared: Mapping[str, SharedKernel] | None = None,
    ) -> tf.Tensor:
        """Return the log-odds of class 1, shape (n_structures,).

        Parameters
        ----------
        rows, multiplicity, owner : tf.Tensor
            Shapes (n_rows, d), (n_rows,), (n_rows,): `WeightedSet2Set.call` explains them.
        draws : pair of sequences of tf.Tensor, optional
            Uniform uint16 for every unit: for each layer of phi (n_rows, n_neurons), for each of
            rho (n_structures, n_neurons). Units are dropped by them, and none without them.
        shared : mapping, optional
            Of `shared_kernels`; see `WeightedSet2Set`.
        """
        of_phi, of_rho = draws or (None, None)
        phi = self._stack(self.phi, rows, "dropout_phi", of_phi)
        read = self.readout([phi, multiplicity, owner], shared)
        rho = self._stack(self.rho, read, "dropout_rho", of_rho)
        return self.score(rho)[:, 0]

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return the probability of class 1, shape (n_structures,); inputs as in `logits`."""
        return tf.sigmoid(self.logits(*inputs))

    def penalty(self) -> tf.Tensor:
        """Return the L2 penalty, a scalar: l2_phi and l2_rho times the squared kernels' sums."""
        # tf.nn.l2_loss is half the sum of squares; Keras' L2 is the whole
        of_phi = tf.add_n([tf.nn.l2_loss(layer.kernel) for layer in self.phi])
        of_rho = tf.add_n([tf.nn.l2_loss(layer.kernel) for layer in self.rho])
        known = self.hyperparameters
        return 2 * (known["l2_phi"] * of_phi + known["l2_rho"] * of_rho)

    def shared_kernels(self) -> dict[str, SharedKernel]:
        """Return the kernels that several rounds of the readout use; new ones for every call."""
        shared: dict[str, SharedKernel] = self.readout.shared_kernels()
        return shared

    def set_hyperparameters(self, config: TrialConfig) -> None:
        """Take dropout rates and L2 penalties from a configuration of the same shape."""
        for name, variable in self.hyperparameters.items():
            variable.assign(getattr(config, name))

    def named_variables(self) -> dict[str, tf.Variable]:
        """Return the trained variables by name: phi/0/kernel ... score/bias."""
        named = {}
        for part, layers in (("phi", self.phi), ("rho", self.rho)):
            for i, layer in enumerate(layers):
                named[f"{part}/{i}/kernel"] = layer.kernel
                named[f"{part}/{i}/bias"] = layer.bias
        for name in self._readout_names:
            named[f"readout/{name}"] = getattr(self.readout, name)
        return {**named, "score/kernel": self.score.kernel, "score/bias": self.score.bias}

    def norm_groups(self) -> list[list[tf.Variable]]:
        """Return all trained variables, those together whose norm LAMB takes as one."""
        named = self.named_variables()
        groups = [[f"readout/{name}" for name in group] for group in self.readout.norm_groups()]
        joined = {name for group in groups for name in group}
        groups += [[name] for name in named if name not in joined]
        return [[named[name] for name in group] for group in groups]

    def named_weights(self) -> dict[str, np.ndarray]:
        """Return copies of the trained weights by name, float32."""
        return {name: variable.numpy() for name, variable in self.named_variables().items()}

    def assign_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take over weights by name.

        Raises
        ------
        InputError
            When a name is missing or unknown, or a shape differs; nothing is changed then.
        """
        assign_named(self.named_variables(), weights)

    def _stack(
        self, layers: Sequence[Any], x: tf.Tensor, rate_name: str, draws: Sequence[Any] | None
    ) -> tf.Tensor:
        rate = self.hyperparameters[rate_name]
        for i, layer in enumerate(layers):
            x = layer(x)
            if draws is not None:
                x = drop(x, rate, draws[i])
        return x


def drop(x: tf.Tensor, rate: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    """Set the share `rate` (to 1 in 131,072) of x to zero and raise the rest to keep the mean.

    Parameters
    ----------
    x, rate, draw : tf.Tensor
        Float32, a scalar, and uniform uint16 of the shape of x.
    """
    below = tf.minimum(tf.round(65536.0 * rate), 65535.0)  # a rate below 1 keeps something
    kept = tf.cast(draw >= tf.cast(below, tf.uint16), tf.float32)
    return x * (kept * (65536.0 / (65536.0 - below)))


def _pooling(config: TrialConfig) -> Any:
    if config.pooling == "set2set":
        return WeightedSet2Set(config.readout_width, config.readout_steps)
    return WeightedPooling(learnt=config.pooling == "attention")


def _dense_layers(config: TrialConfig, dimension: int) -> list[Any]:
    layers = []
    for i in range(config.n_layers):
        activation = ACTIVATIONS[config.activation]
        layer = tf.keras.layers.Dense(config.n_neurons, activation=activation)
        layer.build((None, dimension if i == 0 else config.n_neurons))
        layers.append(layer)
    return layers


def initial_weights(config: TrialConfig, dimension: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the weights of a fresh network: Keras' and maml's initial distributions, biases zero.

    Parameters
    ----------
    config : TrialConfig
        Gives depth, width and readout.
    dimension : int
        Length d of an input row.
    seed : int
        Equal seeds give equal weights.
    """
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}

    def add_dense(name: str, n_inputs: int, n_outputs: int) -> None:
        weights[f"{name}/kernel"] = glorot_uniform(rng, n_inputs, n_outputs)
        weights[f"{name}/bias"] = np.zeros(n_outputs, dtype=np.float32)

    for part, n_inputs in (("phi", dimension), ("rho", pooled_width(config))):
        for i in range(config.n_layers):
            add_dense(f"{part}/{i}", n_inputs if i == 0 else config.n_neurons, config.n_neurons)
    add_dense("score", config.n_neurons, 1)
    readout = initial_pooling(rng, config)
    return {**weights, **{f"readout/{name}": value for name, value in readout.items()}}


def build_atomsets(config: TrialConfig, dimension: int, seed: int) -> AtomSets:
    """Build a network with fresh weights and the configuration's dropout and L2.

    Parameters
    ----------
    config : TrialConfig
        Hyperparameters; the learning rate and batch size are not used here.
    dimension : int
        Length d of an input row.
    seed : int
        Of the initial weights.
    """
    model = AtomSets(config, dimension)
    model.set_hyperparameters(config)
    model.assign_weights(initial_weights(config, dimension, seed))
    return model
