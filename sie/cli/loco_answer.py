"""What a search hands to other programs: plans, runs, winners and tables as plain values.

Read from what `sie.cli.loco` has at hand, or from MLflow where other processes searched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sie.search.plan import SearchPlan
from sie.search.record import SearchOutcome
from sie.search.selection import RepeatedConfig
from sie.tracking.store import Store


@dataclass(frozen=True)
class SearchedCluster:
    """One cluster's search that has ended; `floor` is what a constant prediction scores."""

    plan: SearchPlan
    outcome: SearchOutcome
    floor: float

    def as_dict(self) -> dict[str, Any]:
        """Return run id, winner, table of the repeats and counts of the trials."""
        outcome = self.outcome
        return {
            "cluster": self.plan.cluster,
            "run_id": outcome.run_id,
            "plan_hash": self.plan.hash,
            "interrupted": outcome.interrupted,
            "constant": self.floor,
            "winner": _judged(outcome.winner) if outcome.winner else None,
            "repeats": [_judged(item) for item in outcome.judged],
            "trials": Counter(str(trial.result.status) for trial in outcome.searched),
            "seconds": outcome.time.wall,
        }


@dataclass(frozen=True)
class SearchesDone:
    """What a start of the command has done.

    Attributes
    ----------
    experiment : str
        Where its runs are in MLflow.
    interrupted : bool
        Whether the user stopped it.
    searches : sequence of Mapping
        One for each cluster that was searched, as `SearchedCluster.as_dict`.
    plans : sequence of Mapping
        What would be searched, of a dry run.
    store : str
        Address of the MLflow store, without a password.
    """

    experiment: str
    interrupted: bool = False
    searches: Sequence[Mapping[str, Any]] = ()
    plans: Sequence[Mapping[str, Any]] = ()
    store: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        planned = {"plans": self.plans} if self.plans else {}
        where = {"experiment": self.experiment, "tracking_uri": self.store}
        return {**where, "searches": self.searches, **planned}


def planned(plan: SearchPlan, seconds: float) -> dict[str, Any]:
    """Return a plan with its hash and the estimate of its wall time."""
    return {**plan.as_dict(), "plan_hash": plan.hash, "estimate_seconds": seconds}


def read_searches(
    store: Store, experiment: str, name: str, clusters: Sequence[int]
) -> list[dict[str, Any]]:
    """Return what MLflow holds of the newest finished searches of clusters."""
    from sie.ensemble.winners import find_searches
    from sie.search.verdicts import judged_repeats

    finished = find_searches(store, experiment, name).finished
    found = []
    for cluster in clusters:
        if (run := finished.get(cluster)) is None:
            continue
        verdicts = judged_repeats(store, store.experiment(experiment), run)
        repeats = [_judged(item.verdict) for item in verdicts]
        found.append(
            {
                "cluster": cluster,
                "run_id": run.run_id,
                "interrupted": False,
                "constant": run.metrics.get("positive_fraction"),
                "winner": repeats[0] if repeats else None,
                "repeats": repeats,
            }
        )
    return found


def _judged(item: RepeatedConfig) -> dict[str, Any]:
    return {
        "auc_pr": item.mean,
        "sd": item.sd,
        "n": len(item.values),
        "epoch": item.window.centre,
        "scores": dict(item.scores),
        "config": item.config.as_dict(),
    }
