"""Finished searches read back from MLflow: runs, curves, artifacts. Nothing else is asked.

What is read is judged by `sie.search.verdicts`, as the search itself did.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from sie.errors import InputError
from sie.reporting.search_report.artifacts import Artifacts
from sie.reporting.search_report.others import scores_of_others
from sie.reporting.search_report.record import ClusterSearch, Study
from sie.search.parent import PARENT_PHASE
from sie.search.record import EndedTrial, Phase, TrialTask
from sie.search.selection import OBJECTIVE
from sie.search.space import parse_space
from sie.search.verdicts import cluster_searches, judged_repeats
from sie.tracking.queries import StoredRun, children, get_run, read_result
from sie.tracking.store import Store, tracking_errors

FINISHED = "FINISHED"
_PARENT_TAG = "mlflow.parentRunId"

Say = Callable[[str], None]


def read_search(store: Store, run_id: str, say: Say = lambda _: None) -> Study:
    """Return one cluster's search.

    Parameters
    ----------
    store : Store
        MLflow.
    run_id : str
        Parent run of the search.
    say : callable
        Told what is being read.

    Raises
    ------
    InputError
        When there is no such run, it is not a search, or the search has not ended.
    TrackingError
        When the store does not answer.
    """
    run = get_run(store, run_id)
    if run.tags.get("phase") != PARENT_PHASE:
        above = run.tags.get(_PARENT_TAG)
        hint = f"; it belongs to run {above}" if above else ""
        raise InputError(
            f"run {run_id} ({run.name}) is not a cluster's search{hint}: give --run the parent run"
        )
    if run.status != FINISHED:
        raise InputError(
            f"{_unfinished(run)}: its search command goes on; report when it has ended"
        )
    with tracking_errors(store.uri):
        client = store.client()
        number = client.get_run(run_id).info.experiment_id
        experiment = client.get_experiment(number).name
    return Study(experiment, (_read(store, number, experiment, run, say),))


def read_study(
    store: Store, experiment: str, name: str = "search", say: Say = lambda _: None
) -> Study:
    """Return the newest finished search of every cluster that bears a name.

    Parameters
    ----------
    store : Store
        MLflow.
    experiment : str
        Such as loco/obelix/CAMN-V0.
    name : str
        What the user called the searches.
    say : callable
        Told what is being read.

    Raises
    ------
    InputError
        When there is no such experiment or name, or no search of it has ended.
    TrackingError
        When the store does not answer.
    """
    number = _experiment_id(store, experiment)
    found = cluster_searches(store, number)
    named = [run for run in found if run.tags.get("search_name") == name]
    if not named:
        raise InputError(_no_searches(experiment, name, found))
    newest: dict[int, StoredRun] = {}
    open_ones: dict[int, StoredRun] = {}
    for run in named:
        into = newest if run.status == FINISHED else open_ones
        into.setdefault(int(run.tags["cluster"]), run)
    notes = [
        f"{_unfinished(run)} and is left out" for k, run in open_ones.items() if k not in newest
    ]
    if not newest:
        raise InputError(f"no search of {experiment} has ended: {'; '.join(notes)}")
    searches = [_read(store, number, experiment, newest[k], say) for k in sorted(newest)]
    return Study(experiment, tuple(searches), tuple(notes))


def _experiment_id(store: Store, name: str) -> str:
    with tracking_errors(store.uri):
        client = store.client()
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        known = [item.name for item in client.search_experiments()]
    near = difflib.get_close_matches(name, known, n=1)
    searches = sorted(item for item in known if item.startswith("loco/"))
    hint = f"; did you mean {near[0]}?" if near else f"; it holds {', '.join(searches) or 'none'}"
    raise InputError(f"{store.shown} holds no experiment {name}{hint}")


def _no_searches(experiment: str, name: str, found: Sequence[StoredRun]) -> str:
    names = sorted({run.tags.get("search_name", "") for run in found})
    if not names:
        return f"experiment {experiment} holds no search; give one that loco_search.py wrote"
    return f"experiment {experiment} holds no search named {name}: --name {' or '.join(names)}"


def _unfinished(run: StoredRun) -> str:
    reason = f": {run.tags['reason']}" if run.tags.get("reason") else ""
    return f"search {run.name} (run {run.run_id}) has not finished ({run.status.lower()}{reason})"


def _read(store: Store, number: str, experiment: str, run: StoredRun, say: Say) -> ClusterSearch:
    say(f"reading {run.name}")
    bare = ClusterSearch(
        run,
        experiment,
        _trials(store, number, run),
        tuple(
            item.verdict
            for item in judged_repeats(store, number, run, None, (OBJECTIVE, "val_mcc"))
        ),
    )
    return _with_artifacts(store, bare)


def _trials(store: Store, number: str, parent: StoredRun) -> tuple[EndedTrial, ...]:
    ended = []
    for run in children(store, number, parent.run_id):
        if run.tags.get("phase") == Phase.SEARCH and run.ended is not None:
            task = TrialTask(
                run.key, Phase.SEARCH, int(run.tags["trial_number"]), run.config, run.seed
            )
            result = read_result(store, run, (OBJECTIVE,))
            ended.append(EndedTrial(task, result, run.metrics.get("objective", float("nan"))))
    return tuple(sorted(ended, key=lambda trial: trial.task.number))


def _with_artifacts(store: Store, search: ClusterSearch) -> ClusterSearch:
    files = Artifacts(store, search.parent.run_id)
    space = files.parsed("space.json", lambda text: parse_space(json.loads(text)))
    archive = files.splits()
    documents = {
        name: found
        for name in ("dataset", "leakage", "hold_out")
        if (found := files.parsed(f"{name}.json", json.loads)) is not None
    }
    entries = files.entries()
    return replace(
        search,
        space=space,
        split=next(iter(archive.splits), None) if archive else None,
        clustering=archive.clustering if archive else None,
        entries=entries,
        documents=documents,
        others=scores_of_others(store, search.param("dataset"), search.parent.tags["split_hash"]),
        missing=files.missing,
    )
