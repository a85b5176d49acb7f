"""A search in MLflow: the parent run, a run for every trial, and what an earlier start left.

Says what is recorded under which name; how MLflow is spoken to is `sie.tracking`'s business.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sie.errors import InputError, TrackingError
from sie.files import write_text
from sie.search.parent import AGAIN, open_parent
from sie.search.plan import SearchPlan
from sie.search.record import (
    EndedTrial,
    SearchOutcome,
    TrialTask,
    trial_from_plain,
    trial_to_plain,
)
from sie.search.selection import OBJECTIVE, RepeatedConfig, best_window
from sie.tracking.environment import environment_tags
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

log = logging.getLogger(__name__)


class SearchRecord:
    """The runs of one cluster's search; an observer of its trials.

    Parameters
    ----------
    recorder : Recorder
        Writes into the experiment.
    plan : SearchPlan
        Its hash and the name find an unfinished search again.
    name : str
        What the user calls the search.
    fresh : bool
        Start anew even where an unfinished search of the same plan and name is recorded.
    folder : Path
        Where locks are, and trials that a store did not take in an earlier start.

    Attributes
    ----------
    parent : str
        Id of the parent run.
    past : Mapping[str, EndedTrial]
        Trials that an earlier start of this search ended, by key.
    unfinished : Mapping[str, TrialTask]
        Trials that it had begun, by key.
    seconds_waited : float
        Wall time that the search has waited for the record.
    """

    def __init__(
        self,
        recorder: Recorder,
        plan: SearchPlan,
        name: str,
        folder: Path,
        fresh: bool = False,
    ) -> None:
        self._recorder = recorder
        self._plan = plan
        self._folder = folder
        # one thread writes, in order; the driver's loop, and so the workers, need not wait for it
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self.seconds_waited = 0.0
        self._waiting: deque[EndedTrial] = deque()
        self._marks = {
            "dataset_hash": plan.dataset_hash,
            "features_hash": plan.features_hash,
            "split_hash": plan.split_hash,
            "hold_out_hash": plan.hold_out_hash,
            "space_hash": plan.space.hash,
            "plan_hash": plan.hash,
            "cluster": plan.cluster,
            **environment_tags(),
        }
        self._opened = open_parent(recorder, plan, name, self._marks, folder, fresh)
        self.parent = self._opened.run_id
        self._runs = dict(self._opened.runs)
        self.past = dict(self._opened.past)
        self.unfinished = dict(self._opened.unfinished)
        self._take_up_rescued()

    def trial_started(self, task: TrialTask) -> None:
        """Open the trial's run."""
        self._submit(self._open, task)

    def trial_reported(self, task: TrialTask, epoch: int, objective: float) -> None:
        """Nothing: curves are written once, when the trial has ended."""

    def trial_ended(self, ended: EndedTrial) -> None:
        """Write the trial; one that cannot be written now is tried again with the next."""
        self._waiting.append(ended)
        self._submit(self._try_all)

    def flush(self) -> None:
        """Write every trial that waits, and wait for it.

        Raises
        ------
        TrackingError
            When the store does not take them; they keep waiting.
        """
        began = time.perf_counter()
        try:
            self._writer.submit(self._write_all).result()
        finally:
            self.seconds_waited += time.perf_counter() - began

    def _submit(self, work: Callable[..., None], *arguments: Any) -> None:
        began = time.perf_counter()
        self._writer.submit(work, *arguments)
        self.seconds_waited += time.perf_counter() - began

    def _open(self, task: TrialTask) -> None:
        try:
            self._run(task)
        except TrackingError as error:
            log.warning("%s; going on, the trial is recorded later", error)

    def _try_all(self) -> None:
        try:
            self._write_all()
        except TrackingError as error:
            log.warning("%s; %d trials wait to be recorded", error, len(self._waiting))

    def _write_all(self) -> None:
        while self._waiting:
            self._write(self._waiting[0])
            self._waiting.popleft()

    def rescue(self) -> Path | None:
        """Write the trials that the store has not taken to a file; None where there are none.

        A later start of the same search records them first; see `_take_up_rescued`.
        """
        if not self._waiting:
            return None
        path = _rescue_file(self._folder, self.parent)
        trials = [trial_to_plain(ended) for ended in self._waiting]
        write_text(path, json.dumps({"format": 1, "trials": trials}))
        return path

    def _take_up_rescued(self) -> None:
        path = _rescue_file(self._folder, self.parent)
        if not path.is_file():
            return
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            trials = [trial_from_plain(plain) for plain in content["trials"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged; remove it to train its trials again") from error
        for ended in trials:
            self._write(ended)
            if ended.result.status not in AGAIN:
                self.past[ended.task.key] = ended
                self.unfinished.pop(ended.task.key, None)
        path.unlink()

    def close(self, outcome: SearchOutcome, positive_fraction: float) -> None:
        """Write the result of the search and end the parent.

        Parameters
        ----------
        outcome : SearchOutcome
            What was found.
        positive_fraction : float
            Of the validation cluster: the AUC-PR of a constant prediction.
        """
        ends, use = Counter(trial.result.status for trial in outcome.searched), outcome.time
        metrics = {f"trials_{status}": float(count) for status, count in ends.items()}
        metrics |= {
            "positive_fraction": positive_fraction,
            "workers": float(use.workers),
            "wall_seconds": use.wall,
            "starting_seconds": use.starting,
            "search_seconds": use.search.wall,
            "repeats_seconds": use.repeats.wall,
            "efficiency": use.efficiency,
            "search_efficiency": use.search_efficiency,
            "setup_share": use.setup_share,
            "tracking_share": use.tracking_share,
            "mlflow_seconds": self._recorder.seconds,
        }
        if outcome.winner is not None:
            metrics |= {
                "best_val_auc_pr": outcome.winner.mean,
                "best_val_auc_pr_sd": outcome.winner.sd,
                "best_epoch": outcome.winner.window.centre,
                "best_val_mcc": outcome.winner.scores.get("val_mcc", float("nan")),
            }
            self._recorder.save_json(self.parent, winner_record(outcome.winner), "winner.json")
        ranking = {"ranking": [winner_record(item) for item in outcome.judged]}
        self._recorder.save_json(self.parent, ranking, "repeats.json")
        self._recorder.log(self.parent, metrics=metrics)
        status = TrialStatus.INTERRUPTED if outcome.interrupted else TrialStatus.COMPLETED
        self._recorder.close_run(self.parent, status)
        self._opened.release()

    def abort(self, status: TrialStatus, reason: str) -> None:
        """End the parent of a search that could not go on; what had ended is written or rescued."""
        try:
            self.flush()
        except TrackingError:
            self.rescue()
        self._recorder.close_run(self.parent, status, reason)
        self._opened.release()

    def _run(self, task: TrialTask) -> str:
        # by the whole task: a run must never hold curves of another configuration or seed
        if task not in self._runs:
            tags = {
                "phase": task.phase,
                "seed": task.seed,
                "trial_number": task.number,
                "config_hash": task.config.hash,
                "trial_id": f"{self._plan.hash}/{task.key}",
                **self._marks,
            }
            self._runs[task] = self._recorder.open_run(
                task.key, task.key, tags, task.config.as_params(), parent=self.parent
            )
        return self._runs[task]

    def _write(self, ended: EndedTrial) -> None:
        run_id, result = self._run(ended.task), ended.result
        if result.status in AGAIN:
            # it is trained again into the same run, where two sets of curves would mix
            self._recorder.close_run(run_id, result.status, result.reason)
            return
        metrics = {
            "n_epochs": float(result.n_epochs),
            "seconds_training": result.seconds_training,
            "seconds_setup": result.seconds_setup,
            "seconds_per_epoch": result.seconds_training / max(result.n_epochs, 1),
        }
        if result.status.counts or result.status is TrialStatus.DIVERGED:
            metrics["objective"] = ended.objective
        best = best_window(result.curves.get(OBJECTIVE, np.empty(0)), self._plan.rule)
        if best is not None and result.status.counts:
            metrics |= {"best_val_auc_pr": best.mean, "best_epoch": best.centre}
        self._recorder.close_run(run_id, result.status, result.reason, result.curves, metrics)


def _rescue_file(folder: Path, parent: str) -> Path:
    return folder / f"unrecorded-{parent}.json"


def winner_record(item: RepeatedConfig) -> dict[str, Any]:
    """Return a judged configuration as plain values."""
    return {
        "config": item.config.as_dict(),
        "config_hash": item.config.hash,
        "val_auc_pr_mean": item.mean,
        "val_auc_pr_sd": item.sd,
        "val_auc_pr_values": list(item.values),
        "scores": dict(item.scores),
        "best_epoch": item.window.centre,
        "window": [item.window.first_epoch, item.window.last_epoch],
        "n_diverged": item.n_diverged,
        "n_failed": item.n_failed,
    }
