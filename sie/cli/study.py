"""The body of the commands that compare: study.py and its single steps.

Loads the data, starts Ray, runs the steps asked for, prints where the results are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from sie.cli.arguments import REPOSITORY
from sie.cli.config_file import as_yaml
from sie.cli.loco import LocoOptions, plan_searches, search_planned
from sie.cli.outcome import Prepared, print_lines
from sie.cli.prepare import PreparedDatabase, prepare_database, write_prepared
from sie.cli.study_plan import plan_of
from sie.datasets.record import Database
from sie.datasets.registry import load_dataset, record_folder
from sie.datasets.storage import load_record
from sie.errors import InputError
from sie.reporting.steps import StepProgress
from sie.search.parent import finished
from sie.search.problem import prepare_development
from sie.search.space import read_space, space_path
from sie.study.settings import STUDY_PRESETS, Pair, StudySettings, pair_name
from sie.study.workbench import Workbench
from sie.tracking.environment import code_hash
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store

Result = TypeVar("Result")

STEPS = ("splits", "kfold", "ordered", "loco", "transfer")
"""All steps of a study after the data are prepared, in their order."""


@dataclass(frozen=True)
class StudyOptions:
    """Options of the commands, by their names there."""

    dataset: str = "starter"
    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None
    clusters: Path | None = None
    preset: str = "quick"
    results: Path | None = None
    max_concurrent: int = 4
    address: str | None = None
    tracking_uri: str | None = None
    seeds: int | None = None
    epochs: int | None = None
    pretrained: Path | None = None
    dry_run: bool = False
    record_folder: Path = Path("mlruns")
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> StudyOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    @property
    def settings(self) -> StudySettings:
        """The preset's sizes, with those that were given replaced."""
        chosen = STUDY_PRESETS[self.preset]
        if self.seeds is not None:
            n = self.seeds
            chosen = replace(chosen, network_seeds=n, baseline_seeds=n, transfer_seeds=n)
        if self.epochs is None:
            return chosen
        return replace(chosen, epochs=self.epochs, transfer_epochs=self.epochs)


def run_steps(options: StudyOptions, steps: Sequence[str], console: Console) -> dict[str, Any]:
    """Prepare the data and run steps one after the other; what is recorded is not run again.

    Returns the folder, the files of every step and their runs, or of a dry run the plan.

    Raises
    ------
    InputError
        When data or options cannot be used.
    """
    with console.status("loading the dataset") as status:
        prepared, folder = _prepare(options, status.update)
        database = prepared.database
        data, held, leak = prepare_development(database, options.clusters, status.update)
        if options.dry_run:
            plan = plan_of(steps, options.settings, data)
            lines = [f"{step}: {text}" for step, text in plan.items()]
            print_lines(console, [*lines, f"results would go to {folder}; nothing was run"])
            return {"folder": folder, "plan": plan}
        status.update("opening the MLflow store (the first time takes about ten seconds)")
        store = open_store(options.tracking_uri, options.record_folder)
    print_lines(console, [*prepared.report.lines(), f"results go to {folder}"])
    from sie.search.session import start_ray, stop_ray

    workers = 1
    if set(steps) != {"splits"}:
        with console.status("starting Ray"):
            workers = min(options.max_concurrent, start_ray(options.address))
    progress = StepProgress(console)
    bench = Workbench(
        data, held, leak, options.settings, store, folder, workers, progress, options.pretrained
    )
    try:
        done, refused = _run_each(steps, bench, database, options, console)
    except KeyboardInterrupt:
        print_lines(console, ["what has ended is recorded: the same command goes on from there"])
        raise
    finally:
        stop_ray()
    lines = [
        f"results: {folder} (tables, figures) and MLflow experiment study/{data.dataset}",
        f"look at the runs: {store.ui_command()}",
    ]
    print_lines(console, lines)
    if refused:
        raise InputError("; ".join(refused))
    return {"folder": folder, "tracking_uri": store.shown, "steps": done}


