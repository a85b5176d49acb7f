import numpy as np
import pytest
import tensorflow as tf

from sie.errors import InputError
from sie.models.atomsets import build_atomsets, initial_weights
from sie.models.config import TrialConfig
from sie.models.set2set import to_maml

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


def test_dropout_drops_its_share_and_keeps_the_mean(model):
    x = tf.ones((400, D))
    identity = [tf.keras.layers.Lambda(tf.identity)]
    dropped = model._stack(identity, x, "dropout_phi", training=True).numpy()
    assert set(np.unique(dropped)) == {0.0, 1 / (1 - CONFIG.dropout_phi)}
    assert abs((dropped == 0).mean() - CONFIG.dropout_phi) < 0.05
    kept = model._stack(identity, x, "dropout_phi", training=False)
    np.testing.assert_array_equal(kept, x)


def test_dropout_follows_the_generator(model, batch):
    model.generator.reset_from_seed(3)
    first, second = (model.logits(*batch, training=True).numpy() for _ in range(2))
    model.generator.reset_from_seed(3)
    np.testing.assert_array_equal(model.logits(*batch, training=True), first)
    assert (first != second).any()


def test_a_rate_of_one_configuration_replaces_the_others(model, batch):
    without = TrialConfig(
        n_layers=2, n_neurons=6, readout_width=8, dropout_phi=0, dropout_rho=0, l2_phi=0, l2_rho=0
    )
    model.set_hyperparameters(without)
    np.testing.assert_allclose(model.logits(*batch, training=True), model.logits(*batch), rtol=1e-6)
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
