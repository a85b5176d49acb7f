import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.weights import load_weights
from sie.training.record import METRICS
from sie.training.trainer import Trainer


def test_a_separable_problem_is_learnt(trainer, config):
    trainer.start(config, seed=0, max_epochs=60)
    while not trainer.done:
        trainer.run_epochs(30)
    curves = trainer.curves
    assert curves["train_loss"][-1] < 0.5 * curves["train_loss"][0]
    assert curves["val_auc_pr"][-5:].mean() > 0.9
    assert curves["val_mcc"][-5:].mean() > 0.3


def test_curves_are_the_same_in_chunks(trainer, config):
    trainer.start(config, seed=5, max_epochs=7)
    whole = trainer.run_epochs(10)
    assert whole.keys() == set(METRICS)
    assert {len(curve) for curve in whole.values()} == {trainer.epoch} == {7}
    trainer.start(config, seed=5, max_epochs=7)
    parts = [trainer.run_epochs(3) for _ in range(4)]
    assert [len(part["val_ap"]) for part in parts] == [3, 3, 1, 0]
    for name in METRICS:
        joined = np.concatenate([part[name] for part in parts])
        np.testing.assert_array_equal(joined, whole[name])
        np.testing.assert_array_equal(trainer.curves[name], whole[name])


def test_seeds_differ(trainer, config):
    losses = []
    for seed in (1, 2):
        trainer.start(config, seed, max_epochs=1)
        losses.append(trainer.run_epochs(1)["train_loss"][0])
    assert losses[0] != losses[1]


def test_the_order_of_the_features_does_not_matter(features, labels, split, trainer, programs):
    config = TrialConfig(n_layers=1, n_neurons=16, readout_width=8, batch_size=16)
    trainer.start(config, seed=3, max_epochs=2)
    turned = Trainer(
        features.select(features.ids[::-1]), labels, split.train, split.validation, programs
    )
    expected = trainer.run_epochs(2)
    turned.start(config, seed=3, max_epochs=2)
    for name, curve in turned.run_epochs(2).items():
        np.testing.assert_array_equal(curve, expected[name])


def test_masks_of_an_orbit_change_nothing_but_dropout(features, labels, split, config, programs):
    parts = (features, labels, split.train, split.validation, programs)
    seen = {}
    for masks in (1, 2, 3):
        trainer = Trainer(*parts, masks_per_orbit=masks)
        for rate in (0.0, 0.3):
            trainer.start(replace(config, dropout_phi=rate, dropout_rho=rate), 8, max_epochs=3)
            seen[rate, masks] = trainer.run_epochs(3)["val_loss"]
    np.testing.assert_allclose(seen[0.0, 2], seen[0.0, 1], rtol=1e-4)
    np.testing.assert_allclose(seen[0.0, 3], seen[0.0, 1], rtol=1e-4)
    assert np.abs(seen[0.3, 2] - seen[0.3, 1]).max() > 1e-3


def test_an_orbit_has_two_masks_in_training(features, labels, split, config, programs):
    curves = []
    for masks in ({}, {"masks_per_orbit": 2}):
        trainer = Trainer(features, labels, split.train, split.validation, programs, **masks)
        trainer.start(replace(config, dropout_phi=0.3), seed=8, max_epochs=2)
        curves.append(trainer.run_epochs(2)["val_loss"])
    np.testing.assert_array_equal(*curves)


def test_a_diverged_trial_runs_no_further(features, labels, split, config, programs):
    rows = features.rows.copy()
    rows[features.offsets[features.ids.index(split.train[0])]] = 1e30
    wild = OrbitFeatures(features.ids, rows, features.multiplicity, features.offsets)
    trainer = Trainer(wild, labels, split.train, split.validation, programs)
    trainer.start(config, seed=0, max_epochs=9)
    trainer.run_epochs(9)
    assert trainer.diverged == f"training not finite in epoch {trainer.epoch + 1}"
    assert trainer.done
    assert trainer.epoch < 9
    assert {len(curve) for curve in trainer.run_epochs(5).values()} == {0}


def test_a_trial_after_a_diverged_one_is_untouched(features, labels, split, config, programs):
    # same compiled program: its weights, moments and slow weights were all NaN
    trainer = Trainer(features, labels, split.train, split.validation, programs)
    trainer.start(config, seed=4, max_epochs=2)
    clean = trainer.run_epochs(2)
    hot = replace(config, init_lr=1e30, max_lr=1e30)
    trainer.start(hot, seed=4, max_epochs=50)
    curves = trainer.run_epochs(50)
    assert trainer.diverged
    assert all(np.isfinite(curve).all() for curve in curves.values())
    trainer.start(config, seed=4, max_epochs=2)
    for name, curve in trainer.run_epochs(2).items():
        np.testing.assert_array_equal(curve, clean[name])


