"""The datasets by name: the one door for scripts.

How a source is read lives in its own module, which is imported only when asked for.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from sie.datasets.record import Database, Source
from sie.errors import InputError
from sie.registered import registered

DATASETS: Mapping[str, str] = {
    "starter": "sie.datasets.starter:from_source",
    "obelix": "sie.datasets.obelix:from_source",
    "table": "sie.datasets.table:from_source",
    "record": "sie.datasets.storage:from_source",
}
"""The registry: a new dataset is a file with a function from a `Source` to a `Database`, and a line
here. Besides these, the folder of a data record is a name of its own."""

PLACED = ("table", "record")
"""Datasets whose name alone does not say where they are."""


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    table: Path | None = None,
    cifs: Path | None = None,
) -> Database:
    """Load a dataset by name, or a data record by its folder.

    Parameters
    ----------
    name : str
        One of `DATASETS`, or a folder that `sie.datasets.storage.save_record` wrote; a folder that
        bears the name of a dataset is meant with a separator in it ("./starter").
    data_dir : Path, optional
        Local copy of a dataset that is otherwise downloaded; with "record", the record's folder.
    table, cifs : Path, optional
        CSV and CIF folder, for "table" only.

    Raises
    ------
    InputError
        When the name is unknown, an option does not belong to it, or the source is unusable.
    DownloadError
        When a file cannot be fetched.
    """
    folder = record_folder(name, data_dir)
    if name != "table" and (table or cifs):
        raise InputError(f"a table or a CIF folder goes with dataset 'table', not with {name!r}")
    source = Source(data_dir, table, cifs) if folder is None else Source(folder)
    database: Database = registered(DATASETS[name if folder is None else "record"])(source)
    return database


def dataset_source(name: str, data_dir: Path | None = None, table: Path | None = None) -> str:
    """Return where a dataset comes from, for the record: an address, a path, or a package.

    The parameters are those of `load_dataset`.
    """
    if (folder := record_folder(name, data_dir)) is not None:
        return str(folder.absolute())
    if name == "table":
        return str(table.absolute()) if table is not None else ""
    if name == "obelix":
        from sie.datasets import obelix

        local = data_dir or os.environ.get(obelix.DATA_DIR_VARIABLE)
        return str(Path(local).expanduser().absolute()) if local else obelix.BASE_URL
    return f"sie.datasets.{name}"


def record_folder(name: str, data_dir: Path | None) -> Path | None:
    """Return the folder of the data record that is meant; None for a dataset's name."""
    if name == "record":
        if data_dir is None:
            raise InputError("dataset 'record' needs its folder; give it with --data-dir")
        return data_dir.expanduser()
    if name in DATASETS:
        return None
    folder = Path(name).expanduser()
    if not (folder.is_dir() or os.sep in name or "/" in name):
        close = difflib.get_close_matches(name, DATASETS, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        known = ", ".join(DATASETS)
        raise InputError(
            f"unknown dataset {name!r}; known: {known}, or the folder of a data record{hint}"
        )
    if data_dir is not None:
        raise InputError(
            f"--data-dir goes with a dataset's name; {name} is a folder by itself, leave it out"
        )
    return folder
