"""Cluster searches read back from MLflow: which have finished, and how their repeats are judged.

The rules are those of `sie.search.selection`; nothing but the store is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sie.models.config import TrialConfig
from sie.search.parent import PARENT_PHASE
from sie.search.record import Phase
from sie.search.selection import RepeatedConfig, SelectionRule, judge_repeats
from sie.tracking.queries import StoredRun, children, read_result, search
from sie.tracking.store import Store
from sie.training.record import METRICS, TrialResult


@dataclass(frozen=True)
class JudgedConfig:
    """A configuration that was repeated, with the repeats that its verdict follows from."""

    verdict: RepeatedConfig
    repeats: tuple[TrialResult, ...]


def cluster_searches(store: Store, experiment_id: str, **tags: str) -> list[StoredRun]:
    """Return the parent runs of all searches that bear the given tags, newest first."""
    wanted = {"phase": PARENT_PHASE, **tags}
    query = " and ".join(f"tags.{name} = '{value}'" for name, value in wanted.items())
    return search(store, [experiment_id], query)


def rule_of(parent: StoredRun) -> SelectionRule:
    """Return the rule that a search ranked by."""
    return SelectionRule(int(parent.params["rule.window"]), int(parent.params["rule.min_epoch"]))


def judged_repeats(
    store: Store,
    experiment_id: str,
    parent: StoredRun,
    config_hash: str | None = None,
    metrics: Sequence[str] = METRICS,
) -> tuple[JudgedConfig, ...]:
    """Judge the repeats of a search anew, best configuration first, as the search itself does.

    Equal means keep the order in which the repeats were begun, which is that of the search's own
    ranking. A configuration without a repeat that counts is absent.

    Parameters
    ----------
    store, experiment_id, parent
        Where the search is recorded.
    config_hash : str, optional
        Of the only configuration to judge.
    metrics : sequence of str
        Curves to read; the objective must be among them.
    """
    by_config: dict[TrialConfig, list[TrialResult]] = {}
    below = children(store, experiment_id, parent.run_id)
    repeats = [run for run in below if run.tags.get("phase") == Phase.REPEAT and run.ended]
    for run in sorted(repeats, key=lambda run: int(run.tags["trial_number"])):
        if config_hash in (None, run.tags.get("config_hash")):
            by_config.setdefault(run.config, []).append(read_result(store, run, metrics))
    rule = rule_of(parent)
    judged = [
        JudgedConfig(verdict, tuple(results))
        for config, results in by_config.items()
        if (verdict := judge_repeats(config, results, rule)) is not None
    ]
    return tuple(sorted(judged, key=lambda item: -item.verdict.window.mean))


def average_best_epoch(winners: Sequence[RepeatedConfig]) -> float:
    """Return the mean of the winners' best epochs, each the centre of its best window.

    The window is that of the repeats' average curve, so runs are averaged first and clusters then
    (article, section "Hyperparameter optimisation").
    """
    return float(np.mean([winner.window.centre for winner in winners]))
