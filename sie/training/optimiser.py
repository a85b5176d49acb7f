"""Optimisers: Lookahead(LAMB), the article's, and Adam(W); schedules of the learning rate.

Updates are the project's own, made of few passes over the weights; gradients come from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import tensorflow as tf

from sie.models.config import CHOICES, TrialConfig

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-6
SYNC_PERIOD = 6
SLOW_STEP_SIZE = 0.5
ADAM_EPSILON = 1e-7
"""Keras' default."""
STEP_SIZE_EPOCHS = 10
"""Epochs in which the learning rate climbs from its lower to its upper bound."""


@dataclass(frozen=True)
class Moments:
    """A trained variable and its moments, of its shape."""

    variable: tf.Variable
    first_moment: tf.Variable
    second_moment: tf.Variable

    @classmethod
    def beside(cls, variable: tf.Variable) -> Self:
        """Return zeros for a variable."""
        n = len(fields(cls)) - 1
        kept = (tf.Variable(tf.zeros_like(variable), trainable=False) for _ in range(n))
        return cls(variable, *kept)

    def restart(self) -> None:
        """Forget the moments."""
        self.first_moment.assign(tf.zeros_like(self.first_moment))
        self.second_moment.assign(tf.zeros_like(self.second_moment))


@dataclass(frozen=True)
class Directed(Moments):
    """And a place for the direction of a step."""

    direction: tf.Variable


@dataclass(frozen=True)
class Slot(Directed):
    """And Lookahead's slow weights."""

    slow: tf.Variable

    def restart(self) -> None:
        """Forget the moments, and take the variable's present value as slow weights."""
        super().restart()
        self.slow.assign(self.variable)


