from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from sie.features.record import OrbitFeatures
from sie.models.atomsets import build_atomsets, initial_weights
from sie.models.readout_weights import FOLDING_SHARE, folds, from_maml
from sie.training.batches import make_batches
from sie.training.metrics import binary_log_loss
from sie.training.program import PREDICTION_BATCH, ResidentFeatures, predict_probabilities

D = 4


@pytest.fixture(scope="module")
def plain(config):
    return replace(config, dropout_phi=0, dropout_rho=0, l2_phi=0.01, l2_rho=0.1)


@pytest.fixture(scope="module")
def targets(features, labels):
    return np.array([labels[entry] for entry in features.ids], dtype=np.float32)


def stock_model(config, steps_per_epoch):
    """The article's network and optimiser from Keras', maml's and tensorflow-addons' own parts."""
    import tensorflow_addons as tfa
    from maml.models.dl._layers import WeightedSet2Set
    from tensorflow.keras import Input, Model, layers, regularizers

    inputs = [Input((None, D)), Input((None,)), Input((None,), dtype="int32")]

    def stack(x, l2):
        for _ in range(config.n_layers):
            penalty = regularizers.L2(l2)
            x = layers.Dense(config.n_neurons, activation="relu", kernel_regularizer=penalty)(x)
        return x

    x = stack(inputs[0], config.l2_phi)
    x = WeightedSet2Set(T=config.readout_steps, n_hidden=config.readout_width)([x, *inputs[1:]])
    model = Model(inputs, layers.Dense(1, activation="sigmoid")(stack(x, config.l2_rho)))
    schedule = tfa.optimizers.Triangular2CyclicalLearningRate(
        config.init_lr, config.max_lr, 10.0 * steps_per_epoch
    )
    model.compile(tfa.optimizers.Lookahead(tfa.optimizers.LAMB(schedule)), "binary_crossentropy")
    return model


def named(config, values):
    """Name the stock model's weights as this project does."""
    values = list(values)
    dense = [f"{i}/{kind}" for i in range(config.n_layers) for kind in ("kernel", "bias")]
    result = {f"phi/{name}": values.pop(0) for name in dense}
    readout = from_maml([values.pop(0) for _ in range(4)])
    result |= {f"readout/{name}": value for name, value in readout.items()}
    result |= {f"rho/{name}": values.pop(0) for name in dense}
    return {**result, "score/kernel": values[0], "score/bias": values[1]}


@pytest.mark.parametrize("folded", [False, True])
def test_training_goes_the_way_of_the_stock_parts(features, targets, plain, programs, folded):
    if folded:
        plain = replace(plain, readout_width=FOLDING_SHARE * plain.n_neurons)
    assert folds(plain.n_neurons, plain.readout_width) == folded
    tf.keras.utils.set_random_seed(0)
    steps = 4  # of 16 structures, the last batch with 12
    stock = stock_model(plain, steps)
    program = programs.get(plain, D)
    program.reset(plain, steps, 0, 0, named(plain, stock.get_weights()))
    data, labels = ResidentFeatures(features), tf.constant(targets)
    for epoch in range(3):  # 12 steps: slow and fast weights meet twice
        order = np.random.default_rng(epoch).permutation(len(features))
        batches = make_batches(features, order, plain.batch_size)
        losses = []
        for i in range(steps):
            here = slice(batches.row_bounds[i], batches.row_bounds[i + 1])
            index = batches.row_index[here]
            inputs = features.rows[index], features.multiplicity[index], batches.owner[here]
            y = targets[order[batches.bounds[i] : batches.bounds[i + 1]]]
            penalty = float(sum(stock.losses))
            stock_loss = stock.train_on_batch([x[None] for x in inputs], y[None, :, None])
            losses.append((stock_loss - penalty) * len(y))
        loss = program.train_epoch(data, labels, order, plain.batch_size)
        assert loss == pytest.approx(sum(losses) / len(features), abs=1e-5)
        expected = named(plain, stock.get_weights())
        for name, value in program.model.named_weights().items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=2e-5, err_msg=name)


