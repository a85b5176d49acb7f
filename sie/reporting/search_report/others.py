"""What baselines and controls scored on the split of a search, where a comparison recorded it.

Read from the experiment `loco/<dataset>/baselines`; running them is `sie.comparison`'s business.
"""

from __future__ import annotations

import math

from sie.reporting.search_report.record import SystemScore
from sie.tracking.queries import StoredRun, search
from sie.tracking.store import Store, tracking_errors

KINDS = ("baseline", "control")


def scores_of_others(store: Store, dataset: str, split_hash: str) -> tuple[SystemScore, ...]:
    """Return the baselines and controls that were evaluated on a split, best first.

    Parameters
    ----------
    store : Store
        MLflow.
    dataset : str
        Name of the dataset.
    split_hash : str
        Of the split: the same training and validation ids.

    Raises
    ------
    TrackingError
        When the store does not answer.
    """
    with tracking_errors(store.uri):
        found = store.client().get_experiment_by_name(baselines_experiment(dataset))
    if found is None:
        return ()
    runs = search(store, [str(found.experiment_id)], f"tags.split_hash = '{split_hash}'")
    by_system: dict[str, list[StoredRun]] = {}
    for run in runs:
        usable = run.tags.get("phase") in KINDS and run.status == "FINISHED"
        if usable and "val_auc_pr" in run.metrics:
            by_system.setdefault(run.tags["system"], []).append(run)
    scores = [_score(name, _of_newest(runs)) for name, runs in by_system.items()]
    return tuple(sorted(scores, key=lambda item: -sum(item.auc_pr) / len(item.auc_pr)))


def baselines_experiment(dataset: str) -> str:
    """Return where baselines on left-out clusters are recorded."""
    return f"loco/{dataset}/baselines"


def _of_newest(runs: list[StoredRun]) -> list[StoredRun]:
    """Keep the runs below the newest parent: a system may have been evaluated with older code."""
    parent = runs[0].tags.get("mlflow.parentRunId")
    return [run for run in runs if run.tags.get("mlflow.parentRunId") == parent]


def _score(name: str, runs: list[StoredRun]) -> SystemScore:
    ranked = sorted(runs, key=lambda run: run.key)
    return SystemScore(
        name,
        ranked[0].tags["phase"],
        tuple(run.metrics["val_auc_pr"] for run in ranked),
        tuple(run.metrics.get("val_mcc", math.nan) for run in ranked),
    )
