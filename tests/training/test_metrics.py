import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from sie.training.metrics import binary_log_loss, binary_metrics
from sie.training.record import METRICS

# few distinct values: ties between classes are the rule, 0.5 among them
pairs = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.500001, 0.8, 1.0])),
    min_size=2,
    max_size=40,
)


def split_pairs(drawn):
    labels, scores = zip(*drawn, strict=True)
    return np.array(labels), np.array(scores)


def from_sklearn(labels, scores):
    precision, recall, _ = peer.precision_recall_curve(labels, scores)
    # its last point, precision 1 at recall 0, is a convention; ours is the last measured precision
    precision[-1] = precision[-2]
    predicted = (scores > 0.5).astype(int)
    return {
        "auc_pr": peer.auc(recall, precision),
        "ap": peer.average_precision_score(labels, scores),
        "roc_auc": peer.roc_auc_score(labels, scores),
        "mcc": peer.matthews_corrcoef(labels, predicted),
        "f1": peer.f1_score(labels, predicted),
        "balanced_accuracy": peer.balanced_accuracy_score(labels, predicted),
    }


@settings(deadline=None)
@given(pairs.filter(lambda drawn: len({label for label, _ in drawn}) == 2))
def test_scores_are_those_of_scikit_learn(drawn):
    labels, scores = split_pairs(drawn)
    found = binary_metrics(labels, scores)
    expected = from_sklearn(labels, scores)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_scores_without_ties_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(0, 2, size=60), [0, 1])
    scores = rng.random(62)
    found = binary_metrics(labels, scores)
    for name, value in from_sklearn(labels, scores).items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    precision, recall, _ = peer.precision_recall_curve(labels, scores)
    assert found["auc_pr"] == pytest.approx(peer.auc(recall, precision), abs=1e-12)


@settings(deadline=None)
@given(pairs)
def test_one_class_leaves_undefined_what_needs_two(drawn):
    _, scores = split_pairs(drawn)
    without = binary_metrics(np.zeros(len(scores), int), scores)
    assert all(np.isnan(value) for value in without.values())
    only = binary_metrics(np.ones(len(scores), int), scores)
    assert {name for name, value in only.items() if np.isnan(value)} == {
        "roc_auc",
        "mcc",
        "balanced_accuracy",
    }
    assert only["ap"] == pytest.approx(1)
    assert only["auc_pr"] == pytest.approx(1)


def test_a_constant_prediction_scores_as_the_mean_control():
    labels = np.array([1, 0, 0, 1, 0])
    found = binary_metrics(labels, np.full(5, 0.4))
    assert found["mcc"] == 0
    assert found["roc_auc"] == found["balanced_accuracy"] == 0.5
    assert [found["ap"], found["auc_pr"]] == pytest.approx([0.4, 0.4])


def test_names_are_those_of_the_recorded_curves():
    names = {f"val_{name}" for name in binary_metrics(np.array([0, 1]), np.array([0.0, 1.0]))}
    assert names | {"val_loss", "train_loss"} == set(METRICS)


@settings(deadline=None)
@given(pairs.filter(lambda drawn: len({label for label, _ in drawn}) == 2))
def test_log_loss_is_that_of_scikit_learn(drawn):
    labels, logits = split_pairs(drawn)
    logits = 20 * (logits - 0.5)
    expected = peer.log_loss(labels, 1 / (1 + np.exp(-logits)))
    assert binary_log_loss(labels, logits) == pytest.approx(expected, rel=1e-6)


def test_log_loss_of_certain_predictions_is_finite_and_exact():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert binary_log_loss(np.array([1, 0]), np.float32([1e4, 1e4])) == 5e3
