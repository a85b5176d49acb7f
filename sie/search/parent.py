"""The parent run of a cluster's search: found again, claimed, or opened anew.

An unfinished search is gone on with when plan, name and code are the same and no other process
works on it; what it holds is recorded by `sie.search.recording`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sie.errors import InputError
from sie.search.plan import SearchPlan
from sie.search.record import EndedTrial, Phase, TrialTask
from sie.search.selection import SelectionRule, result_objective
from sie.tracking.queries import StoredRun, children, read_result, search
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

log = logging.getLogger(__name__)

PARENT_PHASE = "cluster-search"

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
    """

    run_id: str
    past: Mapping[str, EndedTrial]
    unfinished: Mapping[str, TrialTask]
    runs: Mapping[TrialTask, str]
    lock: FileLock

    def release(self) -> None:
        """Let other processes go on with the search."""
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)


def open_parent(
    recorder: Recorder,
    plan: SearchPlan,
    name: str,
    marks: Mapping[str, Any],
    folder: Path,
    fresh: bool,
) -> Parent:
    """Return the unfinished search of the same plan, name and code, or a new one.

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

    Raises
    ------
    InputError
        When the name holds characters that names of runs and filters do not take.
    """
    if not re.fullmatch(r"[\w][\w .+-]{0,79}", name):
        raise InputError(
            f"--name {name!r}: use up to 80 letters, digits, spaces and the signs . + - _"
        )
    earlier = search(
        recorder.store,
        [recorder.experiment_id],
        f"tags.plan_hash = '{plan.hash}' and tags.phase = '{PARENT_PHASE}' "
        f"and tags.search_name = '{name}'",
    )
    for run in earlier:
        if fresh or run.status == "FINISHED" or run.tags.get("code_hash") != marks["code_hash"]:
            continue
        if (lock := _claim(folder, run.run_id)) is not None:
            recorder.reopen_run(run.run_id)
            return _with_past(recorder, plan.rule, run, lock)
        log.info("search %s is under way in another process; opening a new one", run.run_id)
    number = len(earlier) + 1
    run_id = recorder.open_run(
        f"{plan.hash}/{name}/{number}",
        f"cluster-{plan.cluster}/{name}" + (f"-{number}" if number > 1 else ""),
        {"phase": PARENT_PHASE, "search_name": name, "seed": plan.seed, **marks},
        _flat(plan.as_dict()),
    )
    lock = _claim(folder, run_id)
    if lock is None:
        raise RuntimeError(f"the new run {run_id} is claimed already")
    return Parent(run_id, {}, {}, {}, lock)


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
    recorder: Recorder, rule: SelectionRule, parent: StoredRun, lock: FileLock
) -> Parent:
    past: dict[str, EndedTrial] = {}
    unfinished: dict[str, TrialTask] = {}
    runs: dict[TrialTask, str] = {}
    for run in children(recorder.store, recorder.experiment_id, parent.run_id):
        if run.tags.get("phase") not in (Phase.SEARCH, Phase.REPEAT):
            continue
        phase, number = Phase(run.tags["phase"]), int(run.tags["trial_number"])
        task = TrialTask(run.key, phase, number, run.config, run.seed)
        runs[task] = run.run_id
        if run.ended in AGAIN:
            unfinished[run.key] = task
        else:
            result = read_result(recorder.store, run)
            past[run.key] = EndedTrial(task, result, result_objective(result, rule))
    return Parent(parent.run_id, past, unfinished, runs, lock)


def _claim(folder: Path, run_id: str) -> FileLock | None:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".search-{run_id}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested plain values with dotted names, as MLflow's parameters."""
    flat: dict[str, Any] = {}
    for key, value in plan.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": content for inner, content in value.items()}
        else:
            flat[key] = value
    return flat
