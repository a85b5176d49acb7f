"""Running trials on Ray: the search phase as its plan says, the repeat phase to the last epoch.

The only module that builds a Tuner; what the trials mean is decided by its callers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sie.errors import SearchAborted
from sie.search.collect import Collector, Observer
from sie.search.lifeline import HeadWatch
from sie.search.losses import MAX_LOST_WORKERS, Losses, memory_kills_lose_workers
from sie.search.plan import SearchPlan
from sie.search.record import EndedTrial, TrialTask
from sie.search.schedule import make_scheduler
from sie.search.session import is_shared, lifeline
from sie.search.share import share_of
from sie.search.suggest import PlanSearcher, TaskQueue
from sie.search.worker import TrainingJob, TrialWorker
from sie.training.record import TrialStatus

_PENDING = "TUNE_MAX_PENDING_TRIALS_PG"


@dataclass(frozen=True)
class PhaseEnd:
    """How a phase ended: its trials by number, and whether the user stopped it."""

    trials: tuple[EndedTrial, ...]
    interrupted: bool


def run_search(
    plan: SearchPlan,
    job: TrainingJob,
    workers: int,
    observers: Sequence[Observer],
    past: Sequence[EndedTrial] = (),
    unfinished: Sequence[TrialTask] = (),
) -> PhaseEnd:
    """Draw and train the plan's trials, but for those that ended earlier.

    Parameters
    ----------
    plan, job : SearchPlan, TrainingJob
        What to draw, what to train on.
    workers : int
        Trials at once.
    observers : sequence of Observer
        Told of every trial that is trained.
    past, unfinished
        Trials that an earlier start ended, and tasks that it had handed out.

    Raises
    ------
    SearchAborted
        When trials fail as `FailureGuard` describes.
    """
    rest = plan.budget.trials - len(past)
    scheduler = make_scheduler(plan.budget, plan.mode, plan.rule, past, plan.scheduler)
    losses = Losses(job.budget.trial_time_limit_s)
    collector = Collector(job.rule, observers, losses)
    for trial in past:
        # what failed did so in an earlier start, perhaps on a node that has gone
        if trial.result.status is not TrialStatus.FAILED:
            collector.guard.count(trial.result)
    with share_of(workers, is_shared()) as limit:
        searcher = PlanSearcher(plan, limit, past, unfinished)
        end = _fit(searcher, scheduler, job, rest, workers, collector, losses)
    trials = sorted((*past, *end.trials), key=lambda trial: trial.task.number)
    return PhaseEnd(tuple(trials), end.interrupted)


def run_tasks(
    tasks: Sequence[TrialTask], job: TrainingJob, workers: int, observers: Sequence[Observer]
) -> PhaseEnd:
    """Train the given tasks to their last epoch; no scheduler, no early stop.

    Raises
    ------
    SearchAborted
        When trials fail as `FailureGuard` describes.
    """
    losses = Losses(job.budget.trial_time_limit_s)
    collector = Collector(job.rule, observers, losses)
    with share_of(workers, is_shared()) as limit:
        queue = TaskQueue(tasks, limit)
        return _fit(queue, FIFOScheduler(), job, len(tasks), workers, collector, losses)


def _fit(
    searcher: Searcher,
    scheduler: TrialScheduler,
    job: TrainingJob,
    expected: int,
    workers: int,
    collector: Collector,
    losses: Losses,
) -> PhaseEnd:
    _require_sound(collector)
    if not expected:
        return PhaseEnd((), interrupted=False)
    config = tune.TuneConfig(
        search_alg=searcher,
        scheduler=scheduler,
        num_samples=expected,
        reuse_actors=True,
        trial_dirname_creator=_trial_name,
        trial_name_creator=_trial_name,
    )
    # Ray wants a folder for its snapshots; nothing in it outlives the phase
    with tempfile.TemporaryDirectory(prefix="sie-ray-", ignore_cleanup_errors=True) as folder:
        run_config = tune.RunConfig(
            name="phase",
            storage_path=folder,
            callbacks=[HeadWatch(lifeline()), losses, collector],
            stop=collector.guard,
            failure_config=tune.FailureConfig(max_failures=MAX_LOST_WORKERS),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        )
        trainable = tune.with_resources(tune.with_parameters(TrialWorker, job=job), {"cpu": 1})
        with _pending_trials(workers), memory_kills_lose_workers():
            tune.Tuner(trainable, tune_config=config, run_config=run_config).fit()
    _require_sound(collector)
    interrupted = len(collector.ended) < expected
    collector.interrupt_rest("stopped by the user")
    return PhaseEnd(collector.in_order(), interrupted)


@contextmanager
def _pending_trials(n: int) -> Iterator[None]:
    """Let n trials wait for workers, unless the user has said otherwise.

    By default Ray lets one. Short trials end before the next worker is up and take the waiting one
    over, so that a cluster never fills (measured with 8 workers: 3 at once).
    """
    if _PENDING in os.environ:
        yield
        return
    os.environ[_PENDING] = str(n)
    try:
        yield
    finally:
        del os.environ[_PENDING]


def _require_sound(collector: Collector) -> None:
    if collector.guard.message:
        collector.interrupt_rest("the search was aborted")
        raise SearchAborted(
            f"search aborted: {collector.guard.message}; mend the cause, then --fresh starts anew"
        )


def _trial_name(trial: Any) -> str:
    return str(trial.config["task"].key)
