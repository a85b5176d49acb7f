"""The optimiser of the article: Lookahead(LAMB) under a triangular-2 cyclical learning rate.

The update is the project's own, made of few passes over the weights; gradients come from outside.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-6
SYNC_PERIOD = 6
SLOW_STEP_SIZE = 0.5
STEP_SIZE_EPOCHS = 10
"""Epochs in which the learning rate climbs from its lower to its upper bound."""

with warnings.catch_warnings():
    # tensorflow-addons announces its end of life at every import; its last release is pinned
    warnings.simplefilter("ignore", UserWarning)
    import tensorflow_addons as tfa


@dataclass(frozen=True)
class Slot:
    """A trained variable and what is kept beside it, all of its shape."""

    variable: tf.Variable
    first_moment: tf.Variable
    second_moment: tf.Variable
    direction: tf.Variable
    slow: tf.Variable

    @classmethod
    def beside(cls, variable: tf.Variable) -> Slot:
        """Return a slot of zeros for a variable."""
        return cls(
            variable, *(tf.Variable(tf.zeros_like(variable), trainable=False) for _ in range(4))
        )

    def restart(self) -> None:
        """Forget the moments, and take the variable's present value as slow weights."""
        self.first_moment.assign(tf.zeros_like(self.first_moment))
        self.second_moment.assign(tf.zeros_like(self.second_moment))
        self.slow.assign(self.variable)


class Optimiser:
    """Update a fixed list of variables; `restart` makes it as new without tracing again.

    LAMB runs without weight decay and adapts every variable's step to its norm, biases included
    (the defaults of tensorflow-addons): Y. You et al., ICLR 2020 (arXiv:1904.00962). Lookahead:
    M. R. Zhang et al., NeurIPS 2019 (arXiv:1907.08610). Schedule: L. N. Smith, WACV 2017
    (arXiv:1506.01186).

    The readout's weights and their moments do not fit a core's cache, so the time of an update is
    that of its passes over them. Where tensorflow-addons writes LAMB as one pass for each sum and
    product, moments and direction come here from TensorFlow's fused Adam kernel, and the slow
    weights are touched in the one step of six that needs them.

    Parameters
    ----------
    groups : sequence of sequences of tf.Variable
        What `apply` updates, float32; LAMB takes the norm of a group as of one variable.
    """

    def __init__(self, groups: Sequence[Sequence[tf.Variable]]) -> None:
        # a variable is a sequence of rows, too: a flat list would be taken apart silently
        if any(isinstance(group, tf.Variable) for group in groups):
            raise TypeError("give groups of variables, not variables")
        self.variables = [variable for group in groups for variable in group]
        # a plain zero would be folded into constants, which the kernels must copy before writing
        self._zero = tf.Variable(0.0, trainable=False)
        self._iterations = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._init_lr = tf.Variable(1e-4, trainable=False)
        self._max_lr = tf.Variable(1e-3, trainable=False)
        self._step_size = tf.Variable(1.0, trainable=False)
        self._schedule = tfa.optimizers.Triangular2CyclicalLearningRate(1e-4, 1e-3, 1.0)
        # its constructor refuses variables, its call takes them
        self._schedule.initial_learning_rate = self._init_lr
        self._schedule.maximal_learning_rate = self._max_lr
        self._schedule.step_size = self._step_size
        self._groups = [[Slot.beside(variable) for variable in group] for group in groups]
        self._slots = [slot for group in self._groups for slot in group]
        self.restart()

    def set_schedule(self, init_lr: float, max_lr: float, steps_per_epoch: int) -> None:
        """Set the bounds of the learning rate, which climbs for 10 epochs of so many updates."""
        self._init_lr.assign(init_lr)
        self._max_lr.assign(max_lr)
        self._step_size.assign(STEP_SIZE_EPOCHS * steps_per_epoch)

    def restart(self) -> None:
        """Go back to update 0: no moments, the variables' present values as slow weights."""
        self._iterations.assign(0)
        for slot in self._slots:
            slot.restart()

    def learning_rate(self) -> tf.Tensor:
        """Return the rate of the next update, a scalar."""
        return self._schedule(self._iterations)

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Take one step by gradients of `variables`; may be called inside a tf.function."""
        rate = self.learning_rate()
        step = tf.cast(self._iterations.assign_add(1), tf.float32)
        powers = tf.pow(BETA_1, step), tf.pow(BETA_2, step)
        for slot, gradient in zip(self._slots, gradients, strict=True):
            slot.direction.assign(tf.fill(slot.direction.shape, self._zero))
            take_direction(slot, gradient, *powers)
        for group, length in zip(self._groups, self._lengths(rate), strict=True):
            for slot in group:
                # the kernel subtracts alpha times delta
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=slot.variable.handle, alpha=-length, delta=slot.direction
                )
        if self._iterations % SYNC_PERIOD == 0:  # becomes a branch of the graph
            synchronise(self._slots)

    def _lengths(self, rate: tf.Tensor) -> list[tf.Tensor]:
        """Return for each group the rate times the ratio of its norms, LAMB's trust ratio."""
        of_weights = _norms([[slot.variable for slot in group] for group in self._groups])
        of_directions = _norms([[slot.direction for slot in group] for group in self._groups])
        both = (of_weights > 0) & (of_directions > 0)
        ratios = tf.where(both, tf.math.divide_no_nan(of_weights, of_directions), 1.0)
        return tf.unstack(rate * ratios)

    def sound(self) -> tf.Tensor:
        """Return whether no weight and no gradient since the restart was infinite or no number.

        The weights alone do not tell: they stand still once a squared gradient overflows.
        """
        kept = [(slot.variable, slot.second_moment) for slot in self._slots]
        sums = [tf.reduce_sum(value) for pair in kept for value in pair]
        return tf.math.is_finite(tf.add_n(sums))


def take_direction(slot: Slot, gradient: Any, power_1: Any, power_2: Any) -> None:
    """Update the moments and turn a direction of zeros into the step downhill, before scaling."""
    # The kernel subtracts lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon). With lr = 1 and
    # this epsilon that is m_hat / (sqrt(v_hat) + EPSILON), LAMB's direction.
    tf.raw_ops.ResourceApplyAdam(
        var=slot.direction.handle,
        m=slot.first_moment.handle,
        v=slot.second_moment.handle,
        beta1_power=power_1,
        beta2_power=power_2,
        lr=1.0,
        beta1=BETA_1,
        beta2=BETA_2,
        epsilon=EPSILON * tf.sqrt(1 - power_2),
        grad=gradient,
    )


def _norms(groups: Sequence[Sequence[tf.Variable]]) -> tf.Tensor:
    """Return the norm of every group, shape (n_groups,)."""
    halves = [tf.add_n([tf.nn.l2_loss(variable) for variable in group]) for group in groups]
    return tf.sqrt(2 * tf.stack(halves))


def synchronise(slots: Sequence[Slot]) -> None:
    """Move the slow weights half the way to the variables, and the variables there."""
    for slot in slots:
        slot.slow.assign_add(SLOW_STEP_SIZE * (slot.variable - slot.slow))
        slot.variable.assign(slot.slow)
