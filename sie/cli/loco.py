"""The body of experiments/loco_search.py: data to plan to search to what is printed.

The top of the flow: puts rooms together and shows what they return; decides nothing itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from sie.datasets.registry import load_dataset
from sie.errors import InputError, SieError, TrackingError
from sie.reporting.console import (
    LiveProgress,
    describe_config,
    mean_sd,
    plan_table,
    repeats_table,
    time_line,
)
from sie.search.estimate import estimate_seconds
from sie.search.plan import PRESETS, Budget, Mode, SearchPlan
from sie.search.problem import LearningProblem, prepare_problem
from sie.search.record import SearchOutcome
from sie.search.selection import SelectionRule
from sie.search.space import SearchSpace
from sie.splits.archive import save_hold_out, save_splits
from sie.splits.leakage import LeakageReport
from sie.splits.left_out import loco_split, usable_clusters
from sie.splits.record import HoldOut, Split
from sie.structures.representations import Representation
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store, open_store
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
    address: str | None = None
    fresh: bool = False
    dry_run: bool = False
    tracking_uri: str | None = None
    name: str = "search"

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any], **more: Any) -> LocoOptions:
        """Pick the options out of parsed arguments."""
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        return cls(**known, **more)

    @property
    def budget(self) -> Budget:
        """The preset's budget, or the article's, with every given option replaced."""
        return PRESETS[self.preset or "paper"].with_options(vars(self))


@dataclass(frozen=True)
class Prepared:
    """Data that is ready to be searched."""

    problem: LearningProblem
    held: HoldOut
    test_leakage: LeakageReport


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
        f"clusters (entries/positives): {usable}" + (f"; of one class: {single}" if single else ""),
    ]
    _print_lines(console, lines)
    return prepared


def plan_searches(options: LocoOptions, problem: LearningProblem) -> list[tuple[Split, SearchPlan]]:
    """Return a split and a plan for every cluster asked for.

    Raises
    ------
    InputError
        When a cluster does not exist or cannot be left out.
    """
    budget = options.budget
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
        _print_lines(console, [f"split {split.name}: {prepared.problem.leakage(split).line()}"])
        seconds = estimate_seconds(plan.space, plan.budget, prepared.problem.sizes(split), workers)
        console.print(plan_table(plan, workers, seconds), highlight=False)
    if options.dry_run:
        return False
    with console.status("opening the MLflow store (the first time takes about ten seconds)"):
        store = open_store(options.tracking_uri, options.record_folder)
        recorder = Recorder(store, prepared.problem.experiment)
    from sie.search.tuning import start_ray, stop_ray

    with console.status("starting Ray"):
        workers = min(options.max_concurrent, start_ray(options.address))
    try:
        for split, plan in planned:
            outcome = _search_one(options, prepared, split, plan, recorder, workers, console)
            if outcome.interrupted:
                break
    finally:
        stop_ray()
    _print_next(options, store, prepared.problem.experiment, outcome, console)
    return outcome.interrupted


def _search_one(
    options: LocoOptions,
    prepared: Prepared,
    split: Split,
    plan: SearchPlan,
    recorder: Recorder,
    workers: int,
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
    _document(record, recorder, prepared, split, plan)

    def progress(title: str, total: int) -> AbstractContextManager[LiveProgress]:
        return LiveProgress(console, title, total)

    try:
        outcome = search_cluster(prepared.problem, split, plan, record, recorder, workers, progress)
    except TrackingError as error:
        kept = record.rescue(options.record_folder)
        where = f"; {kept} keeps what is not recorded" if kept else ""
        raise TrackingError(f"{error}{where}; the same command goes on from there") from error
    except SieError as error:
        record.abort(TrialStatus.FAILED, str(error))
        raise
    except KeyboardInterrupt:
        record.abort(TrialStatus.INTERRUPTED, "stopped by the user")
        raise
    floor = prepared.problem.positive_fraction(split)
    _draw(recorder, prepared.problem, floor, plan, outcome)
    record.close(outcome, floor)
    _print_outcome(plan, outcome, floor, console)
    return outcome


def _document(
    record: Any, recorder: Recorder, prepared: Prepared, split: Split, plan: SearchPlan
) -> None:
    problem = prepared.problem
    record.document(
        {
            "plan.json": {**plan.as_dict(), "plan_hash": plan.hash},
            "space.json": plan.space.as_dict(),
            "dataset.json": problem.report.as_dict(),
            "dataset.md": problem.report.to_markdown(),
            "leakage.json": {
                "split": problem.leakage(split).as_dict(),
                "test": prepared.test_leakage.as_dict(),
            },
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        splits, held = Path(folder) / "splits.json", Path(folder) / "hold_out.json"
        save_splits(splits, [split], problem.clustering, problem.hold_out_hash)
        save_hold_out(held, prepared.held)
        recorder.save_file(record.parent, splits)
        recorder.save_file(record.parent, held)


def _draw(
    recorder: Recorder,
    problem: LearningProblem,
    floor: float,
    plan: SearchPlan,
    outcome: SearchOutcome,
) -> None:
    import matplotlib.pyplot as plt

    from sie.reporting import search_figures as figures

    drawn = {
        "learning_curves": figures.learning_curves(
            outcome.searched, plan.rule, floor, plan.budget.rungs
        ),
        "search_progress": figures.search_progress(outcome.searched, floor),
        "clusters": figures.cluster_map(problem.clustering, problem.labels, plan.cluster),
    }
    if outcome.judged:
        objectives = {item.config.hash: item.objective for item in outcome.top}
        drawn["repeats"] = figures.repeats(outcome.judged, objectives, floor)
    for name, figure in drawn.items():
        if figure is not None:
            recorder.save_figure(outcome.run_id, figure, name)
            plt.close(figure)


def _print_outcome(
    plan: SearchPlan, outcome: SearchOutcome, floor: float, console: Console
) -> None:
    searched = [p.name for p in plan.space.parameters if len(set(p.values)) > 1]
    if outcome.judged:
        console.print(repeats_table(outcome.judged, searched))
    if (winner := outcome.winner) is not None:
        lines = [
            f"winner of cluster {plan.cluster}: AUC-PR {mean_sd(winner)} over "
            f"{len(winner.values)} repeats at epoch {winner.window.centre:g} "
            f"({describe_config(winner.config)})",
            f"a constant prediction scores {floor:.3f}; the winner's score is optimistic, because "
            "the cluster itself chose configuration and epoch",
        ]
        _print_lines(console, lines)
    elif not outcome.interrupted:
        _print_lines(
            console, [f"no winner for cluster {plan.cluster}: {_no_winner(plan, outcome)}"]
        )
    _print_lines(console, [time_line(outcome.time)])


def _no_winner(plan: SearchPlan, outcome: SearchOutcome) -> str:
    if not outcome.top:
        needed = plan.rule.first_full_window()
        return (
            f"no trial reached epoch {needed} with a score; raise --max-epochs or the rates' range"
        )
    if not plan.budget.n_repeats:
        return "no repeats were asked for (--top, --repeats)"
    return "no repeat gave a score; see the reasons of its runs in MLflow"


def _print_next(
    options: LocoOptions,
    store: Store,
    experiment: str,
    outcome: SearchOutcome,
    console: Console,
) -> None:
    lines = [
        f"results: MLflow experiment {experiment}, run {outcome.run_id}",
        f"look at them: {store.ui_command(options.record_folder)}",
    ]
    if outcome.interrupted:
        lines.append("stopped; what had ended is recorded: the same command goes on from there")
    elif outcome.winner is not None:
        lines.append("next: search the other clusters too, with --cluster all")
    _print_lines(console, lines)


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


def _print_lines(console: Console, lines: list[str]) -> None:
    for line in lines:
        # lines are searched and copied whole: the terminal may wrap them, rich must not
        console.print(line, highlight=False, markup=False, soft_wrap=True)
