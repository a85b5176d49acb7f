"""Lookahead(LAMB) for several members side by side, each with its own norms and learning rate.

`Optimiser` for variables with a leading member axis; it explains the passes over the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from sie.models.config import TrialConfig
from sie.training.optimiser import (
    BETA_1,
    BETA_2,
    STEP_SIZE_EPOCHS,
    SYNC_PERIOD,
    Slot,
    synchronise,
    take_direction,
)

_LARGE = 1 << 14
"""Entries of a member from which a norm is worth operations of its own for every member."""


class StackedOptimiser:
    """Update a fixed list of variables of shape (n_members, ...); all members take equal steps.

    Parameters
    ----------
    groups : sequence of sequences of tf.Variable
        What `apply` updates, float32; LAMB takes the norm of a group as of one variable, and that
        of each member for itself.
    """

    def __init__(self, groups: Sequence[Sequence[tf.Variable]]) -> None:
        self.variables = [variable for group in groups for variable in group]
        self.n_members = int(self.variables[0].shape[0])
        self._zero = tf.Variable(0.0, trainable=False)
        self._iterations = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._init_lr, self._max_lr = (
            tf.Variable(tf.ones(self.n_members), trainable=False) for _ in range(2)
        )
        self._step_size = tf.Variable(1.0, trainable=False)
        self._groups = [[Slot.beside(variable) for variable in group] for group in groups]
        self._slots = [slot for group in self._groups for slot in group]

    def set_schedule(self, configs: Sequence[TrialConfig], steps_per_epoch: int) -> None:
        """Set each member's bounds of the learning rate, which climbs for 10 epochs of updates."""
        self._init_lr.assign([config.init_lr for config in configs])
        self._max_lr.assign([config.max_lr for config in configs])
        self._step_size.assign(STEP_SIZE_EPOCHS * steps_per_epoch)

    def restart(self) -> None:
        """Go back to update 0: no moments, the variables' present values as slow weights."""
        self._iterations.assign(0)
        for slot in self._slots:
            slot.restart()

    def learning_rates(self) -> tf.Tensor:
        """Return the rates of the next update, shape (n_members,): triangular-2."""
        at = tf.cast(self._iterations, tf.float32)
        cycle = tf.floor(1 + at / (2 * self._step_size))
        climbed = tf.maximum(0.0, 1 - tf.abs(at / self._step_size - 2 * cycle + 1))
        return self._init_lr + (self._max_lr - self._init_lr) * climbed / 2 ** (cycle - 1)

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Take one step by gradients of `variables`; may be called inside a tf.function."""
        rates = self.learning_rates()
        step = self._iterations.assign_add(1)
        powers = tuple(tf.pow(beta, tf.cast(step, tf.float32)) for beta in (BETA_1, BETA_2))
        for slot, gradient in zip(self._slots, gradients, strict=True):
            slot.direction.assign(tf.fill(slot.direction.shape, self._zero))
            take_direction(slot, gradient, *powers)
        for group, length in zip(self._groups, self._lengths(rates), strict=True):
            for slot in group:
                shape = (self.n_members, *(1,) * (slot.variable.shape.rank - 1))
                slot.variable.assign_add(tf.reshape(length, shape) * slot.direction)
        if step % SYNC_PERIOD == 0:  # becomes a branch of the graph
            synchronise(self._slots)

    def sound(self) -> tf.Tensor:
        """Return for each member whether all its weights and gradients so far were finite."""
        kept = [value for slot in self._slots for value in (slot.variable, slot.second_moment)]
        sums = [tf.reduce_sum(value, axis=range(1, value.shape.rank)) for value in kept]
        return tf.math.is_finite(tf.add_n(sums))

    def _lengths(self, rates: tf.Tensor) -> list[tf.Tensor]:
        """Return for each group the rates times LAMB's trust ratios, shape (n_members,)."""
        lengths = []
        for group in self._groups:
            of_weights = _norms([slot.variable for slot in group])
            of_directions = _norms([slot.direction for slot in group])
            both = (of_weights > 0) & (of_directions > 0)
            ratios = tf.where(both, tf.math.divide_no_nan(of_weights, of_directions), 1.0)
            lengths.append(rates * ratios)
        return lengths


def _norms(group: Sequence[tf.Variable]) -> tf.Tensor:
    """Return each member's norm of a group, shape (n_members,)."""
    return tf.sqrt(tf.add_n([_squares(variable) for variable in group]))


def _squares(variable: tf.Variable) -> tf.Tensor:
    value = tf.convert_to_tensor(variable)
    n_members = value.shape[0]
    if value.shape.num_elements() < _LARGE * n_members:
        return tf.reduce_sum(tf.square(value), axis=range(1, value.shape.rank))
    # a member's slice is no copy, and its norm one pass without a square to store
    return 2 * tf.stack([tf.nn.l2_loss(value[i]) for i in range(n_members)])