def test_training_loss_is_the_mean_over_structures_without_penalty(
    features, targets, plain, programs
):
    still = replace(plain, init_lr=1e-30, max_lr=1e-30)
    program = programs.get(still, D)
    program.reset(still, 4, 1, 1)
    data = ResidentFeatures(features)
    order = np.arange(len(features))
    loss = program.train_epoch(data, tf.constant(targets), order, still.batch_size)
    assert loss == pytest.approx(binary_log_loss(targets, program.predict(data)), rel=1e-5)
    assert float(program.model.penalty()) > 0.01


def test_every_batch_gets_its_own_part_of_the_draws(features, targets, config, programs):
    still = replace(config, init_lr=1e-30, max_lr=1e-30, dropout_phi=0.4, dropout_rho=0.2)
    program = programs.get(still, D)
    program.reset(still, 4, 1, dropout_seed=5)
    order = np.random.default_rng(0).permutation(len(features))
    batches = make_batches(features, order, still.batch_size)
    loss = program.train_epoch(
        ResidentFeatures(features), tf.constant(targets), order, still.batch_size
    )
    program.reset(still, 4, 1, dropout_seed=5)
    of_rows, of_structures = program.draw(len(batches.row_index)), program.draw(len(order))
    total = 0.0
    for i in range(len(batches)):
        rows = slice(batches.row_bounds[i], batches.row_bounds[i + 1])
        structures = slice(batches.bounds[i], batches.bounds[i + 1])
        index = batches.row_index[rows]
        inputs = features.rows[index], features.multiplicity[index], batches.owner[rows]
        draws = [draw[rows] for draw in of_rows], [draw[structures] for draw in of_structures]
        logits = program.model.logits(*(tf.constant(x) for x in inputs), draws).numpy()
        y = targets[order[structures]]
        total += binary_log_loss(y, logits) * len(y)
    assert loss == pytest.approx(total / len(features), rel=1e-5)
    first = [draw.numpy() for draw in (*of_rows, *of_structures)]
    assert len({draw[0].tobytes() for draw in first}) == len(first)  # no layer has another's


def test_dropout_is_on_in_training_only(features, targets, config, programs):
    still = replace(config, init_lr=1e-30, max_lr=1e-30, dropout_phi=0.5)
    program = programs.get(still, D)
    program.reset(still, 4, 1, 1)
    data, order = ResidentFeatures(features), np.arange(len(features))
    before = program.predict(data)
    losses = [
        program.train_epoch(data, tf.constant(targets), order, still.batch_size) for _ in range(2)
    ]
    assert losses[0] != losses[1]
    np.testing.assert_array_equal(program.predict(data), before)


def test_one_shape_is_traced_once_whatever_else_changes(features, targets, config, programs):
    program = programs.get(config, D)
    known = len(programs)
    data, order = ResidentFeatures(features), np.arange(len(features))
    for batch_size, rate in ((7, 0.1), (60, 0.3)):
        other = replace(config, batch_size=batch_size, dropout_rho=rate, l2_phi=rate, max_lr=rate)
        assert programs.get(other, D) is program
        program.reset(other, -(-60 // batch_size), 0, 0)
        program.train_epoch(data, tf.constant(targets), order, batch_size)
    assert program._compiled.experimental_get_tracing_count() == 1
    assert len(programs) == known


def test_many_structures_are_predicted_in_pieces_and_in_order(config, new_features):
    model = build_atomsets(config, D, seed=2)
    features = new_features(2 * PREDICTION_BATCH + 3)
    owner = np.repeat(np.arange(len(features)), np.diff(features.offsets)).astype(np.int32)
    whole = model([features.rows, features.multiplicity, owner])
    np.testing.assert_allclose(predict_probabilities(model, features), whole, atol=1e-6)


def test_row_order_and_supercells_do_not_change_predictions(config, features):
    model = build_atomsets(config, D, seed=2)
    pieces = [
        np.arange(a, b)[::-1] for a, b in zip(features.offsets, features.offsets[1:], strict=False)
    ]
    index = np.concatenate(pieces)
    other = OrbitFeatures(
        features.ids, features.rows[index], 4 * features.multiplicity[index], features.offsets
    )
    np.testing.assert_allclose(
        predict_probabilities(model, other), predict_probabilities(model, features), atol=1e-6
    )


def test_given_weights_replace_drawn_ones(config, programs):
    program = programs.get(config, D)
    weights = initial_weights(config, D, seed=77)
    program.reset(config, 4, 1, 1, weights)
    for name, value in program.model.named_weights().items():
        np.testing.assert_array_equal(value, weights[name])
