"""The body of experiments/prepare.py: a dataset to one data record, Table 1 and Fig. 1.

`prepare_database` is the step by itself, for other commands; the rest writes, records and prints.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

import sie
from sie.cli.outcome import print_lines
from sie.datasets.duplicates import DuplicateGroup, duplicates_table, median_of_groups
from sie.datasets.record import Database
from sie.datasets.registry import load_dataset, record_folder
from sie.datasets.report import DatabaseReport, report
from sie.datasets.storage import DataRecord, load_record, save_record
from sie.datasets.summary import summary_table
from sie.errors import InputError
from sie.files import replacing, write_text
from sie.structures.matching import matching_groups
from sie.structures.oxidation import prepare as assign_oxidation_states
from sie.tracking.environment import environment_tags
from sie.tracking.recorder import Recorder
from sie.tracking.store import installed_program, open_store
from sie.training.record import TrialStatus

RECORD_FOLDER = Path("mlruns")
WRITTEN = (
    "database.parquet", "database.json", "table1.csv", "duplicates.csv", "left_out.csv",
    "figures/fig1.png", "figures/fig1.svg",
)  # fmt: skip
OXIDATION_COLUMN = "oxidation_states"


@dataclass(frozen=True)
class PrepareOptions:
    """Options of the command, by their names there."""

    dataset: str = "starter"
    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None
    out: Path | None = None
    keep_duplicates: bool = False
    tracking_uri: str | None = None

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> PrepareOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values of what decides the content of the record."""
        names = [item.name for item in fields(self) if item.name not in ("out", "tracking_uri")]
        plain = {name: getattr(self, name) for name in names}
        return {k: str(v) if isinstance(v, Path) else v for k, v in plain.items()}


@dataclass(frozen=True)
class PreparedDatabase:
    """A database that is ready to be learnt from.

    Attributes
    ----------
    database : Database
        Entries that stay, with the column oxidation_states (where an entry's come from).
    groups : Mapping[str, int]
        Group of matching crystals of every loaded entry.
    duplicates : tuple of DuplicateGroup
        Groups of two and more among the loaded entries.
    report : DatabaseReport
        Counts of what stays.
    table_one : pandas.DataFrame
        Table 1 of the study.
    """

    database: Database
    groups: Mapping[str, int]
    duplicates: tuple[DuplicateGroup, ...]
    report: DatabaseReport
    table_one: pd.DataFrame


def prepare_database(
    database: Database,
    keep_duplicates: bool = False,
    stage: Callable[[str], None] = lambda text: None,
) -> PreparedDatabase:
    """Find duplicates, keep the median of each group, and count.

    Parameters
    ----------
    database : Database
        As a source gives it.
    keep_duplicates : bool
        Name the groups of duplicates, but keep all of their entries.
    stage : callable
        Told what is being done.
    """
    stage("comparing structures")
    groups = matching_groups(database.structures)
    medians, duplicates = median_of_groups(database, groups)
    stays = database if keep_duplicates else medians
    stage("assigning oxidation states")
    methods = assign_oxidation_states(stays.structures)[1]
    origins = [str(methods[entry]) for entry in stays.ids]
    table = stays.table.assign(**{OXIDATION_COLUMN: origins})
    prepared = Database(stays.name, table, stays.structures, stays.left_out)
    removed = () if keep_duplicates else duplicates
    return PreparedDatabase(
        database=prepared,
        groups=groups,
        duplicates=duplicates,
        report=report(prepared, groups=groups, oxidation=Counter(origins)),
        table_one=summary_table(prepared, groups, removed),
    )


def prepare_and_record(options: PrepareOptions, console: Console) -> None:
    """Do what `prepare_dataset` does, and keep tables and Fig. 1 in MLflow, as the study does.

    Raises
    ------
    InputError
        As `prepare_dataset`.
    TrackingError
        When the store cannot be reached; the record is written by then.
    """
    folder, prepared = _write_and_show(options, console)
    with console.status("opening the MLflow store (the first time takes about ten seconds)"):
        store = open_store(options.tracking_uri, RECORD_FOLDER)
        database = prepared.database
        recorder = Recorder(store, f"study/{database.name}")
        marks = {"dataset": database.name, "dataset_hash": database.hash}
        tags = {**marks, "phase": "study", "step": "data", **environment_tags()}
        run_id = recorder.open_run("data", "data", tags, options.as_dict())
        for name in WRITTEN:
            recorder.save_file(run_id, folder / name, Path("data", name).parent.name)
        recorder.close_run(run_id, TrialStatus.COMPLETED)
    recorded = f"recorded: MLflow experiment study/{database.name}, run {run_id}"
    print_lines(console, [recorded, _next_line(folder)])


