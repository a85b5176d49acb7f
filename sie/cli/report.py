"""The body of experiments/report.py: searches read from MLflow become one HTML file.

Puts rooms together and shows what they return; what the page tells is in `sie.reporting`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sie.cli import arguments
from sie.cli.config_file import RUN_YAML, write_options
from sie.cli.outcome import print_lines, weakness
from sie.errors import InputError
from sie.files import write_text
from sie.secrets import hidden
from sie.tracking.store import Store, open_store

if TYPE_CHECKING:
    from rich.console import Console

    from sie.reporting.search_report.record import Study

FOLDER = Path("results/reports")


@dataclass(frozen=True)
class ReportOptions:
    """Options of the command, by their names there."""

    run: str | None = None
    experiment: str | None = None
    name: str = "search"
    out: Path | None = None
    resamplings: float = 1.0
    seed: int = 42
    tracking_uri: str | None = None
    record_folder: Path = Path("mlruns")
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> ReportOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    def command(self) -> str:
        """Return the command line that has these options."""
        words = ["python", "experiments/report.py"]
        for name in ("run", "experiment", "name", "out", "resamplings", "seed", "tracking_uri"):
            value = getattr(self, name)
            if value != getattr(ReportOptions, name):
                words += [f"--{name.replace('_', '-')}", shlex.quote(_shown(value))]
        return " ".join(words)


def write_report(options: ReportOptions, console: Console) -> Path:
    """Read the searches, write the page, print where it is; return its path.

    Raises
    ------
    InputError
        When store, run, experiment or name do not exist, or no search has ended.
    SieError
        When the store does not answer or the file cannot be written.
    """
    from sie.reporting.search_report.page import render

    with console.status("opening the MLflow store"):
        store = open_existing(options.tracking_uri, options.record_folder)
    with console.status("reading the searches") as status:
        study = _read(options, store, status.update)
        status.update("resampling the trials for importances")
        report = _assembled(options, study)
        status.update("writing the page")
        path = options.out or FOLDER / f"{_file_name(study)}.html"
        write_text(path, render(report))
        write_options(path.with_suffix(f".{RUN_YAML}"), options.run_options)
    lines = [f"note: {note}" for note in study.notes]
    lines += [
        f"note: cluster {search.cluster} has no repeats that gave a score, so no winner"
        for search in study.searches
        if search.winner is None
    ]
    n = sum(len(search.trials) for search in study.searches)
    size = path.stat().st_size / 1e6
    lines.append(
        f"report of {len(study.searches)} search{'es' * (not study.single)}, {n} trials: {path} "
        f"({size:.1f} MB, works offline)"
    )
    print_lines(console, lines)
    return path


def open_existing(uri: str | None, folder: Path) -> Store:
    """Return a store that answers, and never create one.

    Raises
    ------
    InputError
        When there is no such database, or the URI is of no known kind.
    TrackingError
        When the store cannot be reached.
    """
    local = folder / "mlflow.db" if uri is None else _sqlite_file(uri)
    if local is not None and not local.is_file():
        raise InputError(
            f"there is no MLflow store {local}; run a search first, or name another store with "
            "--tracking-uri"
        )
    return open_store(uri, folder)


def _sqlite_file(uri: str) -> Path | None:
    path = uri.partition(":///")[2]
    return Path(path) if urlsplit(uri).scheme == "sqlite" and path else None


def _read(options: ReportOptions, store: Store, say: Any) -> Study:
    from sie.reporting.search_report.reading import read_search, read_study

    if options.run is not None:
        return read_search(store, options.run, say)
    return read_study(store, options.experiment or "", options.name, say)


def _assembled(options: ReportOptions, study: Study) -> Any:
    from sie.cli.reproduce import reproduction
    from sie.reporting.search_report.importance import importances
    from sie.reporting.search_report.page import SearchReport
    from sie.reporting.search_report.trial_table import trial_table

    table = trial_table(study)
    found = importances(table, options.seed, options.resamplings) if options.resamplings > 0 else ()
    warnings = [
        f"the winner of cluster {search.cluster} may be no better than chance: {weak}"
        for search in study.searches
        if search.winner and (weak := weakness(search.winner, search.floor))
    ]
    again = reproduction(study, arguments.REPOSITORY / "search_spaces", options.tracking_uri)
    return SearchReport(
        study,
        table,
        found,
        tuple(warnings),
        (*again.commands, options.command()),
        again.notes,
        again.space_yaml,
    )


def _file_name(study: Study) -> str:
    parts = [study.experiment, study.first.name]
    if study.single:
        parts.append(f"cluster-{study.first.cluster}")
    return re.sub(r"[^\w.+-]+", "-", "-".join(parts)).strip("-.")


def _shown(value: Any) -> str:
    # a page is passed on: passwords of stores are not
    return f"{value:g}" if isinstance(value, float) else hidden(str(value))
