from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from sie.errors import SieError
from sie.models.atomsets import build_atomsets
from sie.pretraining import training as module
from sie.pretraining.training import CURVES, Learner
from sie.training.program import predict_probabilities


def equal(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


@pytest.fixture(scope="module")
def trained(toy, small, programs):
    return Learner(*toy, small, programs).run()


def test_it_learns_what_the_rows_tell(trained, toy, small, programs):
    features, labels, parts = toy
    learner = Learner(features, labels, parts, small, programs)
    scores = learner.scores(trained.weights, parts.test)
    assert scores["roc_auc"] > 0.9
    assert trained.epochs == 6
    assert {name: len(curve) for name, curve in trained.curves.items()} == dict.fromkeys(CURVES, 6)


def test_scores_are_those_of_the_network_with_these_weights(trained, toy, small, programs):
    features, labels, parts = toy
    model = build_atomsets(small.config(0), features.dimension, 0)
    model.assign_weights(trained.weights)
    expected = predict_probabilities(model, features.select(parts.test))
    classes = [labels[entry] for entry in parts.test]
    found = Learner(features, labels, parts, small, programs).scores(trained.weights, parts.test)
    assert found["accuracy"] == pytest.approx(accuracy_score(classes, expected > 0.5))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(classes, expected))


def test_equal_seeds_give_equal_weights(trained, toy, small, programs):
    assert equal(Learner(*toy, small, programs).run().weights, trained.weights)
    other = Learner(*toy, replace(small, seed=6), programs).run()
    assert not equal(other.weights, trained.weights)


def test_the_weights_are_those_of_the_best_cycle(toy, small, programs):
    kept = []
    learner = Learner(*toy, replace(small, max_lr=0.3, max_epochs=8), programs)

    def look(progress):
        if progress.epochs % 2 == 0:
            kept.append(learner._program.model.named_weights())

    trained = learner.run(on_epoch=look)
    scores = trained.curves["val_auc_pr"][1::2]
    best = int(np.argmax(scores))
    assert trained.best_epoch == 2 * best + 2
    assert equal(kept[best], trained.weights)


def test_a_resumed_training_is_the_uninterrupted_one(trained, toy, small, programs, tmp_path):
    path = tmp_path / "state.npz"

    def stop(progress):
        if progress.epochs == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Learner(*toy, small, programs).run(path, stop)
    epochs = []
    resumed = Learner(*toy, small, programs).run(path, lambda p: epochs.append(p.epochs))
    assert epochs == [3, 4, 5, 6]
    assert equal(resumed.weights, trained.weights)
    assert resumed.curves == trained.curves


def test_a_state_of_another_training_is_not_used(toy, small, programs, tmp_path, caplog):
    path = tmp_path / "state.npz"
    Learner(*toy, replace(small, max_epochs=2), programs).run(path)
    epochs = []
    Learner(*toy, replace(small, max_epochs=4), programs).run(
        path, lambda p: epochs.append(p.epochs)
    )
    assert epochs == [1, 2, 3, 4]
    assert "is of other data or settings; the training starts anew" in caplog.text


def test_pieces_of_an_epoch_change_only_the_dropout(toy, small, programs, monkeypatch):
    plain = replace(small, dropout=0.0, max_epochs=2)
    whole = Learner(*toy, plain, programs).run()
    monkeypatch.setattr(module, "BATCHES_AT_ONCE", 2)
    pieces = Learner(*toy, plain, programs).run()
    for name, array in whole.weights.items():
        np.testing.assert_allclose(pieces.weights[name], array, atol=1e-6)


def test_the_rate_climbs_and_falls_once_a_cycle(toy, small, programs):
    learner = Learner(*toy, replace(small, batch_size=1, cycle_epochs=10, max_epochs=10), programs)
    rates = []
    learner.run(on_epoch=lambda _: rates.append(float(learner._program.optimiser.learning_rate())))
    assert rates[4] == max(rates) == pytest.approx(small.max_lr, rel=0.01)
    assert rates[-1] == pytest.approx(small.init_lr, rel=0.05)


def test_a_training_that_is_not_finite_is_ended(toy, small, programs):
    with pytest.raises(SieError, match=r"1x16 is not finite in epoch 1; use a lower --max-lr"):
        Learner(*toy, replace(small, init_lr=1e30, max_lr=1e30), programs).run()
