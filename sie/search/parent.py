"""The parent run of a cluster's search: found again, claimed, or opened anew.

An unfinished search is gone on with when plan, name and code are the same and no other process
works on it; what it holds is recorded by `sie.search.recording`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sie.errors import InputError
from sie.search.differences import describe_first, differences, flat
from sie.search.plan import REPEATABLE_BATCH, Mode, SearchPlan
from sie.search.record import EndedTrial, Phase, TrialTask
from sie.search.selection import result_objective
from sie.tracking.environment import environment_tags
from sie.tracking.ownership import OWNER_TAG, Owner, is_alive, owner_elsewhere
from sie.tracking.queries import StoredRun, children, get_run, read_result, search
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

log = logging.getLogger(__name__)

PARENT_PHASE = "cluster-search"

UNDER_WAY = "running"
"""The tag `status` of a run that has not ended."""

AGAIN = (None, TrialStatus.INTERRUPTED, TrialStatus.FAILED)
"""Endings after which a trial is trained again: its configuration had no part in them."""


@dataclass(frozen=True)
class Parent:
    """A parent run that this process alone writes.

    Attributes
    ----------
    run_id : str
        Its id in MLflow.
    past : Mapping[str, EndedTrial]
        Trials that an earlier start ended, by key.
    unfinished : Mapping[str, TrialTask]
        Trials that it had begun, or that failed: to be trained again as they were.
    runs : Mapping[TrialTask, str]
        Ids of the runs that both have already.
    lock : FileLock
        Held until the search ends; the system releases it when the process dies.
    owner : Owner
        This process, for those of other machines and folders.
    """

    run_id: str
    past: Mapping[str, EndedTrial]
    unfinished: Mapping[str, TrialTask]
    runs: Mapping[TrialTask, str]
    lock: FileLock
    owner: Owner

    def release(self) -> None:
        """Let other processes go on with the search."""
        # the empty file stays: removed, it would be locked by one while another makes it anew
        self.lock.release()


def marks_of(plan: SearchPlan) -> dict[str, Any]:
    """Return the tags that every run of a search bears: what it is made from, by hash."""
    return {
        "dataset_hash": plan.dataset_hash,
        "features_hash": plan.features_hash,
        "split_hash": plan.split_hash,
        "hold_out_hash": plan.hold_out_hash,
        "space_hash": plan.space.hash,
        "plan_hash": plan.hash,
        "cluster": plan.cluster,
        **environment_tags(),
    }


def open_parent(
    recorder: Recorder,
    plan: SearchPlan,
    name: str,
    marks: Mapping[str, Any],
    folder: Path,
    fresh: bool,
    resume: bool = False,
) -> Parent:
    """Return the unfinished search of the same plan, name and code, or a new one.

    An unfinished search of the same name and cluster that differs stays as it is; what differs is
    said.

    Parameters
    ----------
    recorder : Recorder
        Writes into the experiment.
    plan : SearchPlan
        What is searched.
    name : str
        The user's name for it.
    marks : Mapping
        Tags of the parent; `code_hash` among them.
    folder : Path
        Where the locks of searches under way are.
    fresh : bool
        Open a new one in any case.
    resume : bool
        Open no new one.

    Raises
    ------
    InputError
        When the name holds characters that names of runs and filters do not take; with `resume`
        when there is nothing to go on with, or another process is at it.
    """
    if not re.fullmatch(r"[\w][\w .+-]{0,79}", name):
        raise InputError(
            f"--name {name!r}: use up to 80 letters, digits, spaces and the signs . + - _"
        )
    of_name = search(
        recorder.store,
        [recorder.experiment_id],
        f"tags.phase = '{PARENT_PHASE}' and tags.search_name = '{name}' "
        f"and tags.cluster = '{plan.cluster}'",
    )
    owner = Owner(folder)
    # one without parameters belongs to a process that is just opening it, or died there
    unfinished = [run for run in of_name if run.status != "FINISHED" and run.params and not fresh]
    busy = ""
    for run in unfinished:
        if differences(run, plan, marks):
            continue
        if (lock := _take(recorder, run, folder, owner)) is not None:
            return _with_past(recorder, plan, run, lock, owner)
        busy = f"search {run.run_id[:8]} is under way in another process"
        log.info("%s; opening a new one", busy)
    differing = describe_first(recorder.store, unfinished, plan, marks)
    if resume:
        raise InputError(
            f"--resume: {busy or differing or f'no unfinished search called {name!r}'} (cluster "
            f"{plan.cluster}); give the options of the search to go on with, or leave --resume out"
        )
    if differing and not busy:
        log.warning("%s; a new search is opened beside it", differing)
    number = sum(run.tags.get("plan_hash") == plan.hash for run in of_name) + 1
    run_id = recorder.open_run(
        f"{plan.hash}/{name}/{number}",
        f"cluster-{plan.cluster}/{name}" + (f"-{number}" if number > 1 else ""),
        {
            "phase": PARENT_PHASE,
            "status": UNDER_WAY,
            "search_name": name,
            "seed": plan.seed,
            **owner.sign(),
            **marks,
        },
        flat(plan.as_dict()),
    )
    lock = _claim(folder, run_id)
    if lock is None:
        raise RuntimeError(f"the new run {run_id} is claimed already")
    return Parent(run_id, {}, {}, {}, lock, owner)


def remove_doubles(recorder: Recorder, parent: str, known: set[str], owner: Owner) -> None:
    """Remove own runs of trials that nobody knows of: MLflow made them, its answer was lost."""
    for run in children(recorder.store, recorder.experiment_id, parent):
        own = run.tags.get(OWNER_TAG) == owner.text
        if own and run.ended is None and run.run_id not in known:
            recorder.remove_run(run.run_id)


def finished(recorder: Recorder, plan: SearchPlan, name: str, code_hash: str) -> bool:
    """Return whether a search of the same plan, name and code has ended already."""
    found = search(
        recorder.store,
        [recorder.experiment_id],
        f"tags.plan_hash = '{plan.hash}' and tags.phase = '{PARENT_PHASE}' "
        f"and tags.search_name = '{name}' and tags.code_hash = '{code_hash}'",
    )
    return any(run.status == "FINISHED" for run in found)


def _with_past(
    recorder: Recorder, plan: SearchPlan, parent: StoredRun, lock: FileLock, owner: Owner
) -> Parent:
    past: dict[str, EndedTrial] = {}
    unfinished: dict[str, TrialTask] = {}
    runs: dict[TrialTask, str] = {}
    below = children(recorder.store, recorder.experiment_id, parent.run_id)
    settled = _settled_by_batches(below) if plan.mode is Mode.REPEATABLE else set()
    for run in sorted(below, key=lambda run: run.ended is None):  # what ended comes first
        owner.beat_when_due(recorder, parent.run_id)
        if run.tags.get("phase") not in (Phase.SEARCH, Phase.REPEAT):
            continue
        if run.config.hash != run.tags.get("config_hash"):
            recorder.remove_run(run.run_id)  # its process died before it wrote the configuration
            continue
        phase, number = Phase(run.tags["phase"]), int(run.tags["trial_number"])
        task = TrialTask(run.key, phase, number, run.config, run.seed)
        if task in runs:
            if run.ended is None:
                recorder.remove_run(run.run_id)  # MLflow made it twice
            continue
        if run.ended is None and run.metrics:
            # its process died amid the curves, and those of two trainings must not mix
            recorder.remove_run(run.run_id)
            unfinished[run.key] = task
            continue
        runs[task] = run.run_id
        if run.ended in AGAIN and run.key not in settled:
            unfinished[run.key] = task
            continue
        if run.ended is not None and run.status == "RUNNING":
            recorder.end_run(run.run_id, run.ended)  # its process died between the two
        result = read_result(recorder.store, run)
        past[run.key] = EndedTrial(task, result, result_objective(result, plan.rule))
    return Parent(parent.run_id, past, unfinished, runs, lock, owner)


def _settled_by_batches(runs: Sequence[StoredRun]) -> set[str]:
    """Return the failed trials that trials of later batches were drawn after, by key.

    In repeatable mode those were drawn as if the failed one's region were bad; had it another
    ending now, they would not follow from the seed any more.
    """
    numbers = {
        run.key: int(run.tags["trial_number"]) // REPEATABLE_BATCH
        for run in runs
        if run.tags.get("phase") == Phase.SEARCH
    }
    last = max(numbers.values(), default=0)
    failed = {run.key for run in runs if run.ended is TrialStatus.FAILED}
    return {key for key, batch in numbers.items() if batch < last and key in failed}


def _take(recorder: Recorder, run: StoredRun, folder: Path, owner: Owner) -> FileLock | None:
    """Return the lock of a search that is this process's now; None when another's, or finished."""
    if (lock := _claim(folder, run.run_id)) is None:
        return None
    now = get_run(recorder.store, run.run_id)  # the list may be older than the lock
    if now.status != "FINISHED" and not (owner_elsewhere(now, folder) and is_alive(recorder, now)):
        owner.claim(recorder, run.run_id)
        recorder.reopen_run(run.run_id)
        recorder.log(run.run_id, tags={"status": UNDER_WAY})
        # on a server somebody whom no lock stops may have waited for the same silence
        if recorder.store.artifacts is not None or owner.holds(recorder, run.run_id):
            return lock
    lock.release()
    return None


def _claim(folder: Path, run_id: str) -> FileLock | None:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".search-{run_id}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
