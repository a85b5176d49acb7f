"""What searches over left-out clusters have found, read from MLflow alone (Figs. 4 and 5).

Reads parents and repeats of finished searches; running them is the business of `sie.search`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sie.comparison.record import SCORES
from sie.models.config import TrialConfig
from sie.search.parent import PARENT_PHASE
from sie.search.record import Phase
from sie.search.selection import RepeatedConfig, SelectionRule, judge_repeats
from sie.tracking.queries import StoredRun, children, read_result, read_text, search
from sie.tracking.store import Store
from sie.training.record import TrialResult


@dataclass(frozen=True)
class ClusterWinner:
    """The winner of one cluster's search, with the repeats that made it.

    Attributes
    ----------
    cluster : int
        The left-out cluster.
    run_id : str
        Parent run of the search.
    split_hash : str
        Of the split that it was searched on.
    verdict : RepeatedConfig
        Configuration, best window, scores there.
    repeats : tuple of TrialResult
        Its repeats.
    """

    cluster: int
    run_id: str
    split_hash: str
    verdict: RepeatedConfig
    repeats: tuple[TrialResult, ...]


@dataclass(frozen=True)
class LocoResult:
    """All winners of one representation and level.

    Attributes
    ----------
    name : str
        Such as CAMNS-V1.
    winners : tuple of ClusterWinner
        By rising cluster.
    best_epoch : float
        Mean of the winners' best epochs, at which all are scored.
    """

    name: str
    winners: tuple[ClusterWinner, ...]
    best_epoch: float

    def scores(self, window: int) -> dict[int, dict[str, np.ndarray]]:
        """Return the repeats' scores at the average best epoch.

        Each is a mean over `window` epochs around `best_epoch`, or over the last ones where a
        repeat is shorter.

        Returns
        -------
        dict
            By cluster and score, shape (n_repeats,).
        """
        return {
            winner.cluster: {
                score: np.array(
                    [
                        _around(result.curves[f"val_{score}"], self.best_epoch, window)
                        for result in winner.repeats
                        if result.status.counts
                    ]
                )
                for score in SCORES
            }
            for winner in self.winners
        }


def read_loco(
    store: Store, dataset: str, name: str, search_name: str, dataset_hash: str
) -> LocoResult | None:
    """Read the newest finished search of every cluster; None where there is none with a winner.

    Parameters
    ----------
    store : Store
        MLflow.
    dataset : str
        Name of the dataset.
    name : str
        Representation and level, such as CAMNS-V1.
    search_name : str
        What the searches were called.
    dataset_hash : str
        Searches of other data are not taken.
    """
    experiment = store.experiment(f"loco/{dataset}/{name}")
    found = search(
        store,
        [experiment],
        f"tags.phase = '{PARENT_PHASE}' and tags.search_name = '{search_name}' "
        f"and tags.dataset_hash = '{dataset_hash}'",
    )
    newest: dict[int, StoredRun] = {}
    for run in found:
        if run.status == "FINISHED":
            newest.setdefault(int(run.tags["cluster"]), run)
    winners = [
        winner
        for cluster in sorted(newest)
        if (winner := _winner(store, experiment, cluster, newest[cluster])) is not None
    ]
    if not winners:
        return None
    best = float(np.mean([winner.verdict.window.centre for winner in winners]))
    return LocoResult(name, tuple(winners), best)


def _winner(store: Store, experiment: str, cluster: int, run: StoredRun) -> ClusterWinner | None:
    rule = SelectionRule(int(run.params["rule.window"]), int(run.params["rule.min_epoch"]))
    if "best_val_auc_pr" not in run.metrics:
        return None  # the search ended without a winner
    winner = json.loads(read_text(store, run.run_id, "winner.json"))
    repeats = tuple(
        read_result(store, child)
        for child in children(store, experiment, run.run_id)
        if child.tags.get("phase") == Phase.REPEAT
        and child.tags.get("config_hash") == winner["config_hash"]
        and child.ended is not None
    )
    verdict = judge_repeats(TrialConfig.from_mapping(winner["config"]), repeats, rule)
    if verdict is None:
        return None
    return ClusterWinner(cluster, run.run_id, run.tags["split_hash"], verdict, repeats)


def _around(curve: np.ndarray, centre: float, window: int) -> float:
    """Return the mean over `window` epochs around a centre, moved inside the curve."""
    first = min(max(round(centre - (window - 1) / 2), 1), max(len(curve) - window + 1, 1))
    return float(np.mean(curve[first - 1 : first - 1 + window]))


def average(values: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Return mean over clusters of repeats' means, with the 95 % interval over clusters."""
    from sie.comparison.tables import mean_interval

    means = np.array([item.mean() for item in values])
    return (float(means.mean()), *mean_interval(means))
