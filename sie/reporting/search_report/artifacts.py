"""Artifacts of a search's parent run, each of which may be missing or damaged.

What is missing is noted for the report, which then does without it.
"""

from __future__ import annotations

import csv
import io
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from sie.errors import InputError, TrackingError
from sie.reporting.search_report.record import Entry
from sie.splits.archive import SplitArchive, load_splits
from sie.tracking.queries import read_text
from sie.tracking.store import Store, tracking_errors

Kind = TypeVar("Kind")

ENTRIES = "entries.csv"
"""Development entries, for the map: columns id, formula, log10_sigma (may be empty), label."""


class Artifacts:
    """The files of one run.

    Parameters
    ----------
    store : Store
        MLflow.
    run_id : str
        The run.

    Raises
    ------
    TrackingError
        When they cannot be listed.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        with tracking_errors(store.uri):
            listed = store.client().list_artifacts(run_id)
        self._names = {item.path for item in listed}
        self._missing: list[str] = []

    @property
    def missing(self) -> tuple[str, ...]:
        """What was asked for and is not there or cannot be read, with the reason."""
        return tuple(self._missing)

    def parsed(self, name: str, parse: Callable[[str], Kind]) -> Kind | None:
        """Return what `parse` makes of a text artifact; None, and a note, where it cannot."""
        if name not in self._names:
            self._missing.append(f"{name} is not among the run's artifacts")
            return None
        try:
            return parse(read_text(self._store, self._run_id, name))
        except (TrackingError, InputError, ValueError, KeyError, TypeError) as error:
            self._missing.append(f"{name} cannot be read: {' '.join(str(error).split())}")
            return None

    def splits(self) -> SplitArchive | None:
        """Return split and clusters; None, and a note, where they cannot be read."""

        def parse(text: str) -> SplitArchive:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "splits.json"
                path.write_text(text, encoding="utf-8")
                return load_splits(path)

        return self.parsed("splits.json", parse)

    def entries(self) -> dict[str, Entry]:
        """Return the development entries by id; empty where the run does not hold them."""
        if ENTRIES not in self._names:
            return {}  # searches did not always record them; the map says so itself
        return self.parsed(ENTRIES, parse_entries) or {}


def entries_text(entries: Mapping[str, Entry]) -> str:
    """Return entries as CSV text, as `parse_entries` reads them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "formula", "log10_sigma", "label"))
    for name, entry in entries.items():
        known = math.isfinite(entry.log10_sigma)
        sigma = f"{entry.log10_sigma:.6g}" if known else ""
        writer.writerow((name, entry.formula, sigma, "" if entry.label is None else entry.label))
    return text.getvalue()


def parse_entries(text: str) -> dict[str, Entry]:
    """Read entries from CSV text with the columns of `ENTRIES`.

    Raises
    ------
    ValueError, KeyError
        When a column is missing or a number is none.
    """
    return {
        row["id"]: Entry(
            row["formula"],
            float(row["log10_sigma"]) if row["log10_sigma"] else math.nan,
            int(row["label"]) if row["label"] else None,
        )
        for row in csv.DictReader(io.StringIO(text))
    }
