"""Any user's table of conductivities beside a folder of CIFs, such as ICSD codes and ICSD files.

Finding columns and rows; cells are judged in `values`, files are found in `cif_folder`.
"""

from __future__ import annotations

import csv
import difflib
import io
import logging
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sie.datasets.arrhenius import ROOM_K
from sie.datasets.assemble import Measurement, assemble
from sie.datasets.cif_folder import CifFolder
from sie.datasets.record import SPLIT_COLUMN, Database, LeftOut, Source, require_name
from sie.datasets.temperatures import Reading, at_room_temperature
from sie.datasets.values import (
    Conductivity,
    UnusableValue,
    is_empty,
    is_room_temperature,
    parse_class,
    parse_conductivity,
    parse_temperature,
)
from sie.errors import InputError
from sie.reading import MANY_BYTES, TooLarge, read_bytes

logger = logging.getLogger(__name__)

MAX_BYTES = MANY_BYTES
MAX_COLUMNS = 1_000
"""Every unknown heading is compared with every known one."""

_SIGMA_NAMES = ("sigma", "σ", "sigma_rt", "σ_rt", "conductivity", "ionic_conductivity")
_SIGMA_UNITS = ("", "_s_per_cm", "_s_cm", "_s_cm_1")
_CODE_NAMES = ("icsd", "icsd_id", "icsd_code", "icsd_number", "icsd_collection_code")

ALIASES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "entry", "entry_id", *_CODE_NAMES, "collection_code", "collcode", "material_id"),
    "sigma": tuple(name + unit for name in _SIGMA_NAMES for unit in _SIGMA_UNITS),
    "log10_sigma": tuple(
        log + name + unit
        for log in ("log10_", "log_", "log10", "log")
        for name in _SIGMA_NAMES
        for unit in _SIGMA_UNITS
    ),
    "class": ("class", "label", "superionic", "is_superionic", "target"),
    "temperature_K": ("temperature_k", "temperature", "t_k", "temp_k", "temp", "t"),
    "temperature_C": ("temperature_c", "t_c", "temp_c"),
    "doi": ("doi",),
    "family": ("family",),
    SPLIT_COLUMN: (SPLIT_COLUMN,),
}
"""Columns of a table and the headings they go by, once in lower case with underscores."""

_LABELS = ("sigma", "log10_sigma", "class")
_KNOWN = (
    "id (or icsd), sigma (S/cm), log10_sigma, class, temperature_K, temperature_C, doi, family, "
    "split"
)


def from_source(source: Source) -> Database:
    """Load the dataset for the registry, from the user's CSV and CIFs.

    Raises
    ------
    InputError
        As `load`, and when no table is given.
    """
    if source.table is None:
        raise InputError("dataset 'table' needs the path of a CSV; give it with --table")
    return load(source.table, source.cifs)


def load(table: Path, cif_dir: Path | None = None, name: str | None = None) -> Database:
    """Load a CSV of measurements with the CIFs that its ids name.

    The table has a column for the id and one for sigma in S/cm ("<1e-10" is an upper bound),
    log10_sigma or class, optionally the temperature; `ALIASES` lists the headings. Comma,
    semicolon and tab separate. Entries measured at several temperatures, none of them room
    temperature, are extrapolated (`temperatures`). Rows that cannot be used are left out with
    their line.

    Parameters
    ----------
    table : Path
        The CSV.
    cif_dir : Path, optional
        Folder with `<id>.cif`; for ICSD codes also names such as EntryWithCollCode12345.cif.
        Default: the folder `cifs` beside the table, else the table's own folder.
    name : str, optional
        Name of the dataset; default: the table's file name.

    Raises
    ------
    InputError
        When the table, its name or the folder cannot be used, or no row is left.
    """
    name = name or table.stem
    require_name(name, str(table))
    rows = _rows(table, _read_text(table))
    header = next(rows, None)
    if header is None:
        raise InputError(f"{table} is empty; known columns: {_KNOWN}")
    columns = find_columns(header[1], table)
    beside = table.parent / "cifs"
    files = CifFolder(cif_dir or (beside if beside.is_dir() else table.parent))
    readings, left_out = [], []
    for line, cells in rows:
        where = f"{table.name}:{line}"
        entry = _cell(cells, columns, "id")
        try:
            readings.append(Reading(_measurement(cells, columns, where), _kelvin(cells, columns)))
        except UnusableValue as refusal:
            left_out.append(LeftOut(entry or f"line {line}", str(refusal), where))
    measurements, not_at_room = at_room_temperature(readings)
    refused = [*left_out, *not_at_room]
    return assemble(name, measurements, files.crystal_of, refused)


