"""Jobs on Ray actors: one after the other on each, those of a lost worker once more.

Knows neither what a job is nor what becomes of its result; the trials of a search run under Ray
Tune instead.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from sie.training.ending import one_line

log = logging.getLogger(__name__)

MAX_LOST_WORKERS = 2
"""How often a job is started again because its worker or node was lost."""

WATCH_SECONDS = 2.0
"""Between two looks at the jobs under way, where somebody watches."""


class Named(Protocol):
    """Something with a name for messages."""

    @property
    def name(self) -> str:
        """What a warning calls it."""


Job = TypeVar("Job", bound=Named)


def run_on_actors(
    jobs: Sequence[Job],
    workers: int,
    make: Callable[[], Any],
    start: Callable[[Any, Job], Any],
    on_end: Callable[[Job, Any, str], None],
    watch: Callable[[Sequence[tuple[Any, Job]]], None] | None = None,
) -> None:
    """Run all jobs, `workers` at once, and hand over how each ended as it does.

    Ray must be running where there are jobs. All actors are ended on return, whatever happens.

    Parameters
    ----------
    jobs : sequence
        Started in this order.
    workers : int
        Jobs at once.
    make : callable
        Makes an actor.
    start : callable
        Hands a job to an actor and returns the reference of its result.
    on_end : callable
        Called in this process with a job, its result and an empty text, or None and the reason why
        there is no result: it raised, or its worker was lost more than `MAX_LOST_WORKERS` times.
    watch : callable, optional
        Called every few seconds with actors and the jobs that they are at.
    """
    waiting = deque((job, 0) for job in jobs)
    idle = [make() for _ in range(min(workers, len(jobs)))]
    running: dict[Any, tuple[Any, Job, int]] = {}
    try:
        while waiting or running:
            while waiting and idle:
                (job, lost), actor = waiting.popleft(), idle.pop()
                running[start(actor, job)] = actor, job, lost
            ended = _next(running, watch)
            actor, job, lost = running.pop(ended)
            result, reason = None, ""
            try:
                result = ray.get(ended)
            except RayTaskError as error:
                reason = one_line(error.cause)
            except RayError as error:  # the worker died, or Ray killed it for its memory
                ray.kill(actor)
                actor = make()
                if lost < MAX_LOST_WORKERS:
                    log.warning("a worker was lost; %s starts again", job.name)
                    waiting.appendleft((job, lost + 1))
                    idle.append(actor)
                    continue
                reason = f"worker lost {lost + 1} times: {one_line(error)}"
            idle.append(actor)
            on_end(job, result, reason)
    finally:
        for actor in (*idle, *(actor for actor, _, _ in running.values())):
            ray.kill(actor)


def _next(
    running: dict[Any, tuple[Any, Job, int]],
    watch: Callable[[Sequence[tuple[Any, Job]]], None] | None,
) -> Any:
    """Wait for a job to end and return its reference."""
    while True:
        timeout = None if watch is None else WATCH_SECONDS
        ended, _ = ray.wait(list(running), num_returns=1, timeout=timeout)
        if ended:
            return ended[0]
        if watch is not None:
            watch([(actor, job) for actor, job, _ in running.values()])
