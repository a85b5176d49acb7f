"""The update of several members against `Optimiser`, which knows one."""

import numpy as np
import pytest
import tensorflow as tf

from sie.models.config import TrialConfig
from sie.training import stacked_optimiser
from sie.training.optimiser import Optimiser
from sie.training.stacked_optimiser import StackedOptimiser

SHAPES = ((4, 3), (7, 3), (1,), (3,))
GROUPS = ((0, 1, 2), (3,))
CONFIGS = [
    TrialConfig(init_lr=1e-4, max_lr=7e-3),
    TrialConfig(init_lr=1e-3, max_lr=1e-3),
    TrialConfig(init_lr=1e-5, max_lr=3e-2),
]
SCALES = (1e-3, 1.0, 50.0)
STEPS_PER_EPOCH = 2


def drawn(rng, scale=1.0):
    values = [scale * rng.normal(size=shape).astype(np.float32) for shape in SHAPES]
    values[3] *= scale > SCALES[0]  # the first member's bias starts at zero
    return values


def in_groups(variables):
    return [[variables[i] for i in group] for group in GROUPS]


@pytest.mark.parametrize("large", [1 << 14, 1])
def test_each_member_goes_its_own_way(large, monkeypatch):
    monkeypatch.setattr(stacked_optimiser, "_LARGE", large)
    rng = np.random.default_rng(0)
    start = [drawn(rng, scale) for scale in SCALES]
    alone = [[tf.Variable(value) for value in values] for values in start]
    together = [tf.Variable(np.stack(values)) for values in zip(*start, strict=True)]
    singles = [Optimiser(in_groups(variables)) for variables in alone]
    stacked = StackedOptimiser(in_groups(together))
    apply = tf.function(stacked.apply)
    for again in range(2):  # the second time only right if nothing of the first is left
        for i, values in enumerate(zip(*start, strict=True)):
            together[i].assign(np.stack(values))
            for variables, value in zip(alone, values, strict=True):
                variables[i].assign(value)
        stacked.set_schedule(CONFIGS, STEPS_PER_EPOCH)
        stacked.restart()
        for optimiser, config in zip(singles, CONFIGS, strict=True):
            optimiser.set_schedule(config.init_lr, config.max_lr, STEPS_PER_EPOCH)
            optimiser.restart()
        for _ in range(45):  # over one cycle of 40 updates
            gradients = [drawn(rng, scale * 10.0 ** rng.uniform(-3, 1)) for scale in SCALES]
            for values in gradients:
                values[2][:] = 0  # idle, but part of the norm
            rates = [float(optimiser.learning_rate()) for optimiser in singles]
            np.testing.assert_allclose(stacked.learning_rates(), rates, rtol=1e-4)
            for optimiser, values in zip(singles, gradients, strict=True):
                optimiser.apply([tf.constant(value) for value in values])
            apply([tf.constant(np.stack(values)) for values in zip(*gradients, strict=True)])
        for i, variable in enumerate(together):
            for member, variables in enumerate(alone):
                np.testing.assert_allclose(
                    variable[member], variables[i], rtol=1e-4, atol=1e-6, err_msg=f"{again} {i}"
                )
        assert stacked.sound().numpy().all()


def test_one_member_out_of_bounds_is_told_from_the_others():
    variables = [tf.Variable(np.ones((3, 2, 2), np.float32))]
    optimiser = StackedOptimiser([variables])
    optimiser.set_schedule(CONFIGS, STEPS_PER_EPOCH)
    optimiser.restart()
    gradient = np.ones((3, 2, 2), np.float32)
    gradient[1, 0, 1] = np.nan
    optimiser.apply([tf.constant(gradient)])
    np.testing.assert_array_equal(optimiser.sound(), [True, False, True])
    assert np.isfinite(variables[0].numpy()[[0, 2]]).all()
    optimiser.restart()
    variables[0].assign(np.ones((3, 2, 2), np.float32))
    assert optimiser.sound().numpy().all()
