"""The compiled program that trains several networks of one shape side by side.

`Program` with a member axis; which members, for how long and from what is decided outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sie.models.config import TrialConfig
from sie.models.registry import find_model
from sie.models.set2set import SharedKernel
from sie.models.shapes import require_shapes, stack
from sie.training.stacked_batches import PARTS, StackedBatches
from sie.training.stacked_optimiser import make_stacked_optimiser


class StackedProgram:
    """Several networks, their optimiser and the compiled loop over an epoch's batches.

    Parameters
    ----------
    config : TrialConfig
        Gives depth, width and readout; the rest is set by `reset`.
    dimension : int
        Length of an input row.
    n_members : int
        Networks side by side.
    """

    def __init__(self, config: TrialConfig, dimension: int, n_members: int) -> None:
        model = find_model(config.model)
        self.model = model.side_by_side(config, dimension, n_members)
        self.optimiser = make_stacked_optimiser(config, self.model.norm_groups())
        self._shape = config.n_layers, config.n_neurons
        draws = [tf.TensorSpec([n_members, None, config.n_neurons], tf.uint16)] * config.n_layers
        of_places = [tf.TensorSpec([n_members, None], tf.int32)] * 4
        signature = [
            tf.TensorSpec([None, dimension], tf.float32),
            *[tf.TensorSpec([n_members, None], tf.float32)] * 3,
            draws,
            draws,
            *of_places,
            tf.TensorSpec([n_members, None], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.int32),
        ]
        self._compiled = tf.function(self._epoch, input_signature=signature)
        self._compiled.get_concrete_function()

    def reset(
        self,
        configs: Sequence[TrialConfig],
        steps_per_epoch: int,
        weights: Sequence[Mapping[str, np.ndarray]],
    ) -> None:
        """Make everything as new: hyperparameters, weights, moments.

        Raises
        ------
        InputError
            When the weights are not those of such networks.
        """
        self.model.set_hyperparameters(configs)
        self.optimiser.set_schedule(configs, steps_per_epoch)
        stacked = stack(weights)
        require_shapes(stacked, self.model.config, self.model.dimension, n_leading=1)
        for name, variable in self.model.variables.items():
            variable.assign(stacked[name])
        self.optimiser.restart()

    def weights(self) -> list[dict[str, np.ndarray]]:
        """Return copies of each member's weights by name."""
        stacked = {name: variable.numpy() for name, variable in self.model.variables.items()}
        return [
            {name: array[i].copy() for name, array in stacked.items()}
            for i in range(self.model.n_members)
        ]

    def train_epoch(
        self,
        data: tuple[tf.Tensor, ...],
        batches: StackedBatches,
        dropouts: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Update the weights once per batch and return each member's mean cross-entropy.

        As `Program.train_epoch` has it: NaN where a loss, a gradient or a weight was not finite.

        Parameters
        ----------
        data : tuple of tf.Tensor
            Rows (n_rows, d) of the structures trained on, and for each member, shape (n_members,
            n_structures): their labels, what it aims at, and how much they count.
        batches : StackedBatches
            What each member reads in which order.
        dropouts : sequence of numpy.random.Generator
            Each member's source of dropout.
        """
        n_rows = int(batches.place.max()) + 1
        drawn = [self._draw(rng, n_rows, batches.order.shape[1]) for rng in dropouts]
        of_phi, of_rho = (
            [tf.constant(np.stack(layer)) for layer in zip(*part, strict=True)]
            for part in zip(*drawn, strict=True)
        )
        fields = (batches.order, batches.row_index, batches.place, batches.owner)
        rest = (batches.multiplicity, batches.bounds, batches.row_bounds)
        tensors = [tf.constant(array) for array in (*fields, *rest)]
        return self._compiled(*data, of_phi, of_rho, *tensors).numpy()

    def _draw(self, rng: np.random.Generator, *numbers: int) -> list[np.ndarray]:
        """Return what `Program.draw` draws for rows and for structures: one array a layer each."""
        n_layers, n_neurons = self._shape
        drawn = []
        for n in numbers:
            size = n * n_layers * n_neurons
            raw = rng.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
            drawn.append(raw.reshape(n_layers, n, n_neurons))
        return drawn

    def _epoch(
        self,
        rows: Any,
        labels: Any,
        targets: Any,
        weights: Any,
        phi_draws: Any,
        rho_draws: Any,
        order: Any,
        row_index: Any,
        place: Any,
        owner: Any,
        multiplicity: Any,
        bounds: Any,
        row_bounds: Any,
    ) -> tf.Tensor:
        total = tf.zeros(self.model.n_members)
        for i in tf.range(0, tf.size(bounds) - 1, PARTS):
            first, last = bounds[i], bounds[i + PARTS]
            here = slice(row_bounds[i], row_bounds[i + PARTS])
            parts = tuple(
                tf.ensure_shape(x[i + 1 : i + PARTS + 1] - x[i : i + PARTS], [PARTS])
                for x in (bounds, row_bounds)
            )
            draws = (
                [tf.gather(draw, place[:, here], batch_dims=1) for draw in phi_draws],
                [draw[:, first:last] for draw in rho_draws],
            )
            read = order[:, first:last]
            label, target, weight = (
                tf.gather(x, read, batch_dims=1) for x in (labels, targets, weights)
            )
            batch = tf.gather(rows, row_index[:, here]), multiplicity[:, here], owner[:, here]
            shared = self.model.shared_kernels()
            with tf.GradientTape() as tape:
                logits = self.model.logits(*batch, parts, draws, shared)
                losses = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
                objective = tf.reduce_mean(weight * losses, axis=1) + self.model.penalties()
            self.optimiser.apply(self._gradients(tape, objective, list(shared.values())))
            total += tf.reduce_sum(losses + (target - label) * logits, axis=1)
        mean = total / tf.cast(tf.shape(order)[1], tf.float32)
        return tf.where(self.optimiser.sound(), mean, np.nan)

    def _gradients(
        self, tape: tf.GradientTape, objective: tf.Tensor, shared: Sequence[SharedKernel]
    ) -> list[tf.Tensor]:
        """Return the gradients of the optimiser's variables, as `Program` does."""
        variables = self.optimiser.variables
        gradients, of_outputs = tape.gradient(
            objective,
            [variables, [kernel.outputs for kernel in shared]],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        for kernel, of_its_outputs in zip(shared, of_outputs, strict=True):
            place = next(i for i, v in enumerate(variables) if v is kernel.kernel)
            gradients[place] = kernel.gradient(of_its_outputs)
        return gradients
