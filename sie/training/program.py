"""One compiled training program per network shape, used again for every trial of that shape.

Tracing costs seconds and memory, so rates, penalties and bounds are variables that `reset` sets;
what an epoch reads comes in from outside, and how many there are is decided there.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.model import Network
from sie.models.registry import find_model
from sie.models.set2set import SharedKernel
from sie.training.aims import loss_terms
from sie.training.batches import Batches, make_batches
from sie.training.optimiser import make_optimiser

PREDICTION_BATCH = 128
"""Structures that are predicted at once; attention costs grow with its square."""

KEPT = 16
"""Programs that a cache keeps; a search of the article's space needs 12."""

_ROWS = (
    tf.TensorSpec([None, None], tf.float32),
    tf.TensorSpec([None], tf.float32),
)
_BATCHES = tuple(tf.TensorSpec([None], tf.int32) for _ in range(5))


class ResidentFeatures:
    """Rows and multiplicities of many structures as tensors, copied once."""

    def __init__(self, features: OrbitFeatures) -> None:
        self.features = features
        self.tensors = (tf.constant(features.rows), tf.constant(features.multiplicity))
        self.in_order = self.batches(np.arange(len(features)), PREDICTION_BATCH)

    def batches(self, order: np.ndarray, batch_size: int) -> tuple[tf.Tensor, ...]:
        """Return the tensors that tell a program what to read in which order."""
        return _as_tensors(make_batches(self.features, order, batch_size))


def _as_tensors(batches: Batches) -> tuple[tf.Tensor, ...]:
    fields = (batches.order, batches.row_index, batches.owner, batches.bounds, batches.row_bounds)
    return tuple(tf.constant(array) for array in fields)


class Aims(NamedTuple):
    """What updates aim at, float32 tensors of shape (n_structures,) each.

    Attributes
    ----------
    targets : tf.Tensor
        Instead of the labels, in [0, 1].
    weights : tf.Tensor
        How much each structure counts in the mean loss of its batch.
    """

    targets: Any
    weights: Any


def make_aims(config: TrialConfig, labels: np.ndarray) -> Aims:
    """Return what a configuration aims at for float32 labels of the training part, (n,)."""
    return Aims(*(tf.constant(array) for array in loss_terms(config, labels)))


class Predictor:
    """Log-odds of a network for many structures, without dropout."""

    def __init__(self, model: Network) -> None:
        self._model = model
        compiled = tf.function(self._logits, input_signature=[*_ROWS, *_BATCHES])
        compiled.get_concrete_function()
        self._compiled = compiled

    def __call__(self, data: ResidentFeatures) -> np.ndarray:
        """Return float32 log-odds, shape (n_structures,), in the order of the features."""
        return self._compiled(*data.tensors, *data.in_order).numpy()

    def _logits(self, rows: Any, multiplicity: Any, *batches: Any) -> tf.Tensor:
        order, _, _, bounds, _ = batches
        parts = tf.TensorArray(
            tf.float32, size=tf.size(bounds) - 1, infer_shape=False, element_shape=[None]
        )
        for i in tf.range(tf.size(bounds) - 1):
            inputs = _batch(rows, multiplicity, batches, i)
            parts = parts.write(i, self._model.logits(*inputs))
        return tf.ensure_shape(parts.concat(), order.shape)


