"""Scores of the test set against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

from sie.evaluation.scores import (
    SCORES,
    calibration,
    confusion,
    evaluation_scores,
    predicted_classes,
)

PAIRS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 20).map(lambda x: x / 20)), min_size=1, max_size=60
)


def split(pairs):
    return np.array([y for y, _ in pairs]), np.array([p for _, p in pairs])


@settings(deadline=None)
@given(PAIRS)
def test_brier_and_confusion_are_those_of_scikit_learn(pairs):
    y, p = split(pairs)
    found = evaluation_scores(y, p)
    assert set(found) == set(SCORES)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(y, p, pos_label=1))
    counts = confusion(y, p)
    assert [
        [counts.true_negative, counts.false_positive],
        [counts.false_negative, counts.true_positive],
    ] == metrics.confusion_matrix(y, p > 0.5, labels=[0, 1]).tolist()
    if 0 < y.sum() < len(y):
        predicted = predicted_classes(p)
        assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(y, predicted))
        assert found["balanced_accuracy"] == pytest.approx(
            metrics.balanced_accuracy_score(y, predicted)
        )


@settings(deadline=None)
@given(PAIRS, st.integers(1, 12))
def test_calibration_is_that_of_scikit_learn(pairs, n_bins):
    y, p = split(pairs)
    found = calibration(y, p, n_bins)
    observed, predicted = calibration_curve(y, p, n_bins=n_bins, strategy="uniform")
    full = found.counts > 0
    assert found.observed[full] == pytest.approx(observed)
    assert found.predicted[full] == pytest.approx(predicted)
    assert found.counts.sum() == len(y)
    assert np.isnan(found.observed[~full]).all()