def find_columns(header: Sequence[str], table: Path) -> dict[str, int]:
    """Find the known columns in a header row; of several ids the most specific name is taken.

    Parameters
    ----------
    header : sequence of str
        Headings as they stand in the file.
    table : Path
        For messages.

    Returns
    -------
    dict
        From the keys of `ALIASES` to the position of the column.

    Raises
    ------
    InputError
        When there is no id or no conductivity, or two columns mean the same.
    """
    if len(header) > MAX_COLUMNS:
        raise InputError(f"{table} has {len(header)} columns; at most {MAX_COLUMNS} are read")
    plain = [_plain_heading(text) for text in header]
    columns = {}
    for field, aliases in ALIASES.items():
        found = sorted((aliases.index(text), i) for i, text in enumerate(plain) if text in aliases)
        if len(found) > 1 and (field != "id" or found[0][0] == found[1][0]):
            twins = " and ".join(repr(header[i]) for _, i in found[:2])
            raise InputError(f"{table}: columns {twins} both mean {field}; keep one of them")
        if found:
            columns[field] = found[0][1]
    if "id" not in columns:
        raise InputError(_missing("entry's id", ("id",), header, table))
    if not set(_LABELS) & set(columns):
        raise InputError(_missing("conductivity or the class", _LABELS, header, table))
    _warn_of_near_misses(plain, header, columns, table)
    return columns


def _read_text(table: Path) -> str:
    try:
        data = read_bytes(table, MAX_BYTES)
    except TooLarge as error:
        raise InputError(f"{table} is {error}; split it") from error
    except OSError as error:
        raise InputError(f"{table} cannot be read: {error.strerror}; check the path") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # what older spreadsheets write


def _rows(table: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every row that is not blank, the header first."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InputError(f"{table}, line {reader.line_num}: {error}; save it as CSV") from error


def _measurement(cells: Sequence[str], columns: Mapping[str, int], where: str) -> Measurement:
    if len(cells) <= max(columns.values()):
        raise UnusableValue("the line has fewer cells than the header")
    entry = _cell(cells, columns, "id")
    if not entry:
        raise UnusableValue("no id")
    value = _conductivity(cells, columns)
    label = _label(value, _cell(cells, columns, "class"))
    extra = {"family": _cell(cells, columns, "family")} if "family" in columns else {}
    if SPLIT_COLUMN in columns:
        extra[SPLIT_COLUMN] = _cell(cells, columns, SPLIT_COLUMN).lower()
    return Measurement(
        entry,
        label,
        value.sigma_S_per_cm if value else math.nan,
        bool(value and value.censored),
        _cell(cells, columns, "doi"),
        where,
        extra,
    )


def _kelvin(cells: Sequence[str], columns: Mapping[str, int]) -> float:
    """Return the temperature of a row; without one it is room temperature."""
    kelvin = ROOM_K
    for field, celsius in (("temperature_K", False), ("temperature_C", True)):
        if text := _cell(cells, columns, field):
            kelvin = parse_temperature(text, celsius=celsius)
            if not is_room_temperature(kelvin):
                break
    return kelvin


def _conductivity(cells: Sequence[str], columns: Mapping[str, int]) -> Conductivity | None:
    plain, log10 = _cell(cells, columns, "sigma"), _cell(cells, columns, "log10_sigma")
    from_plain = parse_conductivity(plain) if plain else None
    from_log = parse_conductivity(log10, log10=True) if log10 else None
    if from_plain and from_log:
        ratio = from_plain.sigma_S_per_cm / from_log.sigma_S_per_cm
        if abs(math.log10(ratio)) > 0.1 or from_plain.censored != from_log.censored:
            raise UnusableValue("sigma and log10_sigma disagree")
    return from_plain or from_log


def _label(value: Conductivity | None, text: str) -> int:
    given = parse_class(text) if text else None
    if value is None and given is None:
        raise UnusableValue("no conductivity and no class")
    if value is not None and given is not None and given != value.label:
        raise UnusableValue("class and conductivity disagree")
    return value.label if value is not None else int(given or 0)


def _cell(cells: Sequence[str], columns: Mapping[str, int], field: str) -> str:
    position = columns.get(field)
    if position is None or position >= len(cells) or is_empty(cells[position]):
        return ""
    return cells[position]


def _plain_heading(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[\W_]+", "_", folded).strip("_")


def _nearest(heading: str, fields: Sequence[str], cutoff: float) -> str | None:
    """Return the field whose name is nearest to an unknown heading."""
    names = {alias: field for field in fields for alias in ALIASES[field]}
    close = difflib.get_close_matches(heading, list(names), n=1, cutoff=cutoff)
    return names[close[0]] if close else None


def _missing(what: str, fields: Sequence[str], header: Sequence[str], table: Path) -> str:
    hints = [
        f"; did you mean {field} by {text[:40]!r}?"
        for text in header
        if (field := _nearest(_plain_heading(text), fields, cutoff=0.6))
    ]
    given = ", ".join(repr(text[:40]) for text in header[:12])
    hint = hints[0] if hints else ""
    return f"{table}: no column for the {what} among {given}; known: {_KNOWN}{hint}"


def _warn_of_near_misses(
    plain: Sequence[str], header: Sequence[str], columns: Mapping[str, int], table: Path
) -> None:
    """Warn of headings that look misspelt; an unread temperature would spoil labels silently."""
    absent = [field for field in ALIASES if field not in columns]
    for position, heading in enumerate(plain):
        if position not in columns.values() and (field := _nearest(heading, absent, cutoff=0.8)):
            logger.warning(
                "%s: column %r is not used; name it %s if it is one",
                table,
                header[position],
                field,
            )
