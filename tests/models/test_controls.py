"""Controls against exact expectations: closed forms, and all orders of a small set of labels."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sie.errors import InputError
from sie.models.controls import mean_control, shuffled_control
from sie.training.metrics import binary_metrics

labels = st.lists(st.integers(0, 1), min_size=1, max_size=60).map(np.array)


@settings(deadline=None)
@given(labels, labels)
def test_mean_control_scores_the_positive_fraction(train, validation):
    assume(0 < validation.sum() < len(validation))
    found = mean_control(train, validation)
    fraction = validation.sum() / len(validation)
    assert found["auc_pr"] == fraction
    assert found["ap"] == fraction
    assert found["mcc"] == 0
    assert found["roc_auc"] == found["balanced_accuracy"] == 0.5
    all_positive = 2 * fraction / (1 + fraction)
    assert found["f1"] == pytest.approx(all_positive if train.mean() > 0.5 else 0)


@pytest.mark.parametrize("positives", [1, 2, 4])
def test_shuffled_control_nears_the_mean_over_all_orders(positives):
    given_labels = np.array([1] * positives + [0] * (6 - positives))
    every = [binary_metrics(given_labels, np.array(order)) for order in permutations(given_labels)]
    found = shuffled_control(given_labels, n_permutations=2000, seed=3)
    assert set(found.mean) == set(found.sd) == set(every[0])
    for name, mean in found.mean.items():
        exact = np.array([item[name] for item in every])
        assert mean == pytest.approx(exact.mean(), abs=4 * exact.std() / np.sqrt(2000)), name
        assert found.sd[name] == pytest.approx(exact.std(), rel=0.1), name
    assert np.mean([item["mcc"] for item in every]) == pytest.approx(0, abs=1e-12)


def test_shuffled_control_is_repeatable_and_seeded():
    given_labels = np.array([0, 1, 1, 0, 0, 1, 0])
    assert shuffled_control(given_labels, 50, 1) == shuffled_control(given_labels, 50, 1)
    assert shuffled_control(given_labels, 50, 1) != shuffled_control(given_labels, 50, 2)


def test_one_class_leaves_scores_undefined():
    found = shuffled_control(np.zeros(5, int), 10, 0)
    assert all(np.isnan(value) for value in [*found.mean.values(), *found.sd.values()])


def test_unusable_input_is_refused():
    empty, full = np.zeros(0, int), np.array([0, 1])
    with pytest.raises(InputError, match="validation part is empty"):
        shuffled_control(empty)
    with pytest.raises(InputError, match="at least 2 permutations, got 1"):
        shuffled_control(full, 1)
    with pytest.raises(InputError, match="training part is empty"):
        mean_control(empty, full)
    with pytest.raises(InputError, match="validation part is empty"):
        mean_control(full, empty)
