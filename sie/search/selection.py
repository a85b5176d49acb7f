"""The rules that rank: rolling means, the objective, the top configurations, the winner.

Pure functions of validation curves (article, section "Hyperparameter optimisation"); nothing here
knows Ray, MLflow or TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sie.models.config import TrialConfig
from sie.training.record import METRICS, TrialResult, TrialStatus

OBJECTIVE = "val_auc_pr"
"""The curve that everything is ranked by."""

PENALTY = 0.0
"""Objective of a trial that diverged or failed: below any area under a curve."""


@dataclass(frozen=True)
class SelectionRule:
    """How a curve becomes one number.

    Attributes
    ----------
    window : int
        Epochs of the rolling mean (10 in the article).
    min_epoch : int
        First epoch, counted from 1, that a window may contain (30 in the article).
    """

    window: int = 10
    min_epoch: int = 30

    def within(self, max_epochs: int) -> SelectionRule:
        """Return the rule, shrunk where a budget of `max_epochs` leaves it no full window."""
        window = min(self.window, max_epochs)
        return replace(self, window=window, min_epoch=min(self.min_epoch, max_epochs - window + 1))

    def first_full_window(self) -> int:
        """Return the epoch at which the first window that counts is complete."""
        return self.min_epoch + self.window - 1


@dataclass(frozen=True)
class Window:
    """The best window of a curve: its mean and its epochs, counted from 1, both included."""

    mean: float
    first_epoch: int
    last_epoch: int

    @property
    def centre(self) -> float:
        """Middle of the window, the article's best epoch."""
        return (self.first_epoch + self.last_epoch) / 2

    def of(self, curve: np.ndarray) -> float:
        """Return the mean of another curve over the same epochs; NaN where it has none."""
        part = curve[self.first_epoch - 1 : self.last_epoch]
        return float(np.mean(part)) if len(part) else float("nan")


def rolling_mean(curve: np.ndarray, window: int) -> np.ndarray:
    """Return the means of all full windows, shape (n_epochs - window + 1,)."""
    if len(curve) < window:
        return np.empty(0)
    return np.lib.stride_tricks.sliding_window_view(curve, window).mean(axis=-1)


def best_window(curve: np.ndarray, rule: SelectionRule) -> Window | None:
    """Return the first window of the highest mean from `rule.min_epoch` on, or None."""
    means = rolling_mean(np.asarray(curve, dtype=float), rule.window)[rule.min_epoch - 1 :]
    if not len(means) or np.isnan(means).all():
        return None
    start = int(np.nanargmax(means)) + rule.min_epoch
    return Window(float(np.nanmax(means)), start, start + rule.window - 1)


def objective(curve: np.ndarray, rule: SelectionRule) -> float:
    """Return what ASHA and TPE see: the best rolling mean so far.

    Before the first full window that counts, it is the mean of the last `rule.window` epochs, so
    that a scheduler with an earlier first rung still compares like with like.
    """
    best = best_window(curve, rule)
    if best is not None:
        return best.mean
    tail = np.asarray(curve, dtype=float)[-rule.window :]
    return float(np.nanmean(tail)) if len(tail) and not np.isnan(tail).all() else PENALTY


def result_objective(result: TrialResult, rule: SelectionRule) -> float:
    """Return the objective of an ended trial: its curve's, or `PENALTY` where none counts."""
    if not result.status.counts or OBJECTIVE not in result.curves:
        return PENALTY
    return objective(result.curves[OBJECTIVE], rule)


@dataclass(frozen=True)
class RankedTrial:
    """A searched configuration with its objective, averaged over trials that drew it twice."""

    config: TrialConfig
    objective: float
    numbers: tuple[int, ...]


def top_configurations(
    trials: Sequence[tuple[int, TrialConfig, TrialResult]], rule: SelectionRule, k: int
) -> list[RankedTrial]:
    """Return the k best distinct configurations of (number, configuration, result).

    Only trials that reached a window that counts take part. A configuration drawn several times
    enters once, with the mean of its objectives: the best of several draws would flatter it.
    """
    by_config: dict[TrialConfig, list[tuple[int, float]]] = {}
    for number, config, result in trials:
        curve = result.curves.get(OBJECTIVE, np.empty(0))
        if result.status.counts and (best := best_window(curve, rule)) is not None:
            by_config.setdefault(config, []).append((number, best.mean))
    ranked = [
        RankedTrial(
            config, float(np.mean([value for _, value in draws])), tuple(n for n, _ in draws)
        )
        for config, draws in by_config.items()
    ]
    # the trial number breaks ties, so that equal objectives rank the same on every run
    return sorted(ranked, key=lambda item: (-item.objective, item.numbers))[:k]


@dataclass(frozen=True)
class RepeatedConfig:
    """A configuration judged by its repeats.

    Attributes
    ----------
    config : TrialConfig
        The configuration.
    window : Window
        Best window of the average curve.
    values : tuple of float
        Each counted repeat's mean over that same window.
    n_diverged, n_failed : int
        Repeats that diverged (they count with `PENALTY`) and that gave nothing to count.
    scores : Mapping[str, float]
        Mean of every validation metric over that window and the repeats that did not diverge.
    places : tuple of int
        Of each value, the place of its repeat among all that were given: equal places of two
        configurations had the same seed.
    """

    config: TrialConfig
    window: Window
    values: tuple[float, ...]
    n_diverged: int = 0
    n_failed: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    places: tuple[int, ...] = ()

    @property
    def mean(self) -> float:
        """Mean over repeats at the common best window."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float:
        """Sample standard deviation over repeats; NaN for a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")


def judge_repeats(
    config: TrialConfig, results: Sequence[TrialResult], rule: SelectionRule
) -> RepeatedConfig | None:
    """Return the verdict over one configuration's repeats, or None where nothing counts.

    The average curve runs over the epochs that all completed repeats reached. A repeat that
    diverged counts as `PENALTY` from the epoch it diverged; one that failed for other reasons
    says nothing about the configuration and is left out, but counted.
    """
    complete = [i for i, r in enumerate(results) if r.status.counts and r.n_epochs]
    full = [results[i].curves[OBJECTIVE] for i in complete]
    lost = [i for i, r in enumerate(results) if r.status is TrialStatus.DIVERGED]
    diverged = [results[i] for i in lost]
    failed = len(results) - len(full) - len(diverged)
    if not full:
        return None
    n_epochs = min(len(curve) for curve in full)
    curves = [np.asarray(curve[:n_epochs], dtype=float) for curve in full]
    curves += [_penalised(r.curves.get(OBJECTIVE, np.empty(0)), n_epochs) for r in diverged]
    window = best_window(np.mean(curves, axis=0), rule)
    if window is None:
        return None
    values = tuple(window.of(curve) for curve in curves)
    counted = [results[i].curves for i in complete]
    scores = {
        name: float(np.mean([window.of(curves[name]) for curves in counted]))
        for name in METRICS
        if name.startswith("val_") and name in counted[0]
    }
    places = (*complete, *lost)
    return RepeatedConfig(config, window, values, len(diverged), failed, scores, places)


def pick_winner(judged: Sequence[RepeatedConfig]) -> RepeatedConfig | None:
    """Return the configuration whose repeats' average curve has the highest window."""
    return max(judged, key=lambda item: item.window.mean, default=None)


def _penalised(curve: np.ndarray, n_epochs: int) -> np.ndarray:
    padded = np.full(n_epochs, PENALTY)
    padded[: min(len(curve), n_epochs)] = curve[:n_epochs]
    return padded
