"""The Ray trainable: one trial in a worker that is used again for the next.

A trial never raises into Ray: whatever happens becomes a status with a reason in its last report.
TensorFlow is imported in the worker only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from ray import tune

from sie.features.record import OrbitFeatures
from sie.features.views import seen_through
from sie.models.pretrained import StartingWeights
from sie.search.collect import RUNNING
from sie.search.plan import Budget
from sie.search.record import TrialTask
from sie.search.selection import OBJECTIVE, PENALTY, SelectionRule, objective
from sie.splits.record import Split
from sie.training.early_stopping import EarlyStopping
from sie.training.ending import Ending, judge, one_line
from sie.training.record import METRICS, TrialStatus

if TYPE_CHECKING:
    from sie.training.program import ProgramCache
    from sie.training.trainer import Trainer


@dataclass(frozen=True)
class TrainingJob:
    """What every trial of a phase shares; travels once per worker through Ray's object store.

    Attributes
    ----------
    features : OrbitFeatures
        Rows of at least the split's ids.
    labels : Mapping[str, int]
        Class of at least the split's ids.
    split : Split
        Who trains, who validates.
    budget : Budget
        Longest trial, chunk of epochs between reports, time limit.
    rule : SelectionRule
        Turns the curve so far into the objective.
    early_stopping : EarlyStopping or None
        Whether trials may stop early on their own; repeats do not.
    starts : StartingWeights
        Pre-trained weights that trials start from where their network has the shape.
    seen_as : str
        The view that the features are of; a trial whose configuration names another takes that
        one's columns.
    """

    features: OrbitFeatures
    labels: Mapping[str, int]
    split: Split
    budget: Budget
    rule: SelectionRule
    early_stopping: EarlyStopping | None = None
    starts: StartingWeights = field(default_factory=StartingWeights)
    seen_as: str = ""


class TrialWorker(tune.Trainable):
    """Trains one task after another on the same data, reporting after every chunk of epochs."""

    def setup(self, config: dict[str, Any], job: TrainingJob | None = None) -> None:
        """Take the job and start TensorFlow, before Ray says that the trial has begun.

        The trainer is built in the first step, where a failure gets a name.
        """
        if job is None:
            raise ValueError("give the job with tune.with_parameters")
        begin = time.perf_counter()
        self._job = job
        self._trainers: dict[str, Trainer] = {}
        self._programs: ProgramCache | None = None
        # if it cannot be imported, the first step says so
        with suppress(Exception):
            import sie.training.trainer  # noqa: F401
        self.reset_config(config)
        self._seconds_started = time.perf_counter() - begin

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next task in the same process.

        Never raises: Ray would give the failure the configuration of the trial before.
        """
        self._task: TrialTask = new_config["task"]
        self._started = False
        self._elapsed = 0.0
        return True

    def step(self) -> dict[str, Any]:
        """Train one chunk of epochs and report it; an exception becomes the status `failed`."""
        begin = time.perf_counter()
        try:
            return self._train_chunk(begin)
        except Exception as error:  # noqa: BLE001 - a trial's failure is a record, not a crash
            ending = Ending(TrialStatus.FAILED, one_line(error), 0)
            return self._report({}, 1, ending, begin, time.perf_counter())

    def _train_chunk(self, begin: float) -> dict[str, Any]:
        trainer = self._ready_trainer()
        ready = time.perf_counter()
        first = trainer.epoch + 1
        trainer.run_epochs(self._job.budget.chunk)
        # a limit is for training: starting TensorFlow in a new worker is not the trial's fault
        self._elapsed += time.perf_counter() - ready
        job = self._job
        ending = judge(trainer, job.early_stopping, self._elapsed, job.budget.trial_time_limit_s)
        return self._report(trainer.curves, first, ending, begin, ready)

    def _ready_trainer(self) -> Trainer:
        from sie.training.memory import return_freed_memory

        job, task = self._job, self._task
        trainer = self._trainer_of(task.config.view)
        if not self._started:
            return_freed_memory()
            weights = job.starts.of(task.config)
            trainer.start(task.config, task.seed, job.budget.max_epochs, weights)
            self._started = True
        return trainer

    def _trainer_of(self, view: str) -> Trainer:
        """Return the trainer of a view's rows; those of all views share their programs."""
        from sie.training.program import ProgramCache
        from sie.training.threads import limit_threads
        from sie.training.trainer import Trainer

        job = self._job
        if self._programs is None:
            limit_threads(1)
            self._programs = ProgramCache()
        if view not in self._trainers:
            features = seen_through(job.features, job.seen_as, view)
            parts = job.split.train, job.split.validation
            self._trainers[view] = Trainer(features, job.labels, *parts, self._programs)
        return self._trainers[view]

    def _report(
        self,
        curves: Mapping[str, np.ndarray],
        first: int,
        ending: Ending | None,
        begin: float,
        ready: float,
    ) -> dict[str, Any]:
        """Return what Ray, ASHA, TPE and the collector need to know of a chunk."""
        counted = {k: v[: ending.n_epochs] if ending else v for k, v in curves.items()}
        watched = counted.get(OBJECTIVE, np.empty(0))
        lost = ending is not None and ending.status in (TrialStatus.DIVERGED, TrialStatus.FAILED)
        started, self._seconds_started = self._seconds_started, 0.0
        return {
            "epoch": max(len(watched), 1),
            "objective": PENALTY if lost else objective(watched, self._job.rule),
            "first_epoch": first,
            "curves": {k: counted[k][first - 1 :].tolist() for k in METRICS if k in counted},
            "status": str(ending.status) if ending else RUNNING,
            "reason": ending.reason if ending else "",
            "seconds_setup": ready - begin + started,
            "seconds_training": time.perf_counter() - ready,
            "done": ending is not None,
        }
