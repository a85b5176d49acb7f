import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from sie.training.optimiser import SLOW_STEP_SIZE, SYNC_PERIOD, Optimiser

INIT, TOP, STEPS = 1e-3, 5e-2, 2


def triangular_2(step):
    """L. N. Smith's schedule by its picture: up for 10 epochs, down for 10, half as high next."""
    half = 10 * STEPS
    cycle, phase = divmod(step, 2 * half)
    height = phase / half if phase <= half else 2 - phase / half
    return INIT + (TOP - INIT) * height / 2**cycle


def lookahead_lamb(variables, gradients):
    """The two papers' rules in float64, one gradient list per step; yields the variables."""
    w = [v.astype(float) for v in variables]
    slow, m, v = [x.copy() for x in w], [0 * x for x in w], [0 * x for x in w]
    for step, given in enumerate(gradients):
        for i, g in enumerate(given):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            m_hat, v_hat = m[i] / (1 - 0.9 ** (step + 1)), v[i] / (1 - 0.999 ** (step + 1))
            update = m_hat / (np.sqrt(v_hat) + 1e-6)
            norms = np.linalg.norm(w[i]), np.linalg.norm(update)
            ratio = norms[0] / norms[1] if min(norms) > 0 else 1
            w[i] = w[i] - triangular_2(step) * ratio * update
            if (step + 1) % SYNC_PERIOD == 0:
                slow[i] += SLOW_STEP_SIZE * (w[i] - slow[i])
                w[i] = slow[i].copy()
        yield [x.copy() for x in w]


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4, 3)).astype(np.float32), np.zeros(3, np.float32)]


@pytest.fixture(scope="module")
def optimised(start):
    variables = [tf.Variable(value) for value in start]
    optimiser = Optimiser([[variable] for variable in variables])
    optimiser.set_schedule(INIT, TOP, STEPS)
    return variables, optimiser, tf.function(optimiser.apply)


def gradients(n, seed=1):
    rng = np.random.default_rng(seed)
    return [
        [rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)]
        for _ in range(n)
    ]


def test_steps_are_lamb_under_lookahead_and_a_restart_forgets_everything(optimised, start):
    variables, optimiser, apply = optimised
    for seed in (1, 2):  # the second time only right if nothing of the first is left
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        optimiser.restart()
        given = gradients(14, seed)
        for step, expected in enumerate(lookahead_lamb(start, given)):
            apply([tf.constant(g) for g in given[step]])
            for variable, value in zip(variables, expected, strict=True):
                np.testing.assert_allclose(
                    variable, value, rtol=1e-4, atol=1e-6, err_msg=f"step {step}"
                )


def test_a_hundred_steps_are_those_of_tensorflow_addons():
    import tensorflow_addons as tfa

    rng = np.random.default_rng(3)
    # the last two start at zero, as biases do: LAMB's ratio is 1 until they have left it
    shapes = [(40, 64), (64, 30), (1, 30), (64,), (30,)]
    given = [rng.normal(size=shape).astype(np.float32) / 4 for shape in shapes[:3]]
    given += [np.zeros(shape, np.float32) for shape in shapes[3:]]
    ours, theirs = ([tf.Variable(value) for value in given] for _ in range(2))
    optimiser = Optimiser([[variable] for variable in ours])
    optimiser.set_schedule(1e-4, 7e-3, 4)
    schedule = tfa.optimizers.Triangular2CyclicalLearningRate(1e-4, 7e-3, 40)
    peer = tfa.optimizers.Lookahead(tfa.optimizers.LAMB(schedule))
    apply = tf.function(optimiser.apply)
    for step in range(100):
        scale = 10.0 ** rng.uniform(-6, 2)  # from vanishing to exploding
        drawn = [tf.constant(scale * rng.normal(size=shape), tf.float32) for shape in shapes]
        if step % 10 == 9:
            drawn[1] = tf.zeros(shapes[1])  # a part without gradient still moves, by its moments
        apply(drawn)
        peer.apply_gradients(zip(drawn, theirs, strict=True))
    for mine, expected, start in zip(ours, theirs, given, strict=True):
        assert np.abs(expected.numpy() - start).max() > 1e-5
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-6)


def test_a_group_moves_as_one_variable_of_tensorflow_addons():
    import tensorflow_addons as tfa

    rng = np.random.default_rng(4)
    top, bottom = (rng.normal(size=(n, 5)).astype(np.float32) for n in (3, 7))
    idle = np.full((1, 5), 0.8, np.float32)  # no gradient, but part of the norm
    alone = rng.normal(size=4).astype(np.float32)
    ours = [tf.Variable(value) for value in (top, bottom, idle, alone)]
    theirs = [tf.Variable(np.concatenate([top, bottom, idle])), tf.Variable(alone)]
    optimiser = Optimiser([ours[:3], ours[3:]])
    optimiser.set_schedule(1e-3, 7e-3, 4)
    schedule = tfa.optimizers.Triangular2CyclicalLearningRate(1e-3, 7e-3, 40)
    peer = tfa.optimizers.Lookahead(tfa.optimizers.LAMB(schedule))
    for _ in range(20):
        drawn = [rng.normal(size=variable.shape).astype(np.float32) for variable in ours]
        drawn[2][:] = 0
        optimiser.apply([tf.constant(gradient) for gradient in drawn])
        joined = [tf.constant(np.concatenate(drawn[:3])), tf.constant(drawn[3])]
        peer.apply_gradients(zip(joined, theirs, strict=True))
    np.testing.assert_allclose(np.concatenate(ours[:3]), theirs[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours[3], theirs[1], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(ours[2], idle)


def test_variables_without_groups_are_refused():
    with pytest.raises(TypeError, match="groups"):
        Optimiser([tf.Variable([1.0, 2.0])])


def test_the_learning_rate_is_triangular_2(optimised):
    _, optimiser, _ = optimised
    optimiser.restart()
    optimiser.set_schedule(INIT, TOP, STEPS)
    for step in (0, 1, 10, 20, 30, 39, 40, 60, 75, 80, 100, 500):
        optimiser._iterations.assign(step)
        assert float(optimiser.learning_rate()) == pytest.approx(triangular_2(step), rel=1e-4)
    optimiser.restart()
    assert float(optimiser.learning_rate()) == pytest.approx(INIT)


def test_the_import_is_silent_about_the_end_of_tensorflow_addons():
    code = "import sie.training.optimiser, warnings; warnings.warn('spoken')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "spoken" in done.stderr  # other warnings still show
    assert "Addons" not in done.stderr
