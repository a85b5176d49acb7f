"""Counting a search's trials in MLflow: planned, ended, lost, doubled.

What had ended is known from the drill's own witness, never from the code under test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from faults.searches import EXPERIMENT, PLANNED, TRIALS, Search

from sie.search.parent import AGAIN
from sie.search.selection import OBJECTIVE
from sie.tracking.queries import StoredRun, children
from sie.tracking.store import Store
from sie.training.record import TrialStatus


@dataclass(frozen=True)
class Count:
    """What became of a search's trials.

    Attributes
    ----------
    planned, ended : int
        Trials and repeats of the plan; those of them that ended, once or more.
    lost : tuple of str
        Planned and never ended; or ended once, and that end is not what is recorded.
    doubled : tuple of str
        More than one run, several values at one epoch, or trained again after the end was taken.
    statuses : dict
        How each trial ended, by key.
    """

    planned: int
    ended: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    statuses: dict[str, str]


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
    lost = [*_missing(ended), *_replaced(searched, ended)]
    doubled = [f"parent {run.run_id[:8]}" for run in parents[1:]]
    doubled += [f"{key}: {len(several)} runs" for key, several in by_key.items() if several[1:]]
    doubled += [f"{run.key}: curve twice" for run in ended.values() if _curve_twice(store, run)]
    doubled += _trained_again(searched)
    if parents and parents[0].status != "FINISHED":
        lost.append(f"the search itself is {parents[0].status}")
    statuses = {key: str(run.ended) for key, run in sorted(ended.items())}
    return Count(PLANNED, len(ended), tuple(lost), tuple(doubled), statuses)


def _missing(ended: dict[str, StoredRun]) -> list[str]:
    keys = [f"trial-{number:04d}" for number in range(TRIALS)]
    missing = [f"{key} never ended" for key in keys if key not in ended]
    repeats = sum(key.startswith("repeat-") for key in ended)
    return missing + [f"repeat {n} never ended" for n in range(repeats, PLANNED - TRIALS)]


def _replaced(searched: Search, ended: dict[str, StoredRun]) -> list[str]:
    """Return trials whose first end the record had taken but does not hold.

    The seconds that a training took tell one training from another.
    """
    first: dict[str, float] = {}
    for line in searched.ends():
        if _for_good(line):
            first.setdefault(line["key"], line["seconds_training"])
    lost = []
    for key, seconds in first.items():
        kept = ended[key].metrics.get("seconds_training") if key in ended else None
        if kept is None or abs(kept - seconds) > 1e-9:
            lost.append(f"{key}: its end ({seconds:.6f} s) is not the recorded one ({kept})")
    return lost


def _trained_again(searched: Search) -> list[str]:
    trainings: dict[str, set[float]] = defaultdict(set)
    for line in searched.ends():
        if _for_good(line):
            trainings[line["key"]].add(line["seconds_training"])
    return [f"{key}: trained {len(s)} times" for key, s in trainings.items() if len(s) > 1]


def _for_good(line: dict[str, str]) -> bool:
    return TrialStatus(line["status"]) not in AGAIN


def _curve_twice(store: Store, run: StoredRun) -> bool:
    points = store.client().get_metric_history(run.run_id, OBJECTIVE)
    steps = Counter(point.step for point in points)
    return any(times > 1 for times in steps.values())
