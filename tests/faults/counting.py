"""Counting a search's trials in MLflow: planned, ended, lost, doubled.

What had ended is known from the drill's own witness, never from the code under test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faults.searches import EXPERIMENT, PLANNED, TRIALS, Search
from faults.stored import flaws, steps_of, written_twice

from sie.search.parent import AGAIN
from sie.tracking.queries import StoredRun, children
from sie.training.record import TrialStatus


@dataclass(frozen=True)
class Count:
    """What became of a search's trials.

    Attributes
    ----------
    planned, ended : int
        Trials and repeats of the plan; those of them that ended, once or more.
    lost : tuple of str
        Planned and never ended; or ended once, and that end is not what is recorded; or recorded
        in part. One text for each trial.
    doubled : tuple of str
        More than one run, several values at one epoch, or trained again after the end was taken.
    statuses, reasons : dict
        How each trial ended and why, by key, as MLflow holds it.
    """

    planned: int
    ended: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    statuses: dict[str, str]
    reasons: dict[str, str]


def count(searched: Search) -> Count:
    """Count the trials of a search that has come to its end."""
    store, parents = searched.store(), searched.parents()
    experiment = store.experiment(EXPERIMENT)
    runs = [run for parent in parents for run in children(store, experiment, parent.run_id)]
    by_key: dict[str, list[StoredRun]] = defaultdict(list)
    for run in runs:
        by_key[run.key].append(run)
    ended = {
        key: run
        for key, several in by_key.items()
        for run in several
        if run.ended not in (None, TrialStatus.INTERRUPTED)
    }
    taken = _taken(searched)
    steps = {key: steps_of(store, run) for key, run in ended.items()}
    lost = [*_missing(ended), *(f"{key}: its end is not recorded" for key in taken.keys() - ended)]
    for key, run in ended.items():
        if wrong := flaws(run, steps[key], taken.get(key)):
            lost.append(f"{key}: {'; '.join(wrong)}")
    doubled = [f"parent {run.run_id[:8]}" for run in parents[1:]]
    doubled += [f"{key}: {len(several)} runs" for key, several in by_key.items() if several[1:]]
    doubled += [f"{key}: curve twice" for key in ended if written_twice(steps[key])]
    doubled += _trained_again(searched)
    if parents and parents[0].status != "FINISHED":
        lost.append(f"the search itself is {parents[0].status}")
    statuses = {key: str(run.ended) for key, run in sorted(ended.items())}
    reasons = {key: run.tags.get("reason", "") for key, run in sorted(ended.items())}
    return Count(PLANNED, len(ended), tuple(lost), tuple(doubled), statuses, reasons)


def _missing(ended: dict[str, StoredRun]) -> list[str]:
    keys = [f"trial-{number:04d}" for number in range(TRIALS)]
    missing = [f"{key} never ended" for key in keys if key not in ended]
    repeats = sum(key.startswith("repeat-") for key in ended)
    return missing + [f"repeat {n} never ended" for n in range(repeats, PLANNED - TRIALS)]


def _taken(searched: Search) -> dict[str, dict[str, Any]]:
    """Return the first end for good that the record has taken over, by the trials' keys."""
    first: dict[str, dict[str, Any]] = {}
    for line in searched.ends():
        if _for_good(line):
            first.setdefault(line["key"], line)
    return first


def _trained_again(searched: Search) -> list[str]:
    trainings: dict[str, set[float]] = defaultdict(set)
    for line in searched.ends():
        if _for_good(line):
            trainings[line["key"]].add(line["seconds_training"])
    return [f"{key}: trained {len(s)} times" for key, s in trainings.items() if len(s) > 1]


def _for_good(line: Mapping[str, Any]) -> bool:
    return TrialStatus(line["status"]) not in AGAIN