class Program:
    """A network, its optimiser and the compiled loops over an epoch's batches.

    Parameters
    ----------
    config : TrialConfig
        Gives depth, width and readout; the rest is set by `reset`.
    dimension : int
        Length of an input row.
    """

    def __init__(self, config: TrialConfig, dimension: int) -> None:
        self.holder: object = None
        """Whoever has reset it last; its weights are nobody else's business."""
        self._kind = find_model(config.model)
        self.model = self._kind.network(config, dimension)
        self.optimiser = make_optimiser(config, self.model.norm_groups())
        self.variables = self.optimiser.variables
        self.predict = Predictor(self.model)
        self._shape = config.n_layers, config.n_neurons
        self._dropout = np.random.default_rng(0)
        labels = tf.TensorSpec([None], tf.float32)
        draws = [tf.TensorSpec([None, config.n_neurons], tf.uint16)] * config.n_layers
        signature = [*_ROWS, labels, labels, labels, draws, draws, *_BATCHES]
        compiled = tf.function(self._epoch, input_signature=signature)
        compiled.get_concrete_function()  # trace now: it belongs to the setup, not to epoch 1
        self._compiled = compiled

    def reset(
        self,
        config: TrialConfig,
        steps_per_epoch: int,
        weight_seed: int,
        dropout_seed: int,
        weights: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Make everything as new for a trial: hyperparameters, weights, moments, dropout."""
        self.model.set_hyperparameters(config)
        self._dropout = np.random.default_rng(dropout_seed)
        self.optimiser.configure(config, steps_per_epoch)
        if weights is None:
            weights = self._kind.initial(config, self.model.dimension, weight_seed)
        self.take_weights(weights)

    def take_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Replace the weights and start the optimiser anew from them."""
        self.model.assign_weights(weights)
        self.optimiser.restart()

    def train_epoch(
        self,
        data: ResidentFeatures,
        labels: tf.Tensor,
        order: np.ndarray,
        batch_size: int,
        aims: Aims | None = None,
    ) -> float:
        """Update the weights once per batch and return the mean cross-entropy of the structures.

        The value is what training saw (dropout on, weights of the moment) without the L2 penalty,
        and against the labels themselves, so that it compares with a validation loss. It is NaN
        when a loss, a gradient or a weight was not finite: the loss alone would not show it, for
        relu turns NaN into 0.

        Parameters
        ----------
        data, labels : ResidentFeatures, tf.Tensor
            Of n structures; labels are float32, shape (n,).
        order : numpy.ndarray
            In which they are read.
        batch_size : int
            Structures in a batch.
        aims : Aims, optional
            What the updates aim at, and how much each structure counts, where that is not its
            label, and 1.
        """
        targets, weights = aims or Aims(labels, tf.ones_like(labels))
        batches = data.batches(order, batch_size)
        n_rows, n_structures = (len(batches[i]) for i in (1, 0))
        draws = self.draw(n_rows), self.draw(n_structures)
        aimed = (labels, targets, weights)
        return float(self._compiled(*data.tensors, *aimed, *draws, *batches).numpy())

    def draw(self, n: int) -> list[tf.Tensor]:
        """Return a uniform uint16 for each unit of n rows in every layer of phi, or of rho."""
        n_layers, n_neurons = self._shape
        # four from each random integer, at a tenth of the price of as many random floats
        integers = self._dropout.bit_generator.random_raw(-(-n * n_layers * n_neurons // 4))
        numbers = integers.view(np.uint16)[: n * n_layers * n_neurons]
        return [tf.constant(layer) for layer in numbers.reshape(n_layers, n, n_neurons)]

    def _epoch(
        self,
        rows: Any,
        multiplicity: Any,
        labels: Any,
        targets: Any,
        weights: Any,
        phi_draws: Any,
        rho_draws: Any,
        *batches: Any,
    ) -> tf.Tensor:
        order, _, _, bounds, row_bounds = batches
        total = 0.0
        for i in tf.range(tf.size(bounds) - 1):
            inputs = _batch(rows, multiplicity, batches, i)
            first, last = bounds[i], bounds[i + 1]
            read = order[first:last]
            label, target, weight = (tf.gather(x, read) for x in (labels, targets, weights))
            draws = (
                [draw[row_bounds[i] : row_bounds[i + 1]] for draw in phi_draws],
                [draw[first:last] for draw in rho_draws],
            )
            shared = self.model.shared_kernels()
            with tf.GradientTape() as tape:
                logits = self.model.logits(*inputs, draws, shared)
                losses = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
                objective = tf.reduce_mean(weight * losses) + self.model.penalty()
            self.optimiser.apply(self._gradients(tape, objective, list(shared.values())))
            # cross-entropy is linear in its target
            total += tf.reduce_sum(losses + (target - label) * logits)
        mean = total / tf.cast(tf.size(order), tf.float32)
        return tf.where(self.optimiser.sound(), mean, np.nan)

    def _gradients(
        self, tape: tf.GradientTape, objective: tf.Tensor, shared: Sequence[SharedKernel]
    ) -> list[tf.Tensor]:
        """Return the gradients of `variables`, those of shared kernels from their products."""
        # the idle entries, and with one readout step the recurrent kernels, have none
        zero = tf.UnconnectedGradients.ZERO
        outputs = [kernel.outputs for kernel in shared]
        gradients, of_outputs = tape.gradient(
            objective, [self.variables, outputs], unconnected_gradients=zero
        )
        for kernel, of_its_outputs in zip(shared, of_outputs, strict=True):
            place = next(i for i, v in enumerate(self.variables) if v is kernel.kernel)
            # all there is of it: L2 is on phi and rho alone
            gradients[place] = kernel.gradient(of_its_outputs)
        return gradients


def _batch(rows: Any, multiplicity: Any, batches: Any, i: Any) -> tuple[Any, Any, Any]:
    _, row_index, owner, _, row_bounds = batches
    here = slice(row_bounds[i], row_bounds[i + 1])
    index = row_index[here]
    return tf.gather(rows, index), tf.gather(multiplicity, index), owner[here]


class ProgramCache:
    """Compiled programs by network shape, built at first use; the last `KEPT` used are kept.

    A program holds 15 MB (readouts to 128) to 110 MB (512), a sixth of it weights and moments: the
    article's 12 shapes take 1.3 GB a worker. What is dropped and collected is given back: 12
    programs of narrow readouts, one after the other, leave 0.35 MB each.
    """

    def __init__(self) -> None:
        self._programs: dict[tuple[Any, ...], Program] = {}

    def __len__(self) -> int:
        return len(self._programs)

    def get(self, config: TrialConfig, dimension: int) -> Program:
        """Return the program for a configuration; building one takes seconds."""
        key = (dimension, *config.program)
        program = self._programs.pop(key, None)
        if program is None:
            while len(self._programs) >= KEPT:
                del self._programs[next(iter(self._programs))]
                gc.collect()  # a traced function is a circle of references
            program = Program(config, dimension)
        self._programs[key] = program  # last in order: used last
        return program


def predict_probabilities(model: Network, features: OrbitFeatures) -> np.ndarray:
    """Return float64 probabilities of class 1, shape (n_structures,), in the features' order."""
    return sigmoid(Predictor(model)(ResidentFeatures(features)))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Turn log-odds into float64 probabilities, shape kept, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))
