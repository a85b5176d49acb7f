"""Baselines against scikit-learn used by hand, and that validation never enters learning."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import auc, precision_recall_curve
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold

from sie.errors import InputError
from sie.models.baselines import (
    BASELINES,
    BOOSTING,
    FOREST,
    LOGISTIC,
    Baseline,
    Inputs,
    Kind,
    fit,
    fit_predict,
)

FEW_TREES = Baseline("forest", Kind.FOREST, {"n_estimators": 20})
MODELS = [LOGISTIC, FEW_TREES, BOOSTING]
by_name = pytest.mark.parametrize("baseline", MODELS, ids=lambda item: item.name)


def drawn(seed=0, n=90, gaps=0.0):
    """Return inputs of unlike scales, labels and four clusters; a share of inputs is missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) * [1, 10, 100, 1e-3, 1] + [0, 5, -70, 0, 1]
    y = (x[:, 0] + x[:, 1] / 10 + rng.normal(size=n) > 0.8).astype(int)
    x[rng.random(x.shape) < gaps] = np.nan
    return x, y, rng.integers(0, 4, size=n)


def prepared(train, other):
    """Impute and standardise by the training part, in NumPy."""
    median = np.nanmedian(train, axis=0)
    train, other = (np.where(np.isnan(part), median, part) for part in (train, other))
    mean, sd = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / sd, (other - mean) / sd


def penalty_by_hand(x, y, folds):
    """Mean AUC-PR by scikit-learn for every C, the smallest of the best."""
    scores = {}
    for penalty in LOGISTIC.settings["C_grid"]:
        values = []
        for inside, outside in folds:
            a, b = prepared(x[inside], x[outside])
            model = LogisticRegression(C=penalty, max_iter=10_000).fit(a, y[inside])
            precision, recall, _ = precision_recall_curve(y[outside], model.predict_proba(b)[:, 1])
            values.append(auc(recall, precision))
        scores[penalty] = np.mean(values)
    best = max(scores.values())
    return min(c for c, value in scores.items() if value > best - 1e-9), best


@pytest.mark.parametrize("clustered", [False, True])
def test_logistic_regression_is_that_of_scikit_learn_on_inner_folds(clustered):
    x, y, groups = drawn(seed=4, gaps=0.1)
    train, rest = np.arange(60), np.arange(60, 90)
    if clustered:
        folds = list(LeaveOneGroupOut().split(x[train], y[train], groups[train]))
    else:
        folds = list(StratifiedKFold(5, shuffle=True, random_state=7).split(x[train], y[train]))
    penalty, score = penalty_by_hand(x[train], y[train], folds)
    fitted = fit(LOGISTIC, x[train], y[train], 7, groups[train] if clustered else None)
    assert fitted.chosen["C"] == penalty
    assert fitted.chosen["inner_auc_pr"] == pytest.approx(score)
    a, b = prepared(x[train], x[rest])
    expected = LogisticRegression(C=penalty, max_iter=10_000).fit(a, y[train]).predict_proba(b)
    np.testing.assert_allclose(fitted.probabilities(x[rest]), expected[:, 1], atol=1e-6)


def test_trees_are_those_of_scikit_learn():
    x, y, _ = drawn()
    train, rest = x[:60], x[60:]
    for baseline, peer in (
        (FOREST, RandomForestClassifier(400, random_state=5)),
        (BOOSTING, GradientBoostingClassifier(random_state=5)),
    ):
        expected = peer.fit(train, y[:60]).predict_proba(rest)[:, 1]
        np.testing.assert_array_equal(fit_predict(baseline, train, y[:60], rest, 5), expected)


@by_name
def test_same_seed_same_numbers(baseline):
    x, y, groups = drawn(gaps=0.1)
    first, again = (fit_predict(baseline, x[:60], y[:60], x[60:], 3, groups[:60]) for _ in "ab")
    np.testing.assert_array_equal(first, again)
    assert first.shape == (30,)
    assert ((first >= 0) & (first <= 1)).all()


def test_seeds_draw_other_trees():
    x, y, _ = drawn()
    one, other = (fit_predict(FEW_TREES, x[:60], y[:60], x[60:], seed) for seed in (1, 2))
    assert (one != other).any()


@by_name
def test_a_prediction_does_not_depend_on_its_company(baseline):
    x, y, _ = drawn(gaps=0.2)
    fitted = fit(baseline, x[:60], y[:60], 0)
    together = fitted.probabilities(x[60:])
    alone = np.concatenate([fitted.probabilities(row[None]) for row in x[60:]])
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@by_name
def test_a_column_without_values_in_training_changes_nothing(baseline):
    x, y, _ = drawn()
    empty = np.where(np.arange(len(x)) < 60, np.nan, 1e3)[:, None]
    wider = np.concatenate([x, empty], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit(baseline, wider[:60], y[:60], 0)
        found = fitted.probabilities(wider[60:])
    other = wider[60:].copy()
    other[:, -1] = -5
    np.testing.assert_array_equal(found, fitted.probabilities(other))


def test_clusters_of_one_class_are_no_inner_folds():
    x, y, _ = drawn()
    groups = np.where(y == 1, 0, np.arange(len(y)) % 2)  # cluster 1 is all negative
    fitted = fit(LOGISTIC, x, y, 0, groups)  # neither can be left out: stratified folds
    assert fitted.chosen == fit(LOGISTIC, x, y, 0).chosen


def test_too_few_entries_to_choose_a_penalty():
    x, y = np.arange(8.0)[:, None], np.array([0] * 7 + [1])
    chosen = fit(LOGISTIC, x, y, 0).chosen
    assert chosen["C"] == 1
    assert np.isnan(chosen["inner_auc_pr"])


@by_name
def test_unusable_input_is_refused(baseline):
    x, y, _ = drawn()
    with pytest.raises(InputError, match=r"labels 0 and 1, but got \[1\]"):
        fit(baseline, x, np.ones_like(y), 0)
    x[3, 2] = np.inf
    with pytest.raises(InputError, match="not inf"):
        fit(baseline, x, y, 0)


def test_the_registry_names_model_and_inputs():
    assert set(BASELINES) == {
        "logistic-sendek",
        "forest-fractions",
        "forest-statistics",
        "boosting-fractions",
        "boosting-statistics",
        "forest-pooled",
        "boosting-pooled",
        "logistic-pooled",
    }
    for name, system in BASELINES.items():
        assert name == f"{system.model.name}-{system.inputs}"
        assert system.inputs in set(Inputs)
        assert system.model.kind in set(Kind)
    assert FOREST.settings["n_estimators"] == 400
