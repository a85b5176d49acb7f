"""Baselines from scikit-learn on one vector per crystal: logistic regression, forest, boosting.

Learning only; the vectors come from sie.features, scores and records are made elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sie.errors import InputError
from sie.training.metrics import binary_metrics

log = logging.getLogger(__name__)

INNER_FOLDS = 5
DEFAULT_C = 1.0
"""Inverse penalty where the training part is too small to choose one."""


class Kind(StrEnum):
    """Which estimator learns."""

    LOGISTIC = "logistic"
    FOREST = "forest"
    BOOSTING = "boosting"


class Inputs(StrEnum):
    """Which vector of a crystal it learns from."""

    SENDEK = "sendek"
    FRACTIONS = "fractions"
    STATISTICS = "statistics"
    POOLED = "pooled"


@dataclass(frozen=True)
class Baseline:
    """A way to learn, before it has seen data.

    Attributes
    ----------
    name : str
        What tables call it.
    kind : Kind
        The estimator.
    settings : Mapping
        Arguments of the scikit-learn class; for logistic regression also `C_grid`, the inverse
        penalties to choose from.
    """

    name: str
    kind: Kind
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedBaseline:
    """A baseline that has learnt.

    Attributes
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Imputation, for logistic regression standardisation, and the estimator.
    chosen : Mapping[str, float]
        What was chosen by inner cross-validation: `C` and its score `inner_auc_pr` (NaN where there
        was nothing to choose by); empty for the other kinds.
    """

    pipeline: Any
    chosen: Mapping[str, float] = field(default_factory=dict)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Return the probability of class 1, shape (n,), for vectors (n, d)."""
        with threadpool_limits(1):
            return self.pipeline.predict_proba(x)[:, 1]


@dataclass(frozen=True)
class System:
    """A baseline and the vectors it learns from: one row of the tables."""

    model: Baseline
    inputs: Inputs


LOGISTIC = Baseline(
    "logistic", Kind.LOGISTIC, {"C_grid": tuple(10.0**k for k in range(-4, 5)), "max_iter": 10_000}
)
FOREST = Baseline("forest", Kind.FOREST, {"n_estimators": 400})
BOOSTING = Baseline(
    "boosting", Kind.BOOSTING, {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 3}
)
"""The forest has scikit-learn's defaults but 400 trees, boosting all of its defaults."""

BASELINES: Mapping[str, System] = {
    f"{model.name}-{inputs}": System(model, inputs)
    for model, inputs in (
        (LOGISTIC, Inputs.SENDEK),
        *product((FOREST, BOOSTING), (Inputs.FRACTIONS, Inputs.STATISTICS)),
        *product((LOGISTIC, FOREST, BOOSTING), (Inputs.POOLED,)),
    )
}
"""The systems that stand in every table, by the name they have there."""


def fit_predict(
    baseline: Baseline,
    train_x: np.ndarray,
    train_y: np.ndarray,
    validation_x: np.ndarray,
    seed: int,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Learn from the training part and return validation probabilities, shape (n_validation,).

    Parameters, errors and what is learnt are those of `fit`; `validation_x` is (n_validation, d).
    """
    return fit(baseline, train_x, train_y, seed, groups).probabilities(validation_x)


def fit(
    baseline: Baseline,
    train_x: np.ndarray,
    train_y: np.ndarray,
    seed: int,
    groups: np.ndarray | None = None,
) -> FittedBaseline:
    """Learn from the training part alone: medians, scales, penalty, estimator.

    A missing number becomes the training part's median of its column (0 where the training part has
    none). Logistic regression (L2) sees standardised columns and takes the penalty with the highest
    mean AUC-PR in inner cross-validation, the strongest of equals; medians and scales are found
    again inside. The same seed gives the same numbers; it draws the trees of a forest, the order
    in which boosting looks at columns, and inner folds, so logistic regression with `groups` does
    not depend on it.

    Parameters
    ----------
    baseline : Baseline
        What learns.
    train_x : numpy.ndarray
        Shape (n, d), NaN where a number is missing.
    train_y : numpy.ndarray
        Shape (n,): 0 or 1.
    seed : int
        Random state.
    groups : numpy.ndarray, optional
        Shape (n,): cluster of every entry; inner cross-validation then leaves one cluster out, as
        the outer one does, instead of a random stratified fifth.

    Raises
    ------
    InputError
        When the training part holds a single class or numbers that are infinite.
    """
    x, y = np.asarray(train_x, dtype=np.float64), np.asarray(train_y)
    _check(baseline, x, y)
    with threadpool_limits(1):
        chosen: dict[str, float] = {}
        if baseline.kind is Kind.LOGISTIC:
            chosen = _choose_penalty(baseline, x, y, _inner_folds(y, seed, groups))
        return FittedBaseline(_pipeline(baseline, seed, chosen.get("C")).fit(x, y), chosen)


def _check(baseline: Baseline, x: np.ndarray, y: np.ndarray) -> None:
    if set(y.tolist()) != {0, 1}:
        raise InputError(
            f"{baseline.name}: training needs labels 0 and 1, but got {sorted(set(y.tolist()))}; "
            "use another split"
        )
    if np.isinf(x).any():
        raise InputError(f"{baseline.name}: inputs must be finite, or NaN where missing, not inf")


def _pipeline(baseline: Baseline, seed: int, penalty: float | None) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # an empty column becomes constant; dropping it would say so with a warning in every fold
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    settings = {name: value for name, value in baseline.settings.items() if name != "C_grid"}
    match baseline.kind:
        case Kind.LOGISTIC:
            return make_pipeline(
                imputer, StandardScaler(), LogisticRegression(C=penalty, **settings)
            )
        case Kind.FOREST:
            return make_pipeline(
                imputer, RandomForestClassifier(random_state=seed, n_jobs=1, **settings)
            )
        case Kind.BOOSTING:
            return make_pipeline(imputer, GradientBoostingClassifier(random_state=seed, **settings))


def _choose_penalty(
    baseline: Baseline, x: np.ndarray, y: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> dict[str, float]:
    if not folds:
        log.warning("%s: too few entries to choose a penalty; C = %g", baseline.name, DEFAULT_C)
        return {"C": DEFAULT_C, "inner_auc_pr": np.nan}
    best = {"C": np.nan, "inner_auc_pr": -np.inf}
    for penalty in sorted(baseline.settings["C_grid"]):
        drawn = []
        for train, left_out in folds:
            fitted = _pipeline(baseline, 0, penalty).fit(x[train], y[train])
            predicted = fitted.predict_proba(x[left_out])[:, 1]
            drawn.append(binary_metrics(y[left_out], predicted)["auc_pr"])
        # rounding noise in the mean must not prefer a weaker penalty
        if np.mean(drawn) > best["inner_auc_pr"] + 1e-9:
            best = {"C": penalty, "inner_auc_pr": float(np.mean(drawn))}
    return best


def _inner_folds(
    y: np.ndarray, seed: int, groups: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (training, left out) positions; both classes stand on either side of each."""
    from sklearn.model_selection import StratifiedKFold

    if groups is not None:
        masks = [np.asarray(groups) == group for group in np.unique(groups)]
        folds = [(np.flatnonzero(~inside), np.flatnonzero(inside)) for inside in masks]
        usable = [fold for fold in folds if all(len(set(y[part])) == 2 for part in fold)]
        if usable:
            return usable
        log.warning("no training cluster holds both classes; stratified inner folds instead")
    n_splits = min(INNER_FOLDS, int(np.bincount(y).min()))
    if n_splits < 2:
        return []
    return list(StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(y, y))
