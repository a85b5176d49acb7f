"""Evaluations on Ray: actors that keep their compiled networks from one to the next.

Only where and in which order they run; what an evaluation is lives in `systems`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray

from sie.comparison.record import Evaluation, Kind
from sie.comparison.systems import System
from sie.search.actors import run_on_actors
from sie.splits.record import Split
from sie.training.record import TrialStatus


@dataclass(frozen=True)
class Job:
    """One evaluation that is to be done.

    Attributes
    ----------
    repeat : int
        Number of the repeat, under which the evaluation is recorded.
    seed : int
        What the system draws from.
    """

    system: System
    split: Split
    repeat: int
    seed: int

    @property
    def name(self) -> str:
        """The split's, for messages."""
        return self.split.name


class Evaluator:
    """A worker: evaluates one system after another on one thread."""

    def __init__(self) -> None:
        self._programs: Any = None

    def evaluate(self, system: System, split: Split, seed: int) -> Evaluation:
        """Evaluate; networks share compiled programs."""
        if system.kind is Kind.NETWORK and self._programs is None:
            from sie.training.program import ProgramCache
            from sie.training.threads import limit_threads

            limit_threads(1)
            self._programs = ProgramCache()
        return system.evaluate(split, seed, self._programs)


def run_jobs(jobs: Sequence[Job], workers: int, on_done: Callable[[Job, Evaluation], None]) -> None:
    """Evaluate all jobs, `workers` at once, and hand each result over as it comes.

    Ray must be running where there are jobs. A job whose system raises is handed over as failed
    with its reason; one whose worker is lost is started again.

    Parameters
    ----------
    jobs : sequence of Job
        Started in this order.
    workers : int
        Evaluations at once.
    on_done : callable
        Called in this process, in the order in which jobs end.
    """
    if not jobs:
        return
    systems = {id(job.system): job.system for job in jobs}
    shared = {key: ray.put(system) for key, system in systems.items()}

    def start(actor: Any, job: Job) -> Any:
        return actor.evaluate.remote(shared[id(job.system)], job.split, job.seed)

    def on_end(job: Job, evaluation: Evaluation | None, reason: str) -> None:
        ended = _failed(job, reason) if evaluation is None else evaluation
        on_done(job, replace(ended, seed=job.repeat))

    # num_cpus=1 also while idle, or Ray would place all actors on one node
    run_on_actors(jobs, workers, ray.remote(num_cpus=1)(Evaluator).remote, start, on_end)


def _failed(job: Job, reason: str) -> Evaluation:
    return Evaluation(job.split.name, job.repeat, TrialStatus.FAILED, reason)
