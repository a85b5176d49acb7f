"""The datasets by name: the one door for scripts.

How a source is read lives in its own module, which is imported only when asked for.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from sie.datasets.record import Database
from sie.errors import InputError

DATASETS = ("starter", "obelix", "table")


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    table: Path | None = None,
    cifs: Path | None = None,
) -> Database:
    """Load a dataset by name.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    data_dir : Path, optional
        Local copy of a dataset that is otherwise downloaded.
    table, cifs : Path, optional
        CSV and CIF folder, for "table" only.

    Raises
    ------
    InputError
        When the name is unknown, an option does not belong to it, or the source is unusable.
    DownloadError
        When a file cannot be fetched.
    """
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"unknown dataset {name!r}; known: {', '.join(DATASETS)}{hint}")
    if name != "table" and (table or cifs):
        raise InputError(f"a table or a CIF folder goes with dataset 'table', not with {name!r}")
    if name == "table":
        return _load_table(table, cifs)
    if name == "obelix":
        from sie.datasets import obelix

        return obelix.load(data_dir)
    from sie.datasets import starter

    return starter.load()


def _load_table(table: Path | None, cifs: Path | None) -> Database:
    if table is None:
        raise InputError("dataset 'table' needs the path of a CSV; give it with --table")
    from sie.datasets import table as module

    return module.load(table, cifs)
