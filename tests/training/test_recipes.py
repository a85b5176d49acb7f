"""Trainings beyond the article's recipe: alone, side by side, kept; and the article's unchanged."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sie.models.config import TrialConfig
from sie.models.forward import log_odds, stack
from sie.models.inputs import input_statistics
from sie.training.aims import loss_terms
from sie.training.program import KEPT, ProgramCache, sigmoid
from sie.training.stacked import StackedTrainer
from sie.training.trainer import Trainer

RECIPES = [
    {"optimiser": "adamw", "schedule": "cosine", "decay_epochs": 3, "standardise": True},
    {"pooling": "attention", "activation": "tanh", "optimiser": "adam", "schedule": "constant"},
    {"pooling": "mean", "activation": "silu", "class_weight": "balanced", "label_smoothing": 0.2},
]
BEFORE = Path(__file__).parent / "article_curves.json"


@pytest.mark.parametrize("changes", RECIPES, ids=lambda changes: next(iter(changes.values())))
def test_members_side_by_side_and_kept_scores_are_those_of_a_trainer(
    features, labels, split, config, changes
):
    configs = [replace(config, **changes), replace(config, **changes, max_lr=2e-2, l2_phi=0.1)]
    trainer = Trainer(features, labels, split.train, split.validation)
    members = StackedTrainer(features, labels, split.train).train(configs, (3, 5), 4)
    for member, given, seed in zip(members, configs, (3, 5), strict=True):
        trainer.start(given, seed, 4)
        trainer.run_epochs(4)
        weights = trainer.weights()
        assert member.weights.keys() == weights.keys()
        for name, value in weights.items():
            np.testing.assert_allclose(
                member.weights[name], value, rtol=1e-4, atol=2e-5, err_msg=name
            )
        np.testing.assert_allclose(member.train_loss, trainer.curves["train_loss"], rtol=1e-4)
        validation = features.select(split.validation)
        kept = sigmoid(log_odds(stack([weights]), given, validation)[0])
        np.testing.assert_allclose(kept, trainer.validation_probabilities(), atol=2e-6)


def test_statistics_are_those_of_the_training_part(features, labels, split, config):
    trainer = Trainer(features, labels, split.train, split.validation)
    trainer.start(replace(config, standardise=True), 0, 1)
    expected = input_statistics(features.select(split.train))
    for name, array in expected.items():
        np.testing.assert_array_equal(trainer.weights()[name], array)
    trainer.set_weights(trainer.weights())
    trainer.start(config, 0, 1)
    assert not set(expected) & set(trainer.weights())


def test_scores_repeat_whatever_ran_before(features, labels, split, config):
    other = replace(config, **RECIPES[0])
    trainer = Trainer(features, labels, split.train, split.validation)
    curves = []
    for given in (config, other, config, other):
        trainer.start(given, 1, 3)
        curves.append(trainer.run_epochs(3)["train_loss"])
    np.testing.assert_allclose(curves[0], curves[2], rtol=1e-6)
    np.testing.assert_allclose(curves[1], curves[3], rtol=1e-6)
    assert not np.allclose(curves[0], curves[1], rtol=1e-3)


def test_one_step_aims_at_smoothed_and_weighted_labels(features, labels, split, config):
    """One batch of all, no dropout, Adam: its first step is the sign of the gradient."""
    given = replace(
        config, batch_size=64, dropout_phi=0.0, dropout_rho=0.0, optimiser="adam",
        schedule="constant", label_smoothing=0.4, class_weight="balanced",
    )  # fmt: skip
    trainer = Trainer(features, labels, split.train, split.train)
    trainer.start(given, 0, 1)
    program, y = trainer._program, np.array([labels[i] for i in split.train], np.float32)
    before = trainer.weights()
    logits = program.predict(trainer._train)
    loss = trainer.run_epochs(1)["train_loss"][0]
    plain = tf.nn.sigmoid_cross_entropy_with_logits(y, logits)
    np.testing.assert_allclose(loss, np.mean(plain), rtol=1e-5)
    targets, weights = loss_terms(given, y)
    step = trainer.weights()["score/bias"] - before["score/bias"]
    downhill = -np.mean(weights * (sigmoid(logits) - targets))
    assert np.sign(step[0]) == np.sign(downhill)
    np.testing.assert_allclose(abs(step[0]), given.max_lr, rtol=1e-3)


def test_the_articles_curves_are_those_of_before(features, labels, split):
    """Written with the sources of f2913d8; there bit for bit on one machine, here to rounding."""
    trainer = Trainer(features, labels, split.train, split.validation)
    for case in json.loads(BEFORE.read_text()):
        trainer.start(TrialConfig.from_mapping(case["config"]), case["seed"], 8)
        curves = trainer.run_epochs(8)
        for name, values in case["curves"].items():
            np.testing.assert_allclose(curves[name], values, rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_cache_forgets_what_was_not_used_for_longest(monkeypatch, config):
    from sie.training import program

    monkeypatch.setattr(program, "Program", lambda config, dimension: object())
    cache = ProgramCache()
    configs = [replace(config, n_neurons=n) for n in range(1, KEPT + 2)]
    first = [cache.get(item, 4) for item in configs[:KEPT]]
    assert cache.get(configs[0], 4) is first[0]
    cache.get(configs[-1], 4)  # one too many: the second is gone, the first was used since
    assert len(cache) == KEPT
    assert cache.get(configs[0], 4) is first[0]
    assert cache.get(configs[1], 4) is not first[1]
