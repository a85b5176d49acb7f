"""The body of experiments/loco_search.py: data to plan to search to what is printed.

The top of the flow: puts rooms together and shows what they return; decides nothing itself.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console

from sie.cli import arguments
from sie.cli.outcome import Prepared, document, draw, print_lines, print_next, print_outcome
from sie.datasets.registry import load_dataset
from sie.errors import InputError, SieError, TrackingError
from sie.models.pretrained import StartingWeights, load_starting_weights, weight_files
from sie.reporting.console import LiveProgress, plan_table
from sie.search.estimate import estimate_seconds
from sie.search.plan import PRESETS, Budget, Mode, SearchPlan
from sie.search.problem import LearningProblem, prepare_problem
from sie.search.record import SearchOutcome
from sie.search.selection import SelectionRule
from sie.search.space import SearchSpace
from sie.splits.left_out import loco_split, usable_clusters
from sie.splits.record import Split
from sie.structures.representations import Representation
from sie.tracking.recorder import Recorder
from sie.tracking.store import installed_program, open_store
from sie.training.record import TrialStatus


@dataclass(frozen=True)
class LocoOptions:
    """Options of the command, by their names there."""

    space: SearchSpace
    record_folder: Path
    cluster: list[str] | None = None
    dataset: str = "starter"
    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None
    test_set: str = "random"
    clusters: Path | None = None
    representation: str = "CAMNS"
    level: int = 1
    preset: str | None = None
    trials: int | None = None
    top: int | None = None
    repeats: int | None = None
    max_epochs: int | None = None
    grace_epochs: int | None = None
    trial_time_limit_s: float | None = None
    max_concurrent: int = 4
    seed: int = 42
    mode: str = "fast"
    pretrained: str = arguments.PRETRAINED
    address: str | None = None
    fresh: bool = False
    dry_run: bool = False
    search_space: str | None = None
    tracking_uri: str | None = None
    name: str = "search"

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any], **more: Any) -> LocoOptions:
        """Pick the options out of parsed arguments."""
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        return cls(**known, **more)

    def command(self, cluster: str) -> str:
        """Return the command line of the same search for another choice of clusters."""
        parts = [installed_program("python"), "experiments/loco_search.py", "--cluster", cluster]
        for item in fields(self):
            value = getattr(self, item.name)
            if (
                item.name in ("space", "record_folder", "cluster", "fresh", "dry_run")
                or value == item.default
            ):
                continue
            option = f"--{item.name.replace('_', '-')}"
            parts += [option] if value is True else [option, shlex.quote(str(value))]
        return " ".join(parts)

    def starts(self, problem: LearningProblem) -> StartingWeights:
        """Return the pre-trained weights that trials start from, as --pretrained says."""
        if self.pretrained == "off":
            return StartingWeights()
        folder = None if self.pretrained == "on" else Path(self.pretrained)
        seen_as = str(problem.representation), problem.level
        if folder is not None and folder.is_dir() and not weight_files(*seen_as, folder):
            raise InputError(
                f"{folder} holds no weights for {problem.representation}-V{problem.level}; make "
                "them with experiments/pretrain.py, or give --pretrained on or off"
            )
        return load_starting_weights(*seen_as, problem.features.dimension, folder)

    @property
    def budget(self) -> Budget:
        """The preset's budget, or the article's, with every given option replaced."""
        return PRESETS[self.preset or "paper"].with_options(vars(self))


def prepare(options: LocoOptions, console: Console) -> Prepared:
    """Load the dataset, draw the test set, cluster, compute features; print the report."""
    with console.status("loading the dataset") as status:
        database = load_dataset(
            options.dataset, data_dir=options.data_dir, table=options.table, cifs=options.cifs
        )
        prepared = Prepared(
            *prepare_problem(
                database,
                Representation(options.representation),
                options.level,
                options.clusters,
                stage=status.update,
                test_set=options.test_set,
            )
        )
    held = prepared.held
    counts = usable_clusters(prepared.problem.clustering, prepared.problem.labels)
    usable = ", ".join(str(count) for count in counts if count.usable)
    single = ", ".join(str(count) for count in counts if not count.usable)
    lines = [
        *prepared.problem.report.lines(),
        f"test set: {len(held.test)} of {len(database)} entries kept away ({held.hash}); "
        f"{prepared.test_leakage.line()}",
        f"clusters (entries/positives): {usable or 'none of both classes'}"
        + (f"; of one class: {single}" if single else ""),
    ]
    print_lines(console, lines)
    return prepared


def plan_searches(options: LocoOptions, problem: LearningProblem) -> list[tuple[Split, SearchPlan]]:
    """Return a split and a plan for every cluster asked for.

    Raises
    ------
    InputError
        When a cluster does not exist or cannot be left out.
    """
    budget, starts = options.budget, options.starts(problem)
    plans = []
    for cluster in _clusters(options, problem):
        split = loco_split(problem.clustering, cluster, problem.labels)
        plan = SearchPlan(
            dataset=problem.dataset,
            representation=str(problem.representation),
            level=f"V{problem.level}",
            cluster=cluster,
            dataset_hash=problem.dataset_hash,
            features_hash=problem.features_hash,
            split_hash=split.hash,
            hold_out_hash=problem.hold_out_hash,
            space=options.space,
            budget=budget,
            rule=SelectionRule().within(budget.max_epochs),
            seed=options.seed,
            mode=Mode(options.mode),
            pretrained=starts.hash,
        )
        plans.append((split, plan))
    return plans


def search_clusters(options: LocoOptions, console: Console) -> bool:
    """Search every cluster asked for and print the results; True when the user stopped it."""
    prepared = prepare(options, console)
    planned = plan_searches(options, prepared.problem)
    local = options.address is None
    workers = min(options.max_concurrent, os.cpu_count() or 1) if local else options.max_concurrent
    for split, plan in planned:
        print_lines(console, [f"split {split.name}: {prepared.problem.leakage(split).line()}"])
        seconds = estimate_seconds(plan.space, plan.budget, prepared.problem.sizes(split), workers)
        console.print(plan_table(plan, workers, seconds), highlight=False)
    if options.dry_run:
        return False
    with console.status("opening the MLflow store (the first time takes about ten seconds)"):
        store = open_store(options.tracking_uri, options.record_folder)
        recorder = Recorder(store, prepared.problem.experiment)
    from sie.search.session import start_ray, stop_ray

    began = time.perf_counter()
    with console.status("starting Ray"):
        workers = min(options.max_concurrent, start_ray(options.address))
    starting = time.perf_counter() - began
    try:
        outcome = search_planned(options, prepared, planned, recorder, workers, console, starting)
    finally:
        stop_ray()
    command = store.ui_command()
    next_command = options.command("all")
    print_next(prepared.problem.experiment, command, next_command, outcome, console)
    return outcome.interrupted


def search_planned(
    options: LocoOptions,
    prepared: Prepared,
    planned: Sequence[tuple[Split, SearchPlan]],
    recorder: Recorder,
    workers: int,
    console: Console,
    seconds_starting: float = 0.0,
) -> SearchOutcome:
    """Search one split after the other until the user stops it; return the last outcome.

    Ray must be running; `seconds_starting` is what starting it took.
    """
    for split, plan in planned:
        outcome = _search_one(
            options, prepared, split, plan, recorder, workers, seconds_starting, console
        )
        seconds_starting = 0.0
        if outcome.interrupted:
            break
    return outcome


def _search_one(
    options: LocoOptions,
    prepared: Prepared,
    split: Split,
    plan: SearchPlan,
    recorder: Recorder,
    workers: int,
    seconds_starting: float,
    console: Console,
) -> SearchOutcome:
    from sie.search.loco import search_cluster
    from sie.search.recording import SearchRecord

    record = SearchRecord(recorder, plan, options.name, options.record_folder, options.fresh)
    if record.past:
        console.print(
            f"going on with the unfinished search {record.parent[:8]}: {len(record.past)} trials "
            "are done (--fresh starts anew)"
        )
    document(recorder, record.parent, prepared, split, plan)

    def progress(title: str, total: int) -> AbstractContextManager[LiveProgress]:
        return LiveProgress(console, title, total)

    try:
        outcome = search_cluster(
            prepared.problem,
            split,
            plan,
            record,
            workers,
            progress,
            seconds_starting,
            options.starts(prepared.problem),
        )
    except TrackingError as error:
        kept = record.rescue()
        where = f"; {kept} keeps what is not recorded" if kept else ""
        raise TrackingError(f"{error}{where}; the same command goes on from there") from error
    except SieError as error:
        record.abort(TrialStatus.FAILED, str(error))
        raise
    except KeyboardInterrupt:
        record.abort(TrialStatus.INTERRUPTED, "stopped by the user")
        raise
    floor = prepared.problem.positive_fraction(split)
    draw(recorder, prepared.problem, floor, plan, outcome)
    record.close(outcome, floor)
    print_outcome(plan, outcome, floor, console)
    return outcome


def _clusters(options: LocoOptions, problem: LearningProblem) -> list[int]:
    given = options.cluster or []
    counts = usable_clusters(problem.clustering, problem.labels)
    usable = [count for count in counts if count.usable]
    if "all" in given:
        if not usable:
            raise InputError("no cluster holds both classes; give --clusters FILE")
        return [count.cluster for count in usable]
    try:
        return list(dict.fromkeys(int(text) for text in given))
    except ValueError:
        listed = ", ".join(str(count) for count in usable)
        raise InputError(
            f"--cluster {' '.join(given)}: give numbers or all; "
            f"usable (entries/positives): {listed}"
        ) from None