def test_saved_weights_carry_on_in_another_trial(trainer, config, tmp_path):
    trainer.start(config, seed=6, max_epochs=3)
    trainer.run_epochs(3)
    probabilities = trainer.validation_probabilities()
    trainer.save(tmp_path / "trained.npz")
    content = load_weights(tmp_path / "trained.npz")
    assert TrialConfig.from_mapping(content.config) == config
    assert content.about == {"dimension": 4, "seed": 6}
    trainer.start(config, seed=7, max_epochs=3, weights=content.weights)
    np.testing.assert_array_equal(trainer.validation_probabilities(), probabilities)
    trainer.run_epochs(1)
    assert (trainer.validation_probabilities() != probabilities).any()
    trainer.set_weights(content.weights)
    np.testing.assert_array_equal(trainer.validation_probabilities(), probabilities)


def test_a_split_that_does_not_fit_is_refused(features, labels, split, programs):
    def build(labels=labels, train=split.train, validation=split.validation):
        return Trainer(features, labels, train, validation, programs)

    with pytest.raises(InputError, match="training part of the split is empty"):
        build(train=())
    with pytest.raises(InputError, match="validation id nowhere has no features"):
        build(validation=("nowhere",))
    with pytest.raises(InputError, match="training id s0 has label 2; give 0 or 1"):
        build(labels={**labels, "s0": 2})
    rows = features.rows.copy()
    rows[features.offsets[3]] = np.nan
    spoilt = OrbitFeatures(features.ids, rows, features.multiplicity, features.offsets)
    with pytest.raises(InputError, match="features of training id s3 are not finite"):
        Trainer(spoilt, labels, split.train, split.validation, programs)
    with pytest.raises(InputError, match="2 labels for 60 structures"):
        build(labels=np.array([0, 1]))


def test_labels_may_be_an_array(features, labels, split, config, trainer, programs):
    array = np.array([labels[entry] for entry in features.ids])
    other = Trainer(features, array, split.train, split.validation, programs)
    losses = []
    for each in (trainer, other):
        each.start(config, seed=1, max_epochs=1)
        losses.append(each.run_epochs(1)["val_loss"])
    np.testing.assert_array_equal(*losses)


def test_a_trainer_that_lost_its_program_to_another_says_so(
    features, labels, split, config, trainer, programs
):
    other = Trainer(features, labels, split.train, split.validation, programs)
    for each in (trainer, other):
        each.start(config, seed=1, max_epochs=1)
    other.run_epochs(1)
    with pytest.raises(RuntimeError, match="another trainer"):
        trainer.run_epochs(1)


def test_nothing_runs_before_the_start(features, labels, split, programs):
    trainer = Trainer(features, labels, split.train, split.validation, programs)
    assert trainer.run_epochs(5)["train_loss"].size == 0
    with pytest.raises(RuntimeError, match="call start first"):
        trainer.weights()


REPEAT = """
import numpy as np
from sie.features.record import OrbitFeatures
from sie.hashing import content_hash
from sie.models.config import TrialConfig
from sie.training.threads import limit_threads
limit_threads(1)
from sie.training.trainer import Trainer

rng = np.random.default_rng(0)
counts = rng.integers(1, 20, size=50)
offsets = np.append(0, np.cumsum(counts))
rows = rng.normal(size=(offsets[-1], 8)).astype(np.float32)
ones = np.ones(offsets[-1], dtype=np.float32)
features = OrbitFeatures(tuple(map(str, range(50))), rows, ones, offsets)
trainer = Trainer(features, rng.integers(0, 2, size=50), features.ids[:40], features.ids[40:])
shape = dict(n_layers=1, n_neurons=32, readout_width=64)
first = TrialConfig(**shape, batch_size=16, max_lr=2e-2)
other = TrialConfig(**shape, batch_size=7, dropout_phi=0.3, l2_rho=0.1)
for config, seed in {trials}:
    trainer.start(dict(first=first, other=other)[config], seed, 3)
    print(content_hash(trainer.run_epochs(3), trainer.weights()))
"""


def hashes_of(trials):
    code = REPEAT.replace("{trials}", repr(trials))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_trial_repeats_bit_for_bit_after_another_and_in_a_fresh_process():
    one, other, again = hashes_of([("first", 1), ("other", 2), ("first", 1)])
    (fresh,) = hashes_of([("first", 1)])
    assert one == again == fresh != other
