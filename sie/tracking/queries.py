"""Reading runs back: children of a parent, their parameters, tags and curves.

What downstream steps know of a search they know from here, never from another run's folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.tracking.recorder import KEY_TAG
from sie.tracking.store import Store, tracking_errors
from sie.training.record import METRICS, TrialResult, TrialStatus

if TYPE_CHECKING:
    from mlflow.entities import Run

PAGE = 500


@dataclass(frozen=True)
class StoredRun:
    """One run as MLflow keeps it.

    Attributes
    ----------
    run_id, key, name : str
        MLflow's id, sie's key within the parent, and the name shown.
    status : str
        MLflow's status: RUNNING, FINISHED, FAILED, KILLED.
    params, tags : Mapping[str, str]
        As logged.
    metrics : Mapping[str, float]
        Last value of every metric.
    """

    run_id: str
    key: str
    name: str
    status: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def ended(self) -> TrialStatus | None:
        """How the trial ended, or None for one that is under way or was cut off."""
        value = self.tags.get("status", "")
        return TrialStatus(value) if value in set(TrialStatus) else None

    @property
    def has_window(self) -> bool:
        """Whether `best_val_auc_pr` is that of a full window; on a parent, of a winner."""
        return "best_epoch" in self.metrics

    @property
    def config(self) -> TrialConfig:
        """The trial's hyperparameters."""
        known = {item.name for item in fields(TrialConfig)}
        return TrialConfig.from_mapping({k: v for k, v in self.params.items() if k in known})

    @property
    def seed(self) -> int:
        """The trial's seed."""
        return int(self.tags["seed"])


def get_run(store: Store, run_id: str) -> StoredRun:
    """Return one run.

    Raises
    ------
    InputError
        When the store holds no such run.
    """
    from mlflow.exceptions import MlflowException

    with tracking_errors(store.uri):
        try:
            return _stored(store.client().get_run(run_id))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise InputError(
                    f"{store.shown} holds no run {run_id}; copy its id from the UI"
                ) from error
            raise


def children(store: Store, experiment_id: str, parent: str) -> list[StoredRun]:
    """Return all runs below a parent, in the order of their keys."""
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    return sorted(search(store, [experiment_id], query), key=lambda run: run.key)


def search(store: Store, experiment_ids: Sequence[str], query: str) -> list[StoredRun]:
    """Return all runs that fit an MLflow filter, newest first."""
    found: list[StoredRun] = []
    token: str | None = None
    with tracking_errors(store.uri):
        client = store.client()
        while True:
            page = client.search_runs(
                list(experiment_ids), query, max_results=PAGE, page_token=token
            )
            found += [_stored(run) for run in page]
            token = page.token
            if not token:
                return found


def read_result(store: Store, run: StoredRun, metrics: Sequence[str] = METRICS) -> TrialResult:
    """Return a trial's record with the full curves of some metrics; index 0 is epoch 1."""
    status = run.ended
    if status is None:
        raise ValueError(f"run {run.run_id} has not ended")
    with tracking_errors(store.uri):
        client = store.client()
        curves = {}
        for name in metrics:
            points = {m.step: m.value for m in client.get_metric_history(run.run_id, name)}
            if points:
                curve = np.full(max(points), np.nan)
                curve[np.array(list(points)) - 1] = list(points.values())
                curves[name] = curve
    return TrialResult(
        status,
        run.tags.get("reason", ""),
        curves,
        run.metrics.get("seconds_training", 0.0),
        run.metrics.get("seconds_setup", 0.0),
    )


def read_text(store: Store, run_id: str, name: str) -> str:
    """Return a text artifact of a run."""
    with tracking_errors(store.uri), tempfile.TemporaryDirectory() as folder:
        path = store.client().download_artifacts(run_id, name, folder)
        return Path(path).read_text(encoding="utf-8")


def _stored(run: Run) -> StoredRun:
    tags: dict[str, Any] = dict(run.data.tags)
    return StoredRun(
        run_id=run.info.run_id,
        key=tags.get(KEY_TAG, ""),
        name=run.info.run_name or "",
        status=run.info.status,
        params=dict(run.data.params),
        tags=tags,
        metrics=dict(run.data.metrics),
    )
