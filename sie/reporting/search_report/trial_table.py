"""The trials of a search as a table: what was varied, and what came out.

Made for plots of hyperparameters and for importances; the curves are elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sie.reporting.search_report.record import ClusterSearch, Study
from sie.search.space import Parameter

CONTINUOUS = ("uniform", "loguniform")


@dataclass(frozen=True)
class Axis:
    """A hyperparameter that was varied: its values, and where they stand on an axis.

    Attributes
    ----------
    name : str
        Of the hyperparameter.
    values : numpy.ndarray
        Float, shape (n_trials,); of words and of true and false their number among `words`. Where
        other values make the hyperparameter meaningless, its default stands.
    choices : tuple of float
        The values it could take, rising; empty for a continuous range.
    log : bool
        Whether a continuous range was drawn from logarithmically.
    low, high : float
        Bounds of a continuous range.
    words : tuple of str
        What the numbers stand for, where the choices are not numbers.
    """

    name: str
    values: np.ndarray
    choices: tuple[float, ...] = ()
    log: bool = False
    low: float = 0.0
    high: float = 1.0
    words: tuple[str, ...] = ()

    def text(self, value: float) -> str:
        """Return a value as people write it."""
        return self.words[int(value)] if self.words else value_text(value)

    def positions(self) -> np.ndarray:
        """Return where the trials stand: number of the choice, or the value (its log10)."""
        if self.choices:
            return np.searchsorted(self.choices, self.values).astype(float)
        return np.log10(self.values) if self.log else self.values


@dataclass(frozen=True)
class TrialTable:
    """Scored trials of one search, or of all searches of a study together.

    Attributes
    ----------
    axes : tuple of Axis
        Hyperparameters that took at least two values.
    outcome : numpy.ndarray
        Shape (n_trials,): the objective, or for several clusters the share of its cluster's
        trials that a trial beats, for clusters are not equally hard.
    objective : numpy.ndarray
        Shape (n_trials,): the objective itself.
    clusters, numbers, ends : numpy.ndarray
        Shape (n_trials,): left-out cluster, number of the trial, how it ended.
    single : bool
        Whether all are of one cluster.
    """

    axes: tuple[Axis, ...]
    outcome: np.ndarray
    objective: np.ndarray
    clusters: np.ndarray
    numbers: np.ndarray
    ends: np.ndarray
    single: bool

    def __len__(self) -> int:
        return len(self.outcome)


def trial_table(study: Study) -> TrialTable:
    """Return the trials of a study that may be compared by their objective."""
    trials = [(search, trial) for search in study.searches for trial in search.scored]
    objective = np.array([trial.objective for _, trial in trials])
    clusters = np.array([search.cluster for search, _ in trials], dtype=int)
    configs = [asdict(trial.task.config) for _, trial in trials]
    axes = [
        _axis(name, [config[name] for config in configs], study.first)
        for name in (configs[0] if configs else ())
    ]
    return TrialTable(
        tuple(axis for axis in axes if len(np.unique(axis.values)) > 1),
        objective if study.single else _shares(objective, clusters),
        objective,
        clusters,
        np.array([trial.task.number for _, trial in trials], dtype=int),
        np.array([str(trial.result.status) for _, trial in trials]),
        study.single,
    )


def _axis(name: str, drawn: Sequence[Any], search: ClusterSearch) -> Axis:
    if isinstance(drawn[0], str | bool):
        words = tuple(sorted({value_text(value) for value in drawn}))
        numbers = np.array([words.index(value_text(value)) for value in drawn], dtype=float)
        return Axis(name, numbers, tuple(map(float, range(len(words)))), words=words)
    values = np.array(drawn, dtype=float)
    given = _parameter(name, search)
    if given is None or given.kind not in CONTINUOUS:
        return Axis(name, values, tuple(float(v) for v in np.unique(values)))
    low, high = (float(v) for v in given.values)
    # a default that stands for nothing may lie outside
    return Axis(name, values.clip(low, high), (), given.kind == "loguniform", low, high)


def value_text(value: float | str | bool) -> str:
    """Return a hyperparameter's value as people write it."""
    if isinstance(value, str | bool):
        return value if isinstance(value, str) else str(value).lower()
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")


def _parameter(name: str, search: ClusterSearch) -> Parameter | None:
    parameters = search.space.parameters if search.space else ()
    return next((p for p in parameters if p.name == name), None)


def _shares(objective: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return for every trial the share of its cluster's other trials that it beats."""
    shares = np.full(len(objective), 0.5)
    for number in np.unique(clusters):
        inside = clusters == number
        if (n := int(inside.sum())) > 1:
            mine = objective[inside]
            below = (mine[:, None] > mine).sum(1) + 0.5 * ((mine[:, None] == mine).sum(1) - 1)
            shares[inside] = below / (n - 1)
    return shares
