"""What searches over left-out clusters have found, read from MLflow alone (Figs. 4 and 5).

Reads parents and repeats of finished searches; running them is the business of `sie.search`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from sie.comparison.record import SCORES
from sie.search.selection import PENALTY, RepeatedConfig
from sie.search.verdicts import average_best_epoch, cluster_searches, judged_repeats
from sie.tracking.queries import StoredRun, read_text
from sie.tracking.store import Store
from sie.training.record import TrialResult, TrialStatus


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
        repeat is shorter. A repeat that diverged counts as `PENALTY` from there on, as it does for
        the choice of the winner; one that failed is absent.

        Returns
        -------
        dict
            By cluster and score, shape (n_repeats,).
        """
        return {
            winner.cluster: {
                score: np.array(
                    [
                        _around(_whole(result, f"val_{score}", n), self.best_epoch, window)
                        for result in winner.repeats
                        if result.status.counts or result.status is TrialStatus.DIVERGED
                    ]
                )
                for score in SCORES
            }
            for winner in self.winners
            if (n := max(result.n_epochs for result in winner.repeats))
        }


def read_loco(
    store: Store, dataset: str, name: str, plans: Collection[str], code: str
) -> LocoResult | None:
    """Read the newest finished search of every plan; None where there is none with a winner.

    Parameters
    ----------
    store : Store
        MLflow.
    dataset : str
        Name of the dataset.
    name : str
        Representation and level, such as CAMNS-V1.
    plans : collection of str
        Hashes of the plans, one a cluster: searches of other data, clusters, spaces or budgets
        are not taken.
    code : str
        Hash of the sources; searches of others are not taken either.
    """
    experiment = store.experiment(f"loco/{dataset}/{name}")
    newest: dict[int, StoredRun] = {}
    for run in cluster_searches(store, experiment, code_hash=code):
        if run.status == "FINISHED" and run.tags["plan_hash"] in plans:
            newest.setdefault(int(run.tags["cluster"]), run)
    winners = [
        winner
        for cluster in sorted(newest)
        if (winner := _winner(store, experiment, cluster, newest[cluster])) is not None
    ]
    if not winners:
        return None
    best = average_best_epoch([winner.verdict for winner in winners])
    return LocoResult(name, tuple(winners), best)


def _winner(store: Store, experiment: str, cluster: int, run: StoredRun) -> ClusterWinner | None:
    if not run.has_window:
        return None  # the search ended without a winner
    config_hash = json.loads(read_text(store, run.run_id, "winner.json"))["config_hash"]
    judged = judged_repeats(store, experiment, run, config_hash)
    if not judged:
        return None
    (winner,) = judged
    return ClusterWinner(
        cluster, run.run_id, run.tags["split_hash"], winner.verdict, winner.repeats
    )


def _around(curve: np.ndarray, centre: float, window: int) -> float:
    """Return the mean over `window` epochs around a centre, moved inside the curve."""
    first = min(max(round(centre - (window - 1) / 2), 1), max(len(curve) - window + 1, 1))
    return float(np.mean(curve[first - 1 : first - 1 + window]))


def _whole(result: TrialResult, name: str, n_epochs: int) -> np.ndarray:
    """Return a curve; that of a diverged repeat goes on with the penalty."""
    curve = np.asarray(result.curves.get(name, ()), float)
    if result.status is not TrialStatus.DIVERGED:
        return curve
    return np.concatenate([curve, np.full(n_epochs - len(curve), PENALTY)])
