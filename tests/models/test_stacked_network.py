"""The network of several members against `AtomSets`, which is one."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from sie.models.atomsets import AtomSets
from sie.models.atomsets import drop as drop_one
from sie.models.config import TrialConfig
from sie.models.shapes import stack, weight_shapes
from sie.models.stacked import StackedAtomSets, add_bias, drop

D = 4
N_ROWS, N_STRUCTURES = 9, 3


def configs_of(steps, width):
    config = TrialConfig(n_layers=2, n_neurons=6, readout_width=width, readout_steps=steps)
    return [
        replace(config, dropout_phi=0.3, l2_phi=0.1),
        replace(config, dropout_rho=0.5, l2_rho=0.2, dropout_phi=0),
    ]


def batch(rng, config):
    """Two members' batches of three structures; the second half has one row to pad in each."""
    rows = rng.normal(size=(2, N_ROWS, D)).astype(np.float32)
    multiplicity = rng.integers(1, 9, size=(2, N_ROWS)).astype(np.float32)
    multiplicity[0, -1] = multiplicity[1, 2] = 0
    # halves of one structure and of two
    owner = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1, 1]], dtype=np.int32)
    shape = (2, config.n_neurons)
    draws = [
        [rng.integers(0, 65536, (shape[0], n, shape[1]), dtype=np.uint16) for _ in range(2)]
        for n in (N_ROWS, N_STRUCTURES)
    ]
    return rows, multiplicity, owner, draws


@pytest.mark.parametrize("width", [8, 48])
@pytest.mark.parametrize("steps", [1, 3])
def test_log_odds_and_penalties_are_those_of_each_network(steps, width):
    rng = np.random.default_rng(steps)
    configs = configs_of(steps, width)
    shapes = weight_shapes(configs[0], D).items()
    members = [
        {name: 0.5 * rng.normal(size=shape).astype(np.float32) for name, shape in shapes}
        for _ in configs
    ]
    model = StackedAtomSets(configs[0], D, 2)
    model.set_hyperparameters(configs)
    for name, value in stack(members).items():
        model.variables[name].assign(value)
    rows, multiplicity, owner, draws = batch(rng, configs[0])
    parts = tf.constant([1, 2]), tf.constant([3, 6])
    found = model.logits(rows, multiplicity, owner, parts, draws, model.shared_kernels())
    penalties = model.penalties()
    assert found.shape == (2, N_STRUCTURES)
    for i, config in enumerate(configs):
        alone = AtomSets(config, D)
        alone.set_hyperparameters(config)
        alone.assign_weights(members[i])
        real = multiplicity[i] > 0
        whole = np.concatenate([owner[i, :3], owner[i, 3:] + 1])
        of_phi, of_rho = ([tf.constant(draw[i]) for draw in part] for part in draws)
        expected = alone.logits(
            rows[i][real],
            multiplicity[i][real],
            whole[real],
            ([draw[real] for draw in of_phi], of_rho),
        )
        np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(penalties[i], alone.penalty(), rtol=1e-5)


def test_groups_are_those_of_one_network():
    config = configs_of(3, 8)[0]
    model, alone = StackedAtomSets(config, D, 2), AtomSets(config, D)
    ours, theirs = (
        {
            frozenset(name for name, known in named.items() if any(known is v for v in group))
            for group in groups
        }
        for groups, named in (
            (model.norm_groups(), model.variables),
            (alone.norm_groups(), alone.named_variables()),
        )
    )
    assert ours == theirs


def test_every_member_drops_at_its_own_rate():
    rates = tf.constant([0.0, 0.3, 0.999995])
    rng = np.random.default_rng(0)
    draws = rng.integers(0, 65536, (3, 5, 200), dtype=np.uint16)
    x = rng.normal(size=(3, 5, 200)).astype(np.float32)
    found = drop(tf.constant(x), rates, tf.constant(draws))
    for i in range(3):
        np.testing.assert_array_equal(found[i], drop_one(x[i], rates[i], tf.constant(draws[i])))


def test_the_gradient_of_a_bias_is_the_sum_over_rows():
    rng = np.random.default_rng(1)
    x, bias, up = (
        tf.constant(rng.normal(size=shape), tf.float32) for shape in ((2, 7, 3), (2, 3), (2, 7, 3))
    )
    with tf.GradientTape() as tape:
        tape.watch([x, bias])
        loss = tf.reduce_sum(up * add_bias(x, bias))
    of_x, of_bias = tape.gradient(loss, [x, bias])
    np.testing.assert_array_equal(of_x, up)
    np.testing.assert_allclose(of_bias, up.numpy().sum(axis=1), rtol=1e-5, atol=1e-6)
