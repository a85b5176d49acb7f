"""Lookahead(LAMB) and Adam for members side by side, each with its own norms and learning rate.

`Optimiser` and `Adam` for variables with a leading member axis; they explain the updates.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from sie.models.config import TrialConfig
from sie.training.optimiser import (
    ADAM_EPSILON,
    BETA_1,
    BETA_2,
    SYNC_PERIOD,
    Directed,
    Moments,
    Schedule,
    Slot,
    decay_of,
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
        self._schedule = Schedule((self.n_members,))
        self._groups = [[Slot.beside(variable) for variable in group] for group in groups]
        self._slots = [slot for group in self._groups for slot in group]

    def set_schedule(self, configs: Sequence[TrialConfig], steps_per_epoch: int) -> None:
        """Set each member's bounds of the learning rate; its kind is that of all."""
        set_schedules(self._schedule, configs, steps_per_epoch)

    def restart(self) -> None:
        """Go back to update 0: no moments, the variables' present values as slow weights."""
        self._iterations.assign(0)
        for slot in self._slots:
            slot.restart()

    def learning_rates(self) -> tf.Tensor:
        """Return the rates of the next update, shape (n_members,)."""
        return self._schedule(self._iterations)

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
                slot.variable.assign_add(_along(length, slot.variable) * slot.direction)
        if step % SYNC_PERIOD == 0:  # becomes a branch of the graph
            synchronise(self._slots)

    def sound(self) -> tf.Tensor:
        """Return for each member whether all its weights and gradients so far were finite."""
        return _sound(self._slots)

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


class StackedAdam:
    """Adam(W) with a learning rate and a weight decay of each member; see `Adam`.

    Parameters
    ----------
    groups : sequence of sequences of tf.Variable
        What `apply` updates, float32, shape (n_members, ...); the groups mean nothing here.
    """

    def __init__(self, groups: Sequence[Sequence[tf.Variable]]) -> None:
        self.variables = [variable for group in groups for variable in group]
        self.n_members = int(self.variables[0].shape[0])
        self._zero = tf.Variable(0.0, trainable=False)
        self._iterations = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._schedule = Schedule((self.n_members,))
        self._weight_decay = tf.Variable(tf.zeros(self.n_members), trainable=False)
        self._slots = [Directed.beside(variable) for variable in self.variables]

    def set_schedule(self, configs: Sequence[TrialConfig], steps_per_epoch: int) -> None:
        """Set each member's bounds of the learning rate and its weight decay."""
        set_schedules(self._schedule, configs, steps_per_epoch)
        self._weight_decay.assign([decay_of(config) for config in configs])

    def restart(self) -> None:
        """Go back to update 0, without moments."""
        self._iterations.assign(0)
        for slot in self._slots:
            slot.restart()

    def learning_rates(self) -> tf.Tensor:
        """Return the rates of the next update, shape (n_members,)."""
        return self._schedule(self._iterations)

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Take one step by gradients of `variables`; may be called inside a tf.function."""
        rates = self.learning_rates()
        step = tf.cast(self._iterations.assign_add(1), tf.float32)
        powers = tuple(tf.pow(beta, step) for beta in (BETA_1, BETA_2))
        kept = 1 - rates * self._weight_decay
        for slot, gradient in zip(self._slots, gradients, strict=True):
            slot.direction.assign(tf.fill(slot.direction.shape, self._zero))
            # this kernel's epsilon is Keras' as it stands
            take_direction(slot, gradient, powers[0], powers[1], ADAM_EPSILON)
            decays = slot.variable.shape.rank > 2
            old = _along(kept, slot.variable) * slot.variable if decays else slot.variable
            slot.variable.assign(old + _along(rates, slot.variable) * slot.direction)

    def sound(self) -> tf.Tensor:
        """Return for each member whether all its weights and gradients so far were finite."""
        return _sound(self._slots)


def make_stacked_optimiser(
    config: TrialConfig, groups: Sequence[Sequence[tf.Variable]]
) -> StackedOptimiser | StackedAdam:
    """Return the optimiser that a configuration, one of many alike, asks for."""
    return StackedOptimiser(groups) if config.optimiser == "lamb" else StackedAdam(groups)


def set_schedules(schedule: Schedule, configs: Sequence[TrialConfig], steps_per_epoch: int) -> None:
    """Set the rates of members whose schedules are alike but for their bounds."""
    schedule.set(
        [config.init_lr for config in configs],
        [config.max_lr for config in configs],
        steps_per_epoch,
        configs[0].schedule,
        configs[0].decay_epochs,
    )


def _along(of_members: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
    """Return a number for each member, shaped to multiply a variable with."""
    shape = (variable.shape[0], *(1,) * (variable.shape.rank - 1))
    return tf.reshape(of_members, shape)


def _sound(slots: Sequence[Moments]) -> tf.Tensor:
    kept = [value for slot in slots for value in (slot.variable, slot.second_moment)]
    sums = [tf.reduce_sum(value, axis=range(1, value.shape.rank)) for value in kept]
    return tf.math.is_finite(tf.add_n(sums))


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