def prepare_dataset(options: PrepareOptions, console: Console) -> None:
    """Load, prepare, write and print.

    Raises
    ------
    InputError
        When the dataset cannot be used, or the output would replace the record that is read.
    """
    folder, _ = _write_and_show(options, console)
    print_lines(console, [_next_line(folder)])


def _write_and_show(options: PrepareOptions, console: Console) -> tuple[Path, PreparedDatabase]:
    """Return where the record is, and what it holds."""
    with console.status("loading the dataset") as status:
        loaded = load_dataset(
            options.dataset, data_dir=options.data_dir, table=options.table, cifs=options.cifs
        )
        folder = _folder(options, loaded)
        prepared = prepare_database(loaded, options.keep_duplicates, status.update)
        status.update("writing the data record")
        write_prepared(folder, prepared, _provenance(options, loaded, prepared))
    print_lines(console, [*prepared.report.lines(), *_duplicate_lines(prepared, options)])
    at = f"data record: {folder} ({prepared.database.hash})"
    print_lines(console, [at, f"  {', '.join(WRITTEN)}"])
    return folder, prepared


def write_prepared(folder: Path, prepared: PreparedDatabase, provenance: Mapping[str, Any]) -> None:
    """Write the data record, the tables beside it and Fig. 1."""
    database = prepared.database
    save_record(folder, DataRecord(database, prepared.duplicates, provenance))
    left_out = pd.DataFrame(
        [(item.id, item.reason, item.file) for item in database.left_out],
        columns=["id", "reason", "file"],
    )
    write_text(folder / "table1.csv", prepared.table_one.to_csv(float_format="%.6g"))
    write_text(folder / "duplicates.csv", duplicates_table(prepared.duplicates).to_csv(index=False))
    write_text(folder / "left_out.csv", left_out.to_csv(index=False))
    _draw(folder / "figures", database)


def _draw(folder: Path, database: Database) -> None:
    import matplotlib.pyplot as plt

    from sie.reporting.dataset_figures import dataset_overview
    from sie.reporting.style import drawing

    figure = dataset_overview(database)
    for suffix in ("png", "svg"):
        with drawing(), replacing(folder / f"fig1.{suffix}") as temporary:
            figure.savefig(temporary)
    plt.close(figure)


def _folder(options: PrepareOptions, loaded: Database) -> Path:
    """Return where the record goes; never onto the record that is read."""
    folder = options.out or Path("results") / loaded.name / "data"
    source = record_folder(options.dataset, options.data_dir)
    if source is not None and folder.resolve() == source.resolve():
        raise InputError(f"{folder} is the data record that is read; give another folder by --out")
    return folder


def _provenance(
    options: PrepareOptions, loaded: Database, prepared: PreparedDatabase
) -> dict[str, Any]:
    counts = {
        "loaded": len(loaded),
        "groups_of_duplicates": len(prepared.duplicates),
        "entries": len(prepared.database),
        "left_out": len(prepared.database.left_out),
        "oxidation_states": dict(prepared.report.oxidation),
    }
    source = record_folder(options.dataset, options.data_dir)
    earlier = {} if source is None else {"made_from": dict(load_record(source).provenance)}
    return {
        "source": loaded.name,
        "source_hash": loaded.hash,
        "options": options.as_dict(),
        "counts": counts,
        "versions": {"sie": sie.__version__, "pymatgen": version("pymatgen")},
        **earlier,
    }


def _duplicate_lines(prepared: PreparedDatabase, options: PrepareOptions) -> list[str]:
    groups = prepared.duplicates
    if not groups:
        return ["duplicates: none"]
    members = sum(len(group.ids) for group in groups)
    fate = (
        "all are kept (--keep-duplicates)"
        if options.keep_duplicates
        else f"the median of each stays, {members - len(groups)} are left out"
    )
    lines = [f"duplicates: {len(groups)} groups of {members} entries; {fate}"]
    if mixed := [group for group in groups if group.mixed]:
        named = "; ".join(", ".join(group.ids) for group in mixed[:5])
        more = f" and {len(mixed) - 5} more" if len(mixed) > 5 else ""
        lines.append(f"  {len(mixed)} of them hold both classes: {named}{more}")
    return lines


def _next_line(folder: Path) -> str:
    python = installed_program("python")
    return (
        f"next: {python} experiments/loco_search.py --dataset {shlex.quote(str(folder))} "
        "--cluster all --preset quick"
    )
