"""Every system on every split with every seed: what is missing is evaluated, all is returned.

Puts systems, workers and record together; each of them lives in a module of its own.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sie.comparison.claim import claim
from sie.comparison.record import Evaluation, Kind, SystemResults
from sie.comparison.recording import SystemRecord
from sie.comparison.systems import System
from sie.comparison.workers import Job, run_jobs
from sie.errors import TrackingError
from sie.search.seeds import derive_seed
from sie.splits.record import Split
from sie.tracking.recorder import Recorder
from sie.training.ending import one_line

log = logging.getLogger(__name__)

WRITING_PAUSES_S = (1.0, 5.0, 20.0, 60.0)
"""Between attempts to record the last evaluations in a store that is away."""

Advance = Callable[[str], None]
"""Called with a line for every evaluation that has ended."""


def n_repeats(system: System, n_seeds: int) -> int:
    """Return how often a system is evaluated on a split; a control is a mean over draws itself."""
    return 1 if system.kind is Kind.CONTROL else n_seeds


def compare(
    systems: Sequence[System],
    splits: Sequence[Split],
    n_seeds: int,
    recorder: Recorder,
    marks: Mapping[str, Any],
    workers: int,
    started: Callable[[int, int], Advance],
    master_seed: int = 42,
) -> tuple[SystemResults, ...]:
    """Evaluate systems on identical splits; Ray must be running.

    All systems meet the same seeds. What an earlier start recorded is not evaluated again;
    more seeds than before add to it. A second process that compares in the same experiment waits
    for the first.

    Parameters
    ----------
    systems, splits : sequence
        What is compared, and on what.
    n_seeds : int
        Repeats of every system that is not a control.
    recorder : Recorder
        Writes into the experiment.
    marks : Mapping
        Tags of every run.
    workers : int
        Evaluations at once.
    started : callable
        Called with the number of evaluations done already and of all; returns what is told of
        every further one.
    master_seed : int
        All seeds follow from it.
    """
    with claim(recorder):
        return _compare(systems, splits, n_seeds, recorder, marks, workers, started, master_seed)


def _compare(
    systems: Sequence[System],
    splits: Sequence[Split],
    n_seeds: int,
    recorder: Recorder,
    marks: Mapping[str, Any],
    workers: int,
    started: Callable[[int, int], Advance],
    master_seed: int,
) -> tuple[SystemResults, ...]:
    records = {id(system): SystemRecord(recorder, system, splits, marks) for system in systems}
    jobs: list[Job] = []
    wanted = 0
    for system in systems:
        for repeat in range(n_repeats(system, n_seeds)):
            seed = derive_seed(master_seed, "comparison", repeat)
            wanted += len(splits)
            jobs += [
                Job(system, split, repeat, seed)
                for split in splits
                if (split.name, repeat) not in records[id(system)].done
            ]
    advance = started(wanted - len(jobs), wanted)

    waiting: deque[tuple[Job, Evaluation]] = deque()

    def write_all() -> None:
        while waiting:
            job, evaluation = waiting[0]
            records[id(job.system)].write(evaluation, job.seed)
            waiting.popleft()

    def done(job: Job, evaluation: Evaluation) -> None:
        waiting.append((job, evaluation))
        try:
            write_all()
        except TrackingError as error:
            log.warning("%s; going on, %d evaluations wait to be recorded", error, len(waiting))
        score = evaluation.scores.get("auc_pr")
        shown = f"AUC-PR {score:.3f}" if score is not None else str(evaluation.status)
        advance(f"{job.system.name} {job.split.name} seed {job.repeat}: {shown}")

    try:
        run_jobs(jobs, workers, done)
        _insist(write_all)
    except BaseException as error:
        with suppress(TrackingError):
            write_all()
            for record in records.values():
                record.interrupt(one_line(error))
        raise
    return tuple(records[id(system)].close(n_repeats(system, n_seeds)) for system in systems)


def _insist(write_all: Callable[[], None]) -> None:
    """Write what the store has not taken yet, trying again for a while.

    Raises
    ------
    TrackingError
        When the store stays away.
    """
    for pause in WRITING_PAUSES_S:
        try:
            return write_all()
        except TrackingError as error:
            log.warning("%s; trying again in %g s", error, pause)
            time.sleep(pause)
    return write_all()