class Schedule:
    """The learning rate of every update; bounds, lengths and kind are set without tracing again.

    Of n trainings side by side each has bounds of its own; kind and lengths are those of all.

    Parameters
    ----------
    shape : tuple of int
        Of the rates: () or (n,).
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self._kind = tf.Variable(0, trainable=False)
        self._init_lr = tf.Variable(tf.fill(shape, 1e-4), trainable=False)
        self._max_lr = tf.Variable(tf.fill(shape, 1e-3), trainable=False)
        self._step_size = tf.Variable(1.0, trainable=False)
        self._decay_steps = tf.Variable(1.0, trainable=False)

    def set(
        self,
        init_lr: Any,
        max_lr: Any,
        steps_per_epoch: int,
        kind: str = "triangular2",
        decay_epochs: int = 1,
    ) -> None:
        """Set kind, bounds and lengths; `TrialConfig` says what they mean."""
        self._kind.assign(CHOICES["schedule"].index(kind))
        self._init_lr.assign(init_lr)
        self._max_lr.assign(max_lr)
        self._step_size.assign(STEP_SIZE_EPOCHS * steps_per_epoch)
        self._decay_steps.assign(decay_epochs * steps_per_epoch)

    def __call__(self, iteration: Any) -> tf.Tensor:
        """Return the rate of an update, counted from 0."""
        at = tf.cast(iteration, tf.float32)
        branches = {
            "triangular2": lambda: self._triangular2(at),
            "cosine": lambda: self._cosine(at),
            "constant": lambda: tf.identity(self._max_lr),
        }
        return tf.switch_case(
            self._kind.read_value(), [branches[name] for name in CHOICES["schedule"]]
        )

    def _triangular2(self, at: tf.Tensor) -> tf.Tensor:
        cycle = tf.floor(1 + at / (2 * self._step_size))
        climbed = tf.maximum(0.0, 1 - tf.abs(at / self._step_size - 2 * cycle + 1))
        return self._init_lr + (self._max_lr - self._init_lr) * climbed / 2 ** (cycle - 1)

    def _cosine(self, at: tf.Tensor) -> tf.Tensor:
        """I. Loshchilov and F. Hutter, ICLR 2017 (arXiv:1608.03983), without restarts."""
        gone = tf.minimum(at / self._decay_steps, 1.0)
        return self._init_lr + (self._max_lr - self._init_lr) * 0.5 * (1 + tf.cos(np.pi * gone))


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
        self._schedule = Schedule()
        self._groups = [[Slot.beside(variable) for variable in group] for group in groups]
        self._slots = [slot for group in self._groups for slot in group]
        self.restart()

    def configure(self, config: TrialConfig, steps_per_epoch: int) -> None:
        """Take the learning rates of a configuration, with so many updates an epoch."""
        self.set_schedule(
            config.init_lr, config.max_lr, steps_per_epoch, config.schedule, config.decay_epochs
        )

    def set_schedule(
        self,
        init_lr: float,
        max_lr: float,
        steps_per_epoch: int,
        kind: str = "triangular2",
        decay_epochs: int = 1,
    ) -> None:
        """Set the schedule of the learning rate, with so many updates an epoch."""
        self._schedule.set(init_lr, max_lr, steps_per_epoch, kind, decay_epochs)

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
        return sound(self._slots)


class Adam:
    """Adam, and with a weight decay AdamW; the interface is `Optimiser`'s.

    The update is Keras': D. P. Kingma and J. Ba, ICLR 2015 (arXiv:1412.6980), "epsilon hat" form.
    Decoupled decay: I. Loshchilov and F. Hutter, ICLR 2019 (arXiv:1711.05101); kernels alone
    decay, for a bias has no scale that wants to be small.

    Parameters
    ----------
    groups : sequence of sequences of tf.Variable
        What `apply` updates, float32; the groups mean nothing here.
    """

    def __init__(self, groups: Sequence[Sequence[tf.Variable]]) -> None:
        self.variables = [variable for group in groups for variable in group]
        self._iterations = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._weight_decay = tf.Variable(0.0, trainable=False)
        self._schedule = Schedule()
        self._slots = [Moments.beside(variable) for variable in self.variables]
        self.restart()

    def configure(self, config: TrialConfig, steps_per_epoch: int) -> None:
        """Take learning rates and weight decay of a configuration."""
        self._schedule.set(
            config.init_lr, config.max_lr, steps_per_epoch, config.schedule, config.decay_epochs
        )
        self._weight_decay.assign(decay_of(config))

    def restart(self) -> None:
        """Go back to update 0, without moments."""
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
        if self._weight_decay > 0:  # becomes a branch of the graph
            for slot in self._slots:
                if slot.variable.shape.rank > 1:
                    slot.variable.assign_sub(rate * self._weight_decay * slot.variable)
        for slot, gradient in zip(self._slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=slot.variable.handle,
                m=slot.first_moment.handle,
                v=slot.second_moment.handle,
                beta1_power=tf.pow(BETA_1, step),
                beta2_power=tf.pow(BETA_2, step),
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=ADAM_EPSILON,
                grad=gradient,
            )

    def sound(self) -> tf.Tensor:
        """Return whether no weight and no gradient since the restart was infinite or no number."""
        return sound(self._slots)


def make_optimiser(
    config: TrialConfig, groups: Sequence[Sequence[tf.Variable]]
) -> Optimiser | Adam:
    """Return the optimiser that a configuration asks for; `configure` sets its rates."""
    return Optimiser(groups) if config.optimiser == "lamb" else Adam(groups)


def decay_of(config: TrialConfig) -> float:
    """Return the weight decay of a configuration, 0 without AdamW."""
    return config.weight_decay if config.optimiser == "adamw" else 0.0


def sound(slots: Sequence[Moments]) -> tf.Tensor:
    """Return whether all variables and second moments are finite."""
    sums = [tf.reduce_sum(value) for slot in slots for value in (slot.variable, slot.second_moment)]
    return tf.math.is_finite(tf.add_n(sums))


def take_direction(
    slot: Directed, gradient: Any, power_1: Any, power_2: Any, epsilon: Any = None
) -> None:
    """Update the moments and turn a direction of zeros into the step downhill, before scaling.

    Without `epsilon`, Keras' for Adam, the direction is LAMB's.
    """
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
        epsilon=EPSILON * tf.sqrt(1 - power_2) if epsilon is None else epsilon,
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
