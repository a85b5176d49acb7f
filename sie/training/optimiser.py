"""The optimiser of the article: Lookahead(LAMB) under a triangular-2 cyclical learning rate.

The only module that knows tensorflow-addons; the gradients come from outside.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import tensorflow as tf

SYNC_PERIOD = 6
SLOW_STEP_SIZE = 0.5
STEP_SIZE_EPOCHS = 10
"""Epochs in which the learning rate climbs from its lower to its upper bound."""

with warnings.catch_warnings():
    # tensorflow-addons announces its end of life at every import; its last release is pinned
    warnings.simplefilter("ignore", UserWarning)
    import tensorflow_addons as tfa


class Optimiser:
    """Update a fixed list of variables; `restart` makes it as new without tracing again.

    LAMB runs without weight decay and adapts every variable's step to its norm, biases included
    (the defaults of tensorflow-addons): Y. You et al., ICLR 2020 (arXiv:1904.00962). Lookahead:
    M. R. Zhang et al., NeurIPS 2019 (arXiv:1907.08610). Schedule: L. N. Smith, WACV 2017
    (arXiv:1506.01186).

    Parameters
    ----------
    variables : sequence of tf.Variable
        What `apply` updates, in this order.
    """

    def __init__(self, variables: Sequence[tf.Variable]) -> None:
        self._variables = list(variables)
        self._init_lr = tf.Variable(1e-4, trainable=False)
        self._max_lr = tf.Variable(1e-3, trainable=False)
        self._step_size = tf.Variable(1.0, trainable=False)
        self._schedule = tfa.optimizers.Triangular2CyclicalLearningRate(1e-4, 1e-3, 1.0)
        # its constructor refuses variables, its call takes them
        self._schedule.initial_learning_rate = self._init_lr
        self._schedule.maximal_learning_rate = self._max_lr
        self._schedule.step_size = self._step_size
        self._fast = tfa.optimizers.LAMB(self._schedule)
        self._slow = tfa.optimizers.Lookahead(
            self._fast, sync_period=SYNC_PERIOD, slow_step_size=SLOW_STEP_SIZE
        )
        # creates moments and slow weights now: inside a compiled loop they could not be created
        self._slow._create_all_weights(self._variables)

    def set_schedule(self, init_lr: float, max_lr: float, steps_per_epoch: int) -> None:
        """Set the bounds of the learning rate, which climbs for 10 epochs of so many updates."""
        self._init_lr.assign(init_lr)
        self._max_lr.assign(max_lr)
        self._step_size.assign(STEP_SIZE_EPOCHS * steps_per_epoch)

    def restart(self) -> None:
        """Go back to update 0: no moments, the variables' present values as slow weights."""
        self._slow.iterations.assign(0)
        for variable in self._variables:
            for name in ("m", "v"):
                moment = self._fast.get_slot(variable, name)
                moment.assign(tf.zeros_like(moment))
            self._slow.get_slot(variable, "slow").assign(variable)

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Update the variables once; may be called inside a tf.function."""
        self._slow.apply_gradients(zip(gradients, self._variables, strict=True))

    def learning_rate(self) -> tf.Tensor:
        """Return the rate of the next update, a scalar."""
        return self._schedule(self._slow.iterations)
