import numpy as np
import pytest
import tensorflow as tf

from sie.errors import InputError
from sie.models.atomsets import build_atomsets, drop, initial_weights
from sie.models.config import TrialConfig
from sie.models.readout_weights import to_maml

D = 4
CONFIG = TrialConfig(
    n_layers=2, n_neurons=6, readout_width=8, l2_phi=0.01, l2_rho=0.1, dropout_phi=0.5
)


@pytest.fixture(scope="module")
def model():
    return build_atomsets(CONFIG, D, seed=1)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(5)
    counts = [2, 5, 1]
    rows = rng.normal(size=(8, D)).astype(np.float32)
    multiplicity = rng.integers(1, 9, size=8).astype(np.float32)
    owner = np.repeat(np.arange(3), counts).astype(np.int32)
    return tuple(tf.constant(x) for x in (rows, multiplicity, owner))


def stock_model(weights):
    """The article's network from Keras' and maml's own layers, with the given weights."""
    from maml.models.dl._layers import WeightedSet2Set
    from tensorflow.keras import Input, Model, layers, regularizers

    inputs = [Input((None, D)), Input((None,)), Input((None,), dtype="int32")]
    x, values = inputs[0], []

    def stack(x, part, l2, rate):
        for i in range(CONFIG.n_layers):
            penalty = regularizers.L2(l2)
            x = layers.Dense(CONFIG.n_neurons, activation="relu", kernel_regularizer=penalty)(x)
            x = layers.Dropout(rate)(x)
            values.extend([weights[f"{part}/{i}/kernel"], weights[f"{part}/{i}/bias"]])
        return x

    x = stack(x, "phi", CONFIG.l2_phi, CONFIG.dropout_phi)
    x = WeightedSet2Set(T=CONFIG.readout_steps, n_hidden=CONFIG.readout_width)([x, *inputs[1:]])
    readout = {k.removeprefix("readout/"): v for k, v in weights.items() if k.startswith("readout")}
    values.extend(to_maml(readout))
    x = stack(x, "rho", CONFIG.l2_rho, CONFIG.dropout_rho)
    stock = Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    stock.set_weights([*values, weights["score/kernel"], weights["score/bias"]])
    return stock


def test_output_and_penalty_are_those_of_the_stock_model(model, batch):
    stock = stock_model(model.named_weights())
    expected = stock([tensor[None] for tensor in batch])[0, :, 0]
    np.testing.assert_allclose(model(batch), expected, atol=1e-6)
    np.testing.assert_allclose(tf.sigmoid(model.logits(*batch)), expected, atol=1e-6)
    np.testing.assert_allclose(model.penalty(), sum(stock.losses), rtol=1e-5)


def test_initial_weights_follow_the_seed_and_stock_shapes(model):
    drawn = initial_weights(CONFIG, D, seed=1)
    for name, weight in model.named_weights().items():
        np.testing.assert_array_equal(weight, drawn[name])
        assert weight.dtype == np.float32
    other = initial_weights(CONFIG, D, seed=2)
    assert all((drawn[n] != other[n]).any() for n in drawn if n.endswith("/kernel"))
    limit = np.sqrt(6 / (2 * CONFIG.readout_width + CONFIG.n_neurons))
    assert np.abs(drawn["rho/0/kernel"]).max() <= limit


def draws_for(model, n_rows, n_structures, seed=0):
    rng = np.random.default_rng(seed)

    def draw(n):
        shape = (n, CONFIG.n_neurons)
        return [
            tf.constant(rng.integers(0, 65536, shape, dtype=np.uint16))
            for _ in range(CONFIG.n_layers)
        ]

    return draw(n_rows), draw(n_structures)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5, 0.999995])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    numbers = tf.constant(np.arange(65536, dtype=np.uint16))  # each value once
    dropped = drop(tf.ones(65536), tf.constant(rate), numbers).numpy()
    assert (dropped == 0).mean() == pytest.approx(rate, abs=1 / 65536)
    assert dropped.astype(float).mean() == pytest.approx(1, abs=1e-6)
    assert len(np.unique(dropped)) == 1 + (rate > 0)


def test_dropout_follows_its_draws_in_every_layer(model, batch):
    given = draws_for(model, 8, 3)
    first = model.logits(*batch, given).numpy()
    np.testing.assert_array_equal(model.logits(*batch, given), first)
    assert (model.logits(*batch).numpy() != first).any()
    for part, layer in ((0, 0), (0, 1), (1, 0), (1, 1)):
        # everything of one layer dropped: nothing of its input comes through
        other = [list(draws) for draws in given]
        other[part][layer] = tf.zeros_like(other[part][layer])
        constant = model.logits(*batch, other).numpy()
        if part == 1:
            assert len(np.unique(constant)) == 1
        assert (constant != first).any()


def test_a_rate_of_one_configuration_replaces_the_others(model, batch):
    without = TrialConfig(
        n_layers=2, n_neurons=6, readout_width=8, dropout_phi=0, dropout_rho=0, l2_phi=0, l2_rho=0
    )
    model.set_hyperparameters(without)
    draws = draws_for(model, 8, 3)
    np.testing.assert_allclose(model.logits(*batch, draws), model.logits(*batch), rtol=1e-6)
    assert float(model.penalty()) == 0
    model.set_hyperparameters(CONFIG)
    assert float(model.penalty()) > 0


@pytest.mark.parametrize("spoil", ["missing", "unknown", "shape"])
def test_weights_that_do_not_fit_are_refused_and_change_nothing(model, spoil):
    weights = initial_weights(CONFIG, D, seed=9)
    if spoil == "missing":
        del weights["phi/0/bias"]
    elif spoil == "unknown":
        weights["phi/7/bias"] = np.zeros(6, np.float32)
    else:
        weights["score/bias"] = np.zeros(2, np.float32)
    before = model.named_weights()
    with pytest.raises(InputError, match="weights do not fit this network"):
        model.assign_weights(weights)
    for name, value in model.named_weights().items():
        np.testing.assert_array_equal(value, before[name])
