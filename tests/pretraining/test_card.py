import json
from dataclasses import replace

import numpy as np
import pytest

from sie.models import pretrained
from sie.models.pretrained import load_starting_weights, read_pretrained
from sie.pretraining.card import save_network
from sie.pretraining.sources import Source
from sie.pretraining.training import Learner
from sie.training.metrics import binary_metrics
from sie.training.trainer import Trainer


@pytest.fixture(autouse=True)
def _nothing_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "shipped")


def test_network_and_card_are_read_back(tmp_path, toy, small, programs, table):
    features, labels, parts = toy
    learner = Learner(features, labels, parts, small, programs)
    trained = learner.run()
    source = Source("toy.parquet", "ab" * 32, table)
    path, card = save_network(
        tmp_path / "CAMN-V1-1x16.npz", source, learner, trained, parts, {"subset": "all"}
    )
    assert json.loads(path.with_suffix(".json").read_text()) == card
    found = read_pretrained(path)
    assert found.about == card
    assert (found.config, found.dimension) == (small.config(0), features.dimension)
    for name, array in trained.weights.items():
        np.testing.assert_allclose(found.weights[name], array, rtol=1e-3, atol=1e-6)
    scores = learner.scores(found.weights, parts.test)
    assert card["test"] == {name: round(value, 4) for name, value in scores.items()}
    assert card["data"]["n_test"] == len(parts.test)
    assert card["data"]["sha256"] == "ab" * 32
    assert card["subset"] == "all"
    start = load_starting_weights("CAMN", 1, features.dimension, tmp_path).of(small.config(0))
    assert start.keys() == trained.weights.keys()


def test_a_trial_starts_from_the_weights(tmp_path, toy, small, programs, table):
    features, labels, parts = toy
    learner = Learner(features, labels, parts, small, programs)
    trained = learner.run()
    save_network(
        tmp_path / "CAMN-V1-1x16.npz", Source("toy", "", table), learner, trained, parts, {}
    )
    config = replace(small.config(0), batch_size=32, dropout_phi=0.3)
    start = load_starting_weights("CAMN", 1, features.dimension, tmp_path).of(config)
    trainer = Trainer(features, labels, parts.train, parts.test, programs)
    trainer.start(config, 1, 2, start)
    warm = binary_metrics(
        np.array([labels[entry] for entry in parts.test]), trainer.validation_probabilities()
    )
    expected = learner.scores(start, parts.test)
    assert {name: expected[name] for name in warm} == pytest.approx(warm)
    trainer.start(config, 1, 2, start)
    trainer.run_epochs(2)
    assert not trainer.diverged
    idle = trainer.weights()["readout/idle_kernel"]  # no gradient: its norm is what it was
    np.testing.assert_array_equal(idle, start["readout/idle_kernel"])
