import dataclasses

import numpy as np
import pytest

from sie.comparison.record import SCORES, Evaluation, Kind
from sie.comparison.systems import SCORED_EPOCHS
from sie.models.baselines import LOGISTIC, fit
from sie.training.metrics import binary_metrics
from sie.training.record import TrialStatus


def truth(labels, split):
    return np.array([labels[entry] for entry in split.validation])


def test_a_network_is_scored_by_its_last_epochs(network, labels, folds):
    found = network.evaluate(folds[0], 3, None)
    assert found.status is TrialStatus.COMPLETED
    assert {curve.size for curve in found.curves.values()} == {12}
    for score in SCORES:
        expected = found.curves[f"val_{score}"][-SCORED_EPOCHS:].mean()
        assert found.scores[score] == pytest.approx(expected)
    assert tuple(found.probabilities) == folds[0].validation
    last = binary_metrics(truth(labels, folds[0]), np.array(list(found.probabilities.values())))
    assert last["auc_pr"] == pytest.approx(found.curves["val_auc_pr"][-1])
    again = network.evaluate(folds[0], 3, None)
    assert again.probabilities == pytest.approx(found.probabilities, abs=1e-4)


def test_a_network_that_diverges_has_no_score(network, folds):
    hot = dataclasses.replace(network.config, init_lr=1e30, max_lr=1e30)
    found = dataclasses.replace(network, config=hot).evaluate(folds[0], 0, None)
    assert found.status is TrialStatus.DIVERGED
    assert found.reason
    assert not found.scores


def test_pretrained_weights_are_where_a_network_starts(network, folds):
    from sie.training.trainer import Trainer

    split = folds[0]
    trainer = Trainer(network.features, network.labels, split.train, split.validation)
    trainer.start(network.config, 0, 40)
    trainer.run_epochs(40)
    warm = dataclasses.replace(network, weights=trainer.weights(), epochs=10)
    cold = dataclasses.replace(network, epochs=10)
    losses = [s.evaluate(split, 1, None).curves["train_loss"][0] for s in (warm, cold)]
    assert losses[0] < losses[1]
    assert len({warm.hash, cold.hash, network.hash}) == 3


def test_a_baseline_is_what_the_model_gives(forest, labels, folds):
    split = folds[1]
    found = forest.evaluate(split, 7, None)
    train = np.array([labels[entry] for entry in split.train])
    rows = forest.descriptors.rows_of
    expected = fit(forest.baseline, rows(split.train), train, 7).probabilities(
        rows(split.validation)
    )
    np.testing.assert_allclose(list(found.probabilities.values()), expected)
    assert found.scores["auc_pr"] == binary_metrics(truth(labels, split), expected)["auc_pr"]


def test_a_penalty_is_chosen_within_the_training_part(forest, folds, ids):
    split = folds[0]
    system = dataclasses.replace(forest, baseline=LOGISTIC)
    grouped = dataclasses.replace(system, groups={entry: i % 4 for i, entry in enumerate(ids)})
    assert system.evaluate(split, 0, None).settings["chosen_C"] > 0
    # the validation part must not matter
    blind = {entry: 0 if entry in split.validation else v for entry, v in system.labels.items()}
    other = dataclasses.replace(grouped, labels=blind)
    chosen = [s.evaluate(split, 0, None).settings["chosen_C"] for s in (grouped, other)]
    assert chosen[0] == chosen[1]
    assert system.hash != grouped.hash


def test_the_mean_control_scores_the_positive_fraction(controls, labels, folds):
    mean, shuffled = (control.evaluate(folds[0], 0, None) for control in controls)
    assert mean.scores["auc_pr"] == pytest.approx(truth(labels, folds[0]).mean())
    assert mean.scores["mcc"] == 0
    assert abs(shuffled.scores["mcc"]) < 3 * shuffled.scores["mcc_sd"] / np.sqrt(50)
    assert {control.kind for control in controls} == {Kind.CONTROL}


def test_what_is_written_is_read_again(network, folds):
    found = network.evaluate(folds[0], 0, None)
    again = Evaluation.from_plain(found.to_plain())
    assert again.to_plain() == found.to_plain()
