"""A database as a folder: database.parquet (table, crystals) and database.json (what it is).

Writing and reading one data record; which folder a dataset's name means is decided in `registry`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.datasets.crystal_columns import PREFIX, crystal_columns, crystals
from sie.datasets.duplicates import DuplicateGroup
from sie.datasets.parquet import open_plain
from sie.datasets.record import Database, LeftOut, Source, require_name
from sie.errors import InputError, SieError
from sie.files import replacing
from sie.hashing import content_hash, file_sha256

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "sie-database"
VERSION = 1
TABLE_FILE = "database.parquet"
ABOUT_FILE = "database.json"


@dataclass(frozen=True)
class DataRecord:
    """What a folder holds.

    Attributes
    ----------
    database : Database
        Entries, crystals and what was left out.
    duplicates : tuple of DuplicateGroup
        Groups of which one entry each stayed.
    provenance : Mapping
        Where it comes from: source, options, counts, versions; plain values.
    """

    database: Database
    duplicates: tuple[DuplicateGroup, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def is_record(folder: Path) -> bool:
    """Return whether a folder holds a data record."""
    return (folder / ABOUT_FILE).is_file()


def save_record(folder: Path, record: DataRecord) -> None:
    """Write a data record; the same record gives the same bytes.

    Both files are written aside and put in place together, the table first: a reader in between
    meets a table that does not fit the description, and refuses it.

    Raises
    ------
    SieError
        When the folder cannot be written, or a column or a species has no place in Parquet.
    """
    import pyarrow.parquet as pq

    table = _to_arrow(record.database)
    with (
        replacing(folder / ABOUT_FILE) as about,
        replacing(folder / TABLE_FILE) as temporary,
    ):
        pq.write_table(table, temporary, compression="zstd")
        about.write_text(_describe(record, file_sha256(temporary)), encoding="utf-8")


def from_source(source: Source) -> Database:
    """Load the dataset for the registry, from the folder of its record.

    Raises
    ------
    InputError
        As `load_record`, and when no folder is given.
    """
    if source.data_dir is None:
        raise InputError("dataset 'record' needs its folder; give it with --data-dir")
    return load_record(source.data_dir).database


def load_record(folder: Path) -> DataRecord:
    """Read what `save_record` wrote.

    Raises
    ------
    InputError
        When a file is missing, damaged, changed, of a later version, or does not fit the hash,
        or the name could lead out of a folder.
    """
    about, path = _read_about(folder / ABOUT_FILE), folder / TABLE_FILE
    if not path.is_file():
        raise InputError(f"{path} is missing; prepare the data record anew")
    if file_sha256(path) != about.get("table_sha256"):
        raise InputError(
            f"{path} is not the table that {ABOUT_FILE} describes; prepare the data record anew"
        )
    require_name(str(about.get("name")), str(folder / ABOUT_FILE))
    try:
        database = _from_arrow(path, str(about["name"]), about["left_out"])
        duplicates = tuple(_group(item) for item in about["duplicates"])
        provenance = dict(about["provenance"])
    except InputError:
        raise
    except Exception as error:  # pyarrow, pandas and pymatgen raise many kinds on odd content
        raise _damaged(folder / ABOUT_FILE, repr(error)) from error
    if database.hash != about.get("hash"):
        raise InputError(
            f"{folder}: the entries have the hash {database.hash}, not {about.get('hash')} as "
            f"{ABOUT_FILE} says; prepare the data record anew"
        )
    return DataRecord(database, duplicates, provenance)


def _to_arrow(database: Database) -> pa.Table:
    import pyarrow as pa

    frame = database.table.rename_axis("id")
    if taken := [name for name in frame.columns if str(name).startswith(PREFIX)]:
        raise SieError(f"column {taken[0]!r}: names with {PREFIX!r} are kept for crystals")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise SieError(f"dataset {database.name}: {error}; give the column one type") from error
    for name, column in crystal_columns(database.structures).items():
        table = table.append_column(name, column)
    return table


def _from_arrow(path: Path, name: str, left_out: Sequence[Mapping[str, str]]) -> Database:
    with open_plain(path) as file:
        table = file.read()
    ours = [column for column in table.column_names if column.startswith(PREFIX)]
    frame = table.drop_columns(ours).to_pandas()
    structures = dict(zip(frame.index, crystals(table.select(ours)), strict=True))
    return Database(name, frame, structures, tuple(LeftOut(**item) for item in left_out))


def _describe(record: DataRecord, table_sha256: str) -> str:
    database = record.database
    content = {
        "name": database.name,
        "hash": database.hash,
        "entries": len(database),
        "table_sha256": table_sha256,
        "provenance": dict(record.provenance),
        "duplicates": [_plain_group(group) for group in record.duplicates],
        "left_out": [asdict(item) for item in database.left_out],
    }
    plain = json.loads(json.dumps(content, allow_nan=False))
    sealed = {"format": FORMAT, "version": VERSION, "file_hash": content_hash(FORMAT, plain)}
    return json.dumps({**sealed, **plain}, indent=1, ensure_ascii=False) + "\n"


def _read_about(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; give a folder that prepare.py wrote"
        ) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise InputError(f"{path} describes no data record; give a folder that prepare.py wrote")
    found = document.pop("version", None)
    if found != VERSION:
        raise InputError(
            f"{path} has format version {found}, this sie reads version {VERSION}; "
            "prepare the data record anew or update sie"
        )
    written = document.pop("file_hash", None)
    if content_hash(FORMAT, document) != written:
        raise _damaged(path, "the hash inside does not fit the content")
    return document


def _plain_group(group: DuplicateGroup) -> dict[str, Any]:
    sigmas = [None if sigma != sigma else sigma for sigma in group.sigmas]  # JSON has no NaN
    return {**asdict(group), "sigmas": sigmas}


def _group(plain: Mapping[str, Any]) -> DuplicateGroup:
    sigmas = tuple(float("nan") if sigma is None else float(sigma) for sigma in plain["sigmas"])
    lists = {name: tuple(plain[name]) for name in ("ids", "censored", "labels")}
    return DuplicateGroup(kept=str(plain["kept"]), sigmas=sigmas, **lists)


def _damaged(path: Path, what: str) -> InputError:
    line = " ".join(what.split())
    return InputError(f"{path} is damaged or was edited: {line}; prepare the data record anew")
