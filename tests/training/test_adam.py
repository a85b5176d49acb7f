"""Adam, AdamW and the schedules against Keras'; members side by side against each alone."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from sie.models.config import TrialConfig
from sie.training.optimiser import Adam, Schedule
from sie.training.stacked_optimiser import StackedAdam

STEPS_PER_EPOCH = 3
SHAPES = ((4, 3), (3,))


def config(**changes):
    given = {"init_lr": 1e-4, "max_lr": 2e-2, "optimiser": "adamw", "weight_decay": 0.1}
    return TrialConfig(**{**given, "decay_epochs": 5, **changes})


def drawn(rng):
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def rates(config, n):
    """The rates of n updates by Keras or tensorflow-addons."""
    if config.schedule == "constant":
        return [config.max_lr] * n
    if config.schedule == "cosine":
        steps, floor = config.decay_epochs * STEPS_PER_EPOCH, config.init_lr / config.max_lr
        peer = tf.keras.optimizers.schedules.CosineDecay(config.max_lr, steps, floor)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            import tensorflow_addons as tfa
        peer = tfa.optimizers.Triangular2CyclicalLearningRate(
            config.init_lr, config.max_lr, 10 * STEPS_PER_EPOCH
        )
    return [float(peer(i)) for i in range(n)]


@pytest.mark.parametrize("schedule", ["triangular2", "cosine", "constant"])
def test_rates_are_those_of_keras(schedule):
    given = config(schedule=schedule)
    ours = Schedule()
    ours.set(given.init_lr, given.max_lr, STEPS_PER_EPOCH, schedule, given.decay_epochs)
    found = [float(ours(i)) for i in range(70)]
    np.testing.assert_allclose(found, rates(given, 70), rtol=1e-4)


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_updates_are_those_of_keras(optimiser, schedule):
    given = config(optimiser=optimiser, schedule=schedule)
    rng = np.random.default_rng(0)
    start = drawn(rng)
    ours = [tf.Variable(value) for value in start]
    theirs = [tf.Variable(value, name=f"v{i}") for i, value in enumerate(start)]
    mine = Adam([ours])
    mine.configure(given, STEPS_PER_EPOCH)
    apply = tf.function(mine.apply)
    if optimiser == "adam":
        peer = tf.keras.optimizers.Adam()
    else:
        peer = tf.keras.optimizers.AdamW(weight_decay=given.weight_decay)
        peer.exclude_from_weight_decay(var_list=[theirs[1]])
    for rate in rates(given, 40):
        gradients = [tf.constant(value) for value in drawn(rng)]
        peer.learning_rate = rate
        peer.apply_gradients(zip(gradients, theirs, strict=True))
        apply(gradients)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert bool(mine.sound())
    apply([tf.fill(shape, np.float32(np.inf)) for shape in SHAPES])
    assert not bool(mine.sound())


def test_each_member_goes_its_own_way():
    configs = [
        config(schedule="cosine"),
        config(schedule="cosine", optimiser="adam", max_lr=1e-3),
        config(schedule="cosine", weight_decay=0.5),
    ]
    rng = np.random.default_rng(1)
    start = [drawn(rng) for _ in configs]
    alone = [[tf.Variable(value) for value in values] for values in start]
    together = [tf.Variable(np.stack(values)) for values in zip(*start, strict=True)]
    singles = [Adam([variables]) for variables in alone]
    stacked = StackedAdam([together])
    apply = tf.function(stacked.apply)
    for again in range(2):
        stacked.set_schedule(configs, STEPS_PER_EPOCH)
        stacked.restart()
        for optimiser, given in zip(singles, configs, strict=True):
            optimiser.configure(given, STEPS_PER_EPOCH)
            optimiser.restart()
        for _ in range(20):
            gradients = [drawn(rng) for _ in configs]
            for optimiser, values in zip(singles, gradients, strict=True):
                optimiser.apply([tf.constant(value) for value in values])
            apply([tf.constant(np.stack(values)) for values in zip(*gradients, strict=True)])
        for i, variable in enumerate(together):
            for member, variables in enumerate(alone):
                message = f"{again} {i} {member}"
                np.testing.assert_allclose(
                    variable[member], variables[i], rtol=1e-4, atol=1e-6, err_msg=message
                )