def _run_each(
    steps: Sequence[str],
    bench: Workbench,
    database: Database,
    options: StudyOptions,
    console: Console,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Run steps and record them; return run and files of each, and why others were left out."""
    refused: list[str] = []
    done: dict[str, dict[str, Any]] = {}
    run_yaml = as_yaml(options.run_options) if options.run_options else ""
    data = (bench.folder / "data").rglob("*")
    bench.written += sorted(path for path in data if path.is_file())
    bench.record_step("data", run_yaml)
    for step in steps:
        console.rule(step, align="left")
        bench.written.clear()
        try:
            _runner(step, bench, database, options, console)()
        except InputError as error:
            refused.append(f"{step}: {error}")
            print_lines(console, [f"left out: {error}"])
            continue
        run_id = bench.record_step(step, run_yaml)
        done[step] = {"run_id": run_id, "files": list(bench.written)}
        console.print(_files(bench.written))
    return done, refused


def _runner(
    step: str,
    bench: Workbench,
    database: Database,
    options: StudyOptions,
    console: Console,
) -> Callable[[], object]:
    """Return what runs a step."""
    from sie.study.kfold import run_kfold
    from sie.study.loco import run_loco, run_loco_baselines
    from sie.study.ordered import run_ordered
    from sie.study.splits import run_splits
    from sie.study.transfer import run_transfer

    def showing(work: Callable[[Workbench], Result]) -> Callable[[], Result]:
        def run() -> Result:
            with StepProgress(console).showing() as bars:
                bench.started = bars
                return work(bench)

        return run

    def search_pair(pair: Pair) -> tuple[str, ...]:
        return _search_pair(pair, bench, options, console)

    runners: dict[str, Callable[[], object]] = {
        "splits": lambda: run_splits(bench, database),
        "kfold": showing(run_kfold),
        "ordered": showing(run_ordered),
        "baselines": showing(run_loco_baselines),
        # searches draw their own progress
        "loco": lambda: run_loco(bench, showing(run_loco_baselines)(), search_pair),
        "transfer": showing(run_transfer),
    }
    return runners[step]


def _search_pair(
    pair: Pair, bench: Workbench, options: StudyOptions, console: Console
) -> tuple[str, ...]:
    """Search every cluster that can be left out, unless that is done; return the plans' hashes."""
    from sie.study.loco import SEARCH_NAME

    settings = bench.settings
    budget = settings.loco_budget
    space = read_space(space_path(settings.loco_space, REPOSITORY / "search_spaces"))
    search = LocoOptions(
        space=space,
        record_folder=options.record_folder,
        cluster=["all"],
        trials=budget.trials,
        top=budget.top,
        repeats=budget.repeats,
        max_epochs=budget.max_epochs,
        max_concurrent=options.max_concurrent,
        name=SEARCH_NAME,
    )
    problem = bench.problem(pair)
    recorder = Recorder(bench.store, problem.experiment)
    code = code_hash()
    planned = [
        (split, replace(plan, budget=budget)) for split, plan in plan_searches(search, problem)
    ]
    missing = [
        (split, plan) for split, plan in planned if not finished(recorder, plan, SEARCH_NAME, code)
    ]
    console.print(
        f"{pair_name(pair)}: {len(planned) - len(missing)} of {len(planned)} clusters are "
        "searched already",
        highlight=False,
    )
    if missing:
        prepared = Prepared(problem, bench.held, bench.test_leakage)
        done = search_planned(search, prepared, missing, recorder, bench.workers, console)
        if done[-1].outcome.interrupted:
            raise KeyboardInterrupt
    return tuple(plan.hash for _, plan in planned)


def _prepare(options: StudyOptions, stage: Callable[[str], None]) -> tuple[PreparedDatabase, Path]:
    """Load a dataset and remove its duplicates; a data record is taken as it is."""
    loaded = load_dataset(
        options.dataset, data_dir=options.data_dir, table=options.table, cifs=options.cifs
    )
    source = record_folder(options.dataset, options.data_dir)
    prepared = prepare_database(loaded, keep_duplicates=source is not None, stage=stage)
    folder = options.results or Path("results") / f"{loaded.name}-{options.preset}"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file; name a folder")
    provenance: dict[str, Any] = {"source": loaded.name, "source_hash": loaded.hash}
    if source is not None:
        earlier = load_record(source)
        prepared = replace(prepared, duplicates=earlier.duplicates)
        provenance["made_from"] = dict(earlier.provenance)
    # a study of its own data record reads it and leaves it as it is
    own = source is not None and source.resolve() == (folder / "data").resolve()
    if not own and not options.dry_run:
        write_prepared(folder / "data", prepared, provenance)
    return prepared, folder


def _files(paths: Sequence[Path]) -> Table:
    table = Table(show_header=False, box=None)
    for path in paths:
        table.add_row(os.path.relpath(path))
    return table
