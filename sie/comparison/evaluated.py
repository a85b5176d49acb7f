"""Evaluations read back for comparing: from a CSV, or from an experiment of MLflow.

Reading only; what they are compared by is in `sie.comparison.pairwise`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sie.comparison.record import SCORES, Evaluation
from sie.comparison.recording import ARTIFACT, PARENT_PHASE
from sie.errors import InputError
from sie.search.verdicts import JudgedConfig, cluster_searches, judged_repeats
from sie.tracking.queries import StoredRun, children, read_text, search
from sie.tracking.store import Store, tracking_errors
from sie.training.record import METRICS, TrialStatus

KEYS = ("system", "split", "seed")


def read_evaluations(path: Path) -> pd.DataFrame:
    """Read a table such as the study's `kfold_evaluations.csv`.

    Raises
    ------
    InputError
        When it cannot be read or has no columns system, split and seed.
    """
    try:
        table = pd.read_csv(path, dtype={"system": str, "split": str})
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:160]
        raise InputError(f"--evaluations {path}: cannot read it as CSV ({reason})") from error
    if missing := [name for name in KEYS if name not in table]:
        raise InputError(
            f"--evaluations {path}: no column {', '.join(missing)}; give a table as the study's "
            "kfold_evaluations.csv, with a row for each system, split and seed"
        )
    return table


def recorded_evaluations(store: Store, experiment: str, name: str = "search") -> pd.DataFrame:
    """Read what an experiment holds: systems of a comparison, or repeats of cluster searches.

    Of searches the newest finished one of the name counts for each cluster. Their systems are
    configurations, called by eight digits of their hash; a repeat's score is its mean over the
    best window of its configuration's average curve, which was chosen on that cluster.

    Raises
    ------
    InputError
        When there is no such experiment, or neither is in it.
    """
    with tracking_errors(store.uri):
        known = store.client().get_experiment_by_name(experiment)
    if known is None:
        raise InputError(f"{store.shown} holds no experiment {experiment}; look for it in the UI")
    rows = _systems(store, known.experiment_id)
    rows = rows or _searches(store, known.experiment_id, name)
    if not rows:
        raise InputError(
            f"experiment {experiment} holds no evaluated system and no finished search called "
            f"{name!r} with repeats; give --name as for the search, or another --experiment"
        )
    return pd.DataFrame(rows)


def _systems(store: Store, experiment_id: str) -> list[dict[str, Any]]:
    parents = search(store, [experiment_id], f"tags.phase = '{PARENT_PHASE}'")
    newest: dict[str, StoredRun] = {}
    for run in parents:
        newest.setdefault(run.tags.get("system", run.name), run)
    rows = []
    for system, parent in newest.items():
        for run in children(store, experiment_id, parent.run_id):
            if run.ended in (None, TrialStatus.FAILED, TrialStatus.INTERRUPTED):
                continue
            item = Evaluation.from_plain(json.loads(read_text(store, run.run_id, ARTIFACT)))
            scores = {score: item.scores.get(score, float("nan")) for score in SCORES}
            rows.append({"system": system, "split": item.split, "seed": item.seed, **scores})
    return rows


def _searches(store: Store, experiment_id: str, name: str) -> list[dict[str, Any]]:
    newest: dict[int, StoredRun] = {}
    for run in cluster_searches(store, experiment_id, search_name=name):
        if run.status == "FINISHED":
            newest.setdefault(int(run.tags["cluster"]), run)
    watched = [metric for metric in METRICS if metric.removeprefix("val_") in SCORES]
    rows: list[dict[str, Any]] = []
    for cluster, run in sorted(newest.items()):
        for item in judged_repeats(store, experiment_id, run, metrics=watched):
            rows += _repeats(f"loco-{cluster}", item.verdict.config.hash[:8], item, watched)
    return rows


def _repeats(
    split: str, system: str, item: JudgedConfig, watched: Sequence[str]
) -> list[dict[str, Any]]:
    verdict = item.verdict
    judged = dict(zip(verdict.places, verdict.values, strict=True))
    rows = []
    for place, result in enumerate(item.repeats):
        curves = result.curves if result.status.counts else {}
        scores = {
            metric.removeprefix("val_"): verdict.window.of(curves[metric])
            if metric in curves
            else float("nan")
            for metric in watched
        }
        # as the search judges it: a repeat that diverged counts with its penalty
        scores["auc_pr"] = judged.get(place, float("nan"))
        rows.append({"system": system, "split": split, "seed": place, **scores})
    return rows
