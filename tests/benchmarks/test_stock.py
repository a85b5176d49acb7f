from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from race.stock import (
    AtomSequence,
    compile_stock,
    fit_stock,
    give_weights,
    largest_difference,
    predict_stock,
    primitive_atoms,
    restart,
    stock_model,
    take_weights,
)

from sie.features.record import OrbitFeatures
from sie.models.atomsets import build_atomsets, initial_weights
from sie.models.config import TrialConfig
from sie.training.program import Program, ResidentFeatures

D = 5
PLAIN = TrialConfig(
    n_layers=2,
    n_neurons=12,
    readout_width=8,
    batch_size=8,
    dropout_phi=0,
    dropout_rho=0,
    l2_phi=0.02,
    l2_rho=0.1,
    init_lr=1e-3,
    max_lr=3e-2,
)


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(3)
    offsets = np.append(0, np.cumsum(rng.integers(1, 6, size=30)))
    rows = rng.normal(size=(offsets[-1], D)).astype(np.float32)
    multiplicity = 2 * rng.integers(1, 9, size=offsets[-1]).astype(np.float32)
    return OrbitFeatures(tuple(f"s{i}" for i in range(30)), rows, multiplicity, offsets)


@pytest.fixture(scope="module")
def labels(features):
    drawn = np.random.default_rng(4).integers(0, 2, size=len(features))
    return dict(zip(features.ids, drawn.tolist(), strict=True))


@pytest.fixture(scope="module")
def atoms(features):
    return primitive_atoms(features, dict.fromkeys(features.ids, 2))


def sequence(atoms, labels, **kwargs):
    return AtomSequence(atoms, labels, atoms.ids, PLAIN.batch_size, **kwargs)


def test_atoms_are_orbits_repeated_and_a_wrong_cell_is_refused(features, atoms):
    assert len(atoms.rows) == features.multiplicity.sum() / 2
    for i, entry in enumerate(features.ids):
        here = slice(features.offsets[i], features.offsets[i + 1])
        distinct, counts = np.unique(atoms.of(entry), axis=0, return_counts=True)
        order = np.lexsort(features.rows[here].T[::-1])
        np.testing.assert_array_equal(distinct, features.rows[here][order])
        np.testing.assert_array_equal(2 * counts, features.multiplicity[here][order])
    with pytest.raises(ValueError, match="no multiple"):
        primitive_atoms(features, dict.fromkeys(features.ids, 32))


@pytest.mark.parametrize(("n_layers", "n_neurons"), [(2, 12), (3, 7)])
def test_equal_weights_give_equal_outputs(features, atoms, n_layers, n_neurons):
    config = replace(PLAIN, n_layers=n_layers, n_neurons=n_neurons, dropout_phi=0.5)
    stock, ours = stock_model(config, D, seed=1), build_atomsets(config, D, seed=2)
    assert largest_difference(stock, ours, features, atoms) < 1e-6
    other = build_atomsets(config, D, seed=9)
    take_weights(stock, other.named_weights())
    for name, value in give_weights(stock).items():
        np.testing.assert_allclose(value, other.named_weights()[name], rtol=1e-6)
    swapped = OrbitFeatures(
        features.ids, features.rows[::-1], features.multiplicity, features.offsets
    )
    assert largest_difference(stock, ours, swapped, atoms) > 1e-3


def test_twelve_steps_of_fit_are_three_epochs_of_the_engine(features, labels, atoms):
    steps = 4  # three batches of 8 structures and one of 6
    start = initial_weights(PLAIN, D, seed=5)
    stock = stock_model(PLAIN, D, seed=0)
    take_weights(stock, start)
    train = sequence(atoms, labels)
    compile_stock(stock, PLAIN, steps)
    history = fit_stock(stock, train, train, epochs=3)
    program = Program(PLAIN, D)
    program.reset(PLAIN, steps, 0, 0, start)
    data = ResidentFeatures(features)
    targets = tf.constant([labels[entry] for entry in features.ids], tf.float32)
    for _ in range(3):
        program.train_epoch(data, targets, np.arange(len(features)), PLAIN.batch_size)
    trained = program.model.named_weights()
    for name, value in give_weights(stock).items():
        np.testing.assert_allclose(value, trained[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert len(history) == 20  # loss and nine metrics of both parts
    assert history["val_tp"][-1] + history["val_fn"][-1] == sum(labels.values())


def test_a_restarted_model_trains_as_a_new_one(features, labels, atoms):
    weights = stock_model(PLAIN, D, seed=6).get_weights()
    model = stock_model(PLAIN, D, seed=7)
    compile_stock(model, PLAIN, 4, with_metrics=False)
    ends = []
    for _ in range(2):
        restart(model, weights)
        fit_stock(model, sequence(atoms, labels, seed=8), None, epochs=2)
        ends.append(model.get_weights())
    for first, second in zip(*ends, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
    moved = max(np.abs(a - b).max() for a, b in zip(weights, ends[0], strict=True))
    assert moved > 1e-3


def test_a_seeded_sequence_is_shuffled_whole_and_again_the_same(atoms, labels):
    one, same = (sequence(atoms, labels, seed=1) for _ in range(2))
    model = stock_model(PLAIN, D, seed=1)
    before = predict_stock(model, one)
    for each in (one, same):
        each.on_epoch_end()
    after = predict_stock(model, one)
    np.testing.assert_array_equal(after, predict_stock(model, same))
    assert (after != before).any()
    np.testing.assert_allclose(np.sort(after), np.sort(before), atol=1e-6)
    known = dict(zip(np.round(before, 5), sequence(atoms, labels).labels, strict=True))
    assert [known[value] for value in np.round(after, 5)] == one.labels.tolist()
