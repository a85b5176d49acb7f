"""Writing runs: created once, logged in batches, from the driver alone.

How MLflow is spoken to; what is worth saying about a search lives in `sie.search.recording`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.tracking.inputs import DataInput
from sie.tracking.store import Store, tracking_errors
from sie.tracking.views import View
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY_TAG = "sie.key"
NOTE_TAG = "mlflow.note.content"
NOTE_CHARS = 8000
"""Longest tag that MLflow's stores take."""

BATCH = 1000
"""Metrics that MLflow takes in one call."""

PARAM_CHARS = 500
"""Longest parameter that every MLflow store takes."""

_RUN_STATUS = {
    TrialStatus.COMPLETED: "FINISHED",
    TrialStatus.STOPPED_BY_SCHEDULER: "FINISHED",
    TrialStatus.EARLY_STOPPED: "FINISHED",
    TrialStatus.DIVERGED: "FAILED",
    TrialStatus.FAILED: "FAILED",
    TrialStatus.TIMED_OUT: "FAILED",
    TrialStatus.INTERRUPTED: "KILLED",
}


class Recorder:
    """Writes the runs of one experiment.

    Parameters
    ----------
    store : Store
        A store that answers.
    experiment : str
        Name of the experiment; created where it is new.

    Attributes
    ----------
    seconds : float
        Wall time spent inside MLflow so far.
    """

    def __init__(self, store: Store, experiment: str) -> None:
        self.store = store
        self.seconds = 0.0
        self._client = store.client()
        self._experiment = store.experiment(experiment)

    @property
    def experiment_id(self) -> str:
        """Id of the experiment."""
        return self._experiment

    def open_run(
        self,
        key: str,
        name: str,
        tags: Mapping[str, Any],
        params: Mapping[str, Any],
        parent: str | None = None,
    ) -> str:
        """Create a running run and return its id.

        Parameters
        ----------
        key : str
            sie's own name of the run, unique below its parent.
        name : str
            Name shown in the UI.
        tags, params : Mapping
            Plain values.
        parent : str, optional
            Id of the run to nest it in.
        """
        with self._speaking():
            all_tags = {**tags, KEY_TAG: key}
            if parent is not None:
                all_tags["mlflow.parentRunId"] = parent
            run = self._client.create_run(
                self._experiment,
                run_name=name,
                tags={k: str(v) for k, v in all_tags.items()},
            )
            run_id = str(run.info.run_id)
            self._log(run_id, params=params)
            return run_id

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Write parameters; done twice with the same values it leaves what it leaves once."""
        with self._speaking():
            self._log(run_id, params=params)

    def reopen_run(self, run_id: str) -> None:
        """Mark a run of an earlier start as running again."""
        with self._speaking():
            self._client.update_run(run_id, status="RUNNING")

    def log(
        self,
        run_id: str,
        curves: Mapping[str, np.ndarray] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Write curves (index 0 is epoch 1), single metrics and tags in as few calls as can be.

        Values that are not finite are left out: MLflow's stores disagree on them.
        """
        with self._speaking():
            self._log(run_id, curves, metrics, tags)

    def close_run(
        self,
        run_id: str,
        status: TrialStatus,
        reason: str = "",
        curves: Mapping[str, np.ndarray] | None = None,
        metrics: Mapping[str, float] | None = None,
        at_ms: int | None = None,
    ) -> None:
        """End a run: its last curves and metrics, the state of its trial and the reason as tags.

        Done twice with the same `at_ms` (milliseconds since 1970; by default now), it leaves what
        it leaves when it is done once: MLflow keeps a value once for each time and step.
        """
        tags = {"status": str(status), "reason": reason}
        with self._speaking():
            self._log(run_id, curves, metrics, tags, at_ms=at_ms)
            self._client.set_terminated(run_id, status=_RUN_STATUS[status], end_time=at_ms)

    def end_run(self, run_id: str, status: TrialStatus) -> None:
        """Mark a run as ended whose last values are there already."""
        with self._speaking():
            self._client.set_terminated(run_id, status=_RUN_STATUS[status])

    def log_point(self, run_id: str, metrics: Mapping[str, float], step: int, at_ms: int) -> None:
        """Write one point of some curves."""
        with self._speaking():
            self._log(run_id, metrics=metrics, at_ms=at_ms, step=step)

    def log_input(self, run_id: str, data: DataInput) -> None:
        """Say which dataset a run uses; done twice it leaves what it leaves when done once."""
        with self._speaking():
            self._client.log_inputs(run_id, [data.as_entity()])

    def describe(self, run_id: str, markdown: str) -> None:
        """Set the description that MLflow shows on the run's page."""
        with self._speaking():
            self._log(run_id, tags={NOTE_TAG: markdown[:NOTE_CHARS]})

    def save_view(self, view: View) -> None:
        """Offer a view of the experiment in MLflow's page; one of the same key is replaced."""
        with self._speaking():
            content = view.value(int(time.time() * 1000))
            self._client.set_experiment_tag(self._experiment, view.tag, content)

    def remove_run(self, run_id: str) -> None:
        """Put a run into MLflow's bin."""
        with self._speaking():
            self._client.delete_run(run_id)

    def save_json(self, run_id: str, value: Mapping[str, Any], name: str) -> None:
        """Keep plain values as a JSON artifact."""
        text = json.dumps(value, indent=1, ensure_ascii=False, default=_plain)
        self.save_text(run_id, text, name)

    def save_text(self, run_id: str, text: str, name: str) -> None:
        """Keep text as an artifact."""
        with self._speaking():
            self._client.log_text(run_id, text, name)

    def save_file(self, run_id: str, path: Path, folder: str = "") -> None:
        """Keep a file as an artifact."""
        with self._speaking():
            self._client.log_artifact(run_id, str(path), folder or None)

    def save_figure(self, run_id: str, figure: Figure, name: str) -> None:
        """Keep a figure as PNG and as SVG."""
        with self._speaking():
            for suffix in (".png", ".svg"):
                self._client.log_figure(run_id, figure, f"figures/{name}{suffix}")

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            with tracking_errors(self.store.uri):
                yield
        finally:
            self.seconds += time.perf_counter() - start

    def _log(
        self,
        run_id: str,
        curves: Mapping[str, np.ndarray] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        at_ms: int | None = None,
        step: int = 0,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000) if at_ms is None else at_ms
        # the first metric of a run is what MLflow's comparison plots unless told otherwise
        points = [
            Metric(name, float(value), now, step)
            for name, value in (metrics or {}).items()
            if np.isfinite(value)
        ]
        points += [
            Metric(name, float(value), now, epoch)
            for name, curve in (curves or {}).items()
            for epoch, value in enumerate(curve, start=1)
            if np.isfinite(value)
        ]
        named = [Param(k, str(v)[:PARAM_CHARS]) for k, v in (params or {}).items()]
        marks = [RunTag(k, str(v)) for k, v in (tags or {}).items()]
        starts = range(0, max(len(points), 1), BATCH)
        for start in starts:
            # tags come last: a run that says how it ended has all its curves
            self._client.log_batch(
                run_id,
                metrics=points[start : start + BATCH],
                params=named if start == 0 else [],
                tags=marks if start == starts[-1] else [],
            )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
