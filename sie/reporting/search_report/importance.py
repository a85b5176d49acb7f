"""Which hyperparameters mattered, by Optuna's evaluators, with their spread and what chance gives.

Knows Optuna and a trial table; drawing is the business of `parameter_plots`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.reporting.search_report.trial_table import Axis, TrialTable

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator
    from optuna.study import Study as OptunaStudy

LEAST_TRIALS = 12
"""Below this no importance is given: an evaluator would always name a winner."""

FEW_TRIALS = 60
"""Below this the numbers come with a warning."""

FANOVA_TRIALS = 120
"""Trials that fANOVA is given at once: its time grows faster than their number."""

TREES = 16
BEST = 0.25
"""Share of the trials that PED-ANOVA contrasts with all; Optuna's 0.1 needs 50 trials and more."""

LEAST_DRAWS = 5
SEEDS = 3
"""Evaluations of the trials as they are: random forests differ from seed to seed."""


@dataclass(frozen=True)
class Method:
    """An evaluator: its name, what it measures, how often and on how many trials it is run."""

    name: str
    meaning: str
    draws: int
    most_trials: int
    make: Callable[[int], BaseImportanceEvaluator]


@dataclass(frozen=True)
class Importance:
    """Importances by one method, on a scale on which `values` sum to 1.

    Resamplings are not brought to a sum of 1 each, as Optuna does by default: where nothing
    matters, that would turn noise into importance.

    Attributes
    ----------
    method, meaning : str
        Name of the evaluator, and what a large value says.
    names : tuple of str
        Hyperparameters, the most important first.
    values : numpy.ndarray
        Shape (n_names,): importance on all trials.
    halves : numpy.ndarray
        Shape (n_draws, n_names): on a random half of the trials each, which spreads as new trials
        would.
    chance : numpy.ndarray
        Shape (n_names,): 95th percentile over shuffles of the outcomes.
    """

    method: str
    meaning: str
    names: tuple[str, ...]
    values: np.ndarray
    halves: np.ndarray
    chance: np.ndarray

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """5th and 95th percentile over random halves, shape (n_names,) each."""
        low, high = np.percentile(self.halves, (5, 95), axis=0)
        return low, high

    @property
    def beyond_chance(self) -> np.ndarray:
        """Whether the importance exceeds what chance gives, shape (n_names,)."""
        return self.values > self.chance


def methods() -> tuple[Method, ...]:
    """Return the evaluators, fit for the installed Optuna."""
    from optuna import importance

    return (
        Method(
            "fANOVA",
            "share of the variance of the outcomes that the hyperparameter alone explains in a "
            "random forest (Hutter et al., ICML 2014)",
            16,
            FANOVA_TRIALS,
            lambda seed: importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed),
        ),
        Method(
            "PED-ANOVA",
            "how far the values of the best quarter of the trials differ from those of all "
            "(Watanabe et al., IJCAI 2023)",
            40,
            10_000,
            lambda seed: importance.PedAnovaImportanceEvaluator(target_quantile=BEST),
        ),
    )


def importances(table: TrialTable, seed: int = 0, draws: float = 1.0) -> tuple[Importance, ...]:
    """Return importances by every method; empty where there are too few trials or hyperparameters.

    The spread comes from random halves of the trials, what chance gives from outcomes that are
    shuffled; both within each cluster, and with another seed of the evaluator each time.

    Parameters
    ----------
    table : TrialTable
        Scored trials.
    seed : int
        Of the resampling and the evaluators.
    draws : float
        Factor on the number of halves and shuffles.
    """
    if obstacle(table):
        return ()
    return tuple(_importance(method, table, seed, draws) for method in methods())


def obstacle(table: TrialTable) -> str:
    """Return why importances cannot be given; empty where they can."""
    n = len(table)
    if n < LEAST_TRIALS:
        return f"{n} scored trials are too few for importances: at least {LEAST_TRIALS} are needed."
    if len(table.axes) < 2:
        return "Fewer than two hyperparameters were varied, so there is nothing to compare."
    if np.ptp(table.outcome) == 0:
        return "All trials scored the same, so no hyperparameter mattered."
    return ""


def caution(table: TrialTable) -> str:
    """Return why importances are weak; empty where there is no reason."""
    n = len(table)
    if n >= FEW_TRIALS:
        return ""
    return (
        f"{n} scored trials are few for {len(table.axes)} hyperparameters: read the intervals, "
        f"not the order. From about {FEW_TRIALS} trials the order begins to mean something."
    )


def _importance(method: Method, table: TrialTable, seed: int, draws: float) -> Importance:
    rng = np.random.default_rng(seed)
    n = min(len(table), method.most_trials)
    n_draws = max(round(method.draws * draws), LEAST_DRAWS)

    def evaluated(times: int, rows: int, shuffled: bool = False) -> np.ndarray:
        drawn = [(_outcome(table, rng, shuffled), _rows(table, rows, rng)) for _ in range(times)]
        return np.array(
            [_evaluate(method.make(seed + i), table, *given) for i, given in enumerate(drawn)]
        )

    values = evaluated(SEEDS, n).mean(axis=0)
    halves, chance = evaluated(n_draws, n // 2), evaluated(n_draws, n, shuffled=True)
    order = np.argsort(-values, kind="stable")
    scale = values.sum() or 1.0
    return Importance(
        method.name,
        method.meaning,
        tuple(table.axes[i].name for i in order),
        values[order] / scale,
        halves[:, order] / scale,
        np.percentile(chance, 95, axis=0)[order] / scale,
    )


def _outcome(table: TrialTable, rng: np.random.Generator, shuffled: bool) -> np.ndarray:
    outcome = table.outcome.copy()
    if shuffled:
        for number in np.unique(table.clusters):
            inside = np.flatnonzero(table.clusters == number)
            outcome[inside] = outcome[rng.permutation(inside)]
    return outcome


def _rows(table: TrialTable, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n rows at random, none twice, of each cluster in proportion to its trials."""
    parts = []
    for number in np.unique(table.clusters):
        inside = np.flatnonzero(table.clusters == number)
        parts.append(rng.permutation(inside)[: max(round(n * len(inside) / len(table)), 1)])
    return np.concatenate(parts)


def _evaluate(
    evaluator: BaseImportanceEvaluator, table: TrialTable, outcome: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    from optuna.importance import get_param_importances

    names = [axis.name for axis in table.axes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of normalize=False, and of draws with equal outcomes
        found = get_param_importances(
            _optuna_study(table.axes, outcome, rows),
            evaluator=evaluator,
            params=names,
            normalize=False,
        )
    return np.array([found[name] for name in names])


def _optuna_study(axes: tuple[Axis, ...], outcome: np.ndarray, rows: np.ndarray) -> OptunaStudy:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ranges = {axis.name: _distribution(axis) for axis in axes}
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={axis.name: float(axis.values[row]) for axis in axes},
                distributions=ranges,
                value=float(outcome[row]),
            )
            for row in rows
        ]
    )
    return study


def _distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if axis.choices:
        return CategoricalDistribution(axis.choices)
    return FloatDistribution(axis.low, axis.high, log=axis.log)
