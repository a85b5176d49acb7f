"""Training one recorded trial again, to see whether the record can be reproduced.

The body of --rerun-trial: data as in the search, settings from MLflow, one thread, no Ray.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console

from sie.cli.config_file import log_options
from sie.cli.loco import LocoOptions, prepare
from sie.cli.outcome import print_lines
from sie.errors import InputError
from sie.features.views import parse_view, seen_through
from sie.search.parent import AGAIN
from sie.search.plan import Budget
from sie.search.problem import LearningProblem
from sie.search.record import Phase
from sie.search.selection import SelectionRule, result_objective
from sie.search.space import parse_space
from sie.splits.left_out import loco_split
from sie.tracking.queries import StoredRun, get_run, read_result, read_text
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store, open_store
from sie.training.early_stopping import EarlyStopping
from sie.training.record import METRICS, TrialResult, TrialStatus

HASHES = ("dataset_hash", "features_hash", "split_hash", "hold_out_hash")


@dataclasses.dataclass(frozen=True)
class Rerun:
    """A trial that was trained once more: both runs, both objectives, whether the curves agree."""

    run_id: str
    recorded_run_id: str
    equal: bool
    objective: float
    recorded_objective: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


def rerun_trial(run_id: str, options: LocoOptions, console: Console) -> Rerun:
    """Train the trial of a run again with its seed, and compare the curves.

    The new training is recorded beside the old one with the tag phase = rerun.

    Raises
    ------
    InputError
        When the run is no trial, or the data at hand is not the data of the run.
    """
    store = open_store(options.tracking_uri, options.record_folder)
    run = get_run(store, run_id)
    if run.tags.get("phase") not in (Phase.SEARCH, Phase.REPEAT) or run.ended in AGAIN:
        raise InputError(
            f"run {run_id} is no trial with curves to compare with (it is "
            f"{run.ended or run.tags.get('phase', 'not of sie')}); copy the id of an ended trial"
        )
    parent = get_run(store, run.tags["mlflow.parentRunId"])
    options = _as_searched(options, parent, run, store)
    problem = prepare(options, console).problem
    split = loco_split(problem.clustering, int(parent.params["cluster"]), problem.labels)
    at_hand = {
        "dataset_hash": problem.dataset_hash,
        "features_hash": problem.features_hash,
        "split_hash": split.hash,
        "hold_out_hash": problem.hold_out_hash,
    }
    if other := [name for name in HASHES if run.tags.get(name) != at_hand[name]]:
        raise InputError(
            f"run {run_id} was made from other data: {', '.join(other)} differ; give the same "
            "--dataset, --data-dir, --clusters as then"
        )
    recorded = read_result(store, run)
    # the epoch in which a trial diverged is not on its curves
    n_epochs = recorded.n_epochs + (recorded.status is TrialStatus.DIVERGED)
    budget, rule = _settings(parent)
    weights = _weights(options, problem, parent, run)
    with console.status(f"training {run.name} again for {recorded.n_epochs} epochs"):
        from sie.training.run import train
        from sie.training.threads import limit_threads

        limit_threads(1)
        stopping = _stopping(run, budget)
        again = train(
            seen_through(problem.features, problem.seen_as, run.config.view),
            problem.labels,
            split,
            run.config,
            run.seed,
            n_epochs,
            stopping,
            weights=weights,
        )
    recorder = Recorder(store, problem.experiment)
    tags = {**run.tags, "phase": Phase.RERUN, "rerun_of": run.run_id}
    kept = {k: v for k, v in tags.items() if not k.startswith(("mlflow.", "sie."))}
    new = recorder.open_run(
        f"rerun-{run.key}", f"rerun-{run.name}", kept, run.config.as_params(), parent.run_id
    )
    metrics = {"objective": result_objective(again, rule)}
    recorder.close_run(new, again.status, again.reason, again.curves, metrics)
    log_options(recorder, new, options.run_options)
    before, now = result_objective(recorded, rule), result_objective(again, rule)
    found = Rerun(new, run_id, _equal(recorded, again), now, before)
    line = (
        f"{run.name}: recorded {before:.6f}, again {now:.6f}; the curves of {recorded.n_epochs} "
        f"epochs are " + ("equal bit for bit" if found.equal else "not equal")
    )
    print_lines(console, [line])
    return found


def _as_searched(
    options: LocoOptions, parent: StoredRun, run: StoredRun, store: Store
) -> LocoOptions:
    """Return the options with what the search saw of crystals, and its space where that chose."""
    named, config = options.dataset != "starter", run.config
    options = dataclasses.replace(
        options, dataset=options.dataset if named else parent.params["dataset"]
    )
    seen = parse_view(f"{parent.params['representation']}-{parent.params['level']}")
    if len(seen.blocks) > 1 or config.view or config.pretrained is not None:
        text = read_text(store, parent.run_id, "space.json")
        space = parse_space(json.loads(text), f"space.json of run {parent.run_id}")
        options = dataclasses.replace(options, space=space)
    (representation, level), *_ = seen.blocks
    return dataclasses.replace(options, representation=str(representation), level=level)


def _weights(
    options: LocoOptions, problem: LearningProblem, parent: StoredRun, run: StoredRun
) -> Mapping[str, np.ndarray] | None:
    """Return what the trial started from; refused where other weights are at hand."""
    wanted = parent.params.get("pretrained", "")
    if not wanted:
        return None
    given = (
        options if options.pretrained != "off" else dataclasses.replace(options, pretrained="on")
    )
    starts = given.starts(problem)
    if starts.hash != wanted:
        raise InputError(
            f"run {run.run_id} started from other pre-trained weights ({wanted}); give the same "
            "with --pretrained FOLDER"
        )
    return starts.of(run.config)


def _equal(one: TrialResult, two: TrialResult) -> bool:
    """Whether all curves are equal bit for bit; no curve on either side is equal, too."""
    nothing = np.empty(0)
    return one.n_epochs == two.n_epochs and all(
        np.array_equal(one.curves.get(name, nothing), two.curves.get(name, nothing), equal_nan=True)
        for name in METRICS
    )


def _settings(parent: StoredRun) -> tuple[Budget, SelectionRule]:
    def read(group: str) -> dict[str, Any]:
        prefix = f"{group}."
        return {
            key.removeprefix(prefix): json.loads(value) if value != "None" else None
            for key, value in parent.params.items()
            if key.startswith(prefix)
        }

    return Budget(**read("budget")), SelectionRule(**read("rule"))


def _stopping(run: StoredRun, budget: Budget) -> EarlyStopping | None:
    if run.tags["phase"] == Phase.REPEAT:
        return None
    return EarlyStopping(
        patience=budget.patience, min_gain=budget.min_gain, start_epoch=budget.patience_from
    )
