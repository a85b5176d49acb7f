"""Evaluations on Ray: actors that keep their compiled networks from one to the next.

Only where and in which order they run; what an evaluation is lives in `systems`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from sie.comparison.record import Evaluation, Kind
from sie.comparison.systems import System
from sie.splits.record import Split
from sie.training.ending import one_line
from sie.training.record import TrialStatus

log = logging.getLogger(__name__)

MAX_LOST_WORKERS = 2
"""How often an evaluation is started again because its worker or node was lost."""


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
    waiting = deque((job, 0) for job in jobs)
    systems = {id(job.system): job.system for job in jobs}
    shared = {key: ray.put(system) for key, system in systems.items()}
    # num_cpus=1 also while idle, or Ray would place all actors on one node
    make = ray.remote(num_cpus=1)(Evaluator).remote
    idle = [make() for _ in range(min(workers, len(jobs)))]
    running: dict[Any, tuple[Any, Job, int]] = {}
    try:
        while waiting or running:
            while waiting and idle:
                (job, lost), actor = waiting.popleft(), idle.pop()
                reference = actor.evaluate.remote(shared[id(job.system)], job.split, job.seed)
                running[reference] = actor, job, lost
            (reference,), _ = ray.wait(list(running), num_returns=1)
            actor, job, lost = running.pop(reference)
            try:
                evaluation = ray.get(reference)
            except RayTaskError as error:
                idle.append(actor)
                evaluation = _failed(job, one_line(error.cause))
            except RayError as error:  # the worker died, or Ray killed it for its memory
                ray.kill(actor)
                idle.append(make())
                if lost < MAX_LOST_WORKERS:
                    log.warning("a worker was lost; %s starts again", job.split.name)
                    waiting.appendleft((job, lost + 1))
                    continue
                evaluation = _failed(job, f"worker lost {lost + 1} times: {one_line(error)}")
            else:
                idle.append(actor)
            on_done(job, replace(evaluation, seed=job.repeat))
    finally:
        for actor in (*idle, *(actor for actor, _, _ in running.values())):
            ray.kill(actor)


def _failed(job: Job, reason: str) -> Evaluation:
    return Evaluation(job.split.name, job.repeat, TrialStatus.FAILED, reason)
