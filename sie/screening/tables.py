"""Crystals in one Parquet or JSON-lines file, read by ranges of rows or bytes.

Which file is meant is decided in `sources`; limits of a usable crystal are those for CIFs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from sie.datasets.cif import MAX_BYTES, check_cell, parse_cif
from sie.datasets.crystal_columns import COORDS, FILLINGS, LATTICE, SITES, crystals
from sie.datasets.parquet import open_plain, parquet_errors
from sie.errors import InputError
from sie.hashing import content_hash, file_sha256
from sie.pretraining.sources import GEOMETRY, SCALE, SCALE_KEY
from sie.screening.attempts import Failed, attempt
from sie.screening.record import Entry, Shard, Source, shards_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pymatgen.core import Structure

CRYSTAL = (LATTICE, COORDS, FILLINGS, SITES)
GAP = "band_gap"
LAYOUTS = (GEOMETRY, CRYSTAL, ("cif",))
"""Sets of columns that hold a crystal: ordered ones as numbers, those of data records, CIF text."""

BATCH = 100


def open_parquet(given: str, paths: Sequence[Path], shard_size: int) -> Source:
    """Open Parquet files one after the other.

    A file needs `id` and either lattice, numbers and frac_coords (as in experiments/pretrain.py),
    or cif (the text of a CIF), or the crystal columns of a data record; band_gap (eV) is used where
    it is there.

    Raises
    ------
    InputError
        When a file is no Parquet, lacks a column or holds no row.
    """
    counts = []
    for number, path in enumerate(paths):
        file = open_plain(path)
        n = file.metadata.num_rows
        _layout(path, file.schema_arrow.names)
        steps = range(0, n, shard_size)
        counts += [(min(shard_size, n - i), (number, i, min(i + shard_size, n))) for i in steps]
    if not counts:
        raise InputError(f"--source {given}: holds no row; give another file")
    digest = content_hash("parquet-1", [file_sha256(path) for path in paths])
    reader = ParquetReader(tuple(path.resolve() for path in paths))
    return Source(given, digest, shards_of(counts), reader)


def open_json_lines(given: str, path: Path, shard_size: int) -> Source:
    """Open a file with a JSON object a line.

    An object is a pymatgen Structure (`as_dict`), or holds one as `structure`, or the text of a
    CIF as `cif`; besides `id` and, where known, `band_gap` in eV.

    Raises
    ------
    InputError
        When it holds no line.
    """
    counts: list[tuple[int, tuple[int, int]]] = []
    begin = end = n = 0
    with path.open("rb") as handle:
        for line, length in _lines(handle):
            end += length
            n += bool(line.strip())
            if n == shard_size:
                counts.append((n, (begin, end)))
                begin, n = end, 0
    if n:
        counts.append((n, (begin, end)))
    if not counts:
        raise InputError(f"--source {given}: holds no line; give another file")
    digest = content_hash("json-lines-1", file_sha256(path))
    return Source(given, digest, shards_of(counts), JsonLinesReader(path.resolve()))


@dataclass(frozen=True)
class JsonLinesReader:
    """Reads the lines of a shard; `where` holds their first byte and the byte after them."""

    path: Path

    def read(self, shard: Shard) -> Iterator[Entry]:
        """Yield an entry a line, in their order."""
        begin, end = shard.where
        place = shard.first
        with self.path.open("rb") as handle:
            handle.seek(begin)
            for line, length in _lines(handle):
                if line.strip():
                    yield _of_line(place, self.path.name, line)
                    place += 1
                begin += length
                if begin >= end:
                    return


@dataclass(frozen=True)
class ParquetReader:
    """Reads the rows of a shard; `where` holds a file's number, its first row and the one after.

    Shards that come in rising order are read in one pass: a row group is decoded from its begin,
    and some files have but one.
    """

    paths: tuple[Path, ...]
    _open: dict[int, _Rows] = field(default_factory=dict, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # an open file stays where it is
        return {"paths": self.paths, "_open": {}}

    def read(self, shard: Shard) -> Iterator[Entry]:
        """Yield an entry a row, in their order."""
        number, first, last = shard.where
        if number not in self._open:
            self._open.clear()
            self._open[number] = _Rows(self.paths[number])
        rows = self._open[number]
        place = shard.first
        for batch in rows.between(first, last):
            yield from _of_batch(place, rows, batch)
            place += batch.num_rows


class _Rows:
    """The rows of one file, forwards; going back begins anew at a row group."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.path = path
        self._file = open_plain(path)
        schema = self._file.schema_arrow
        self.layout = _layout(path, schema.names)
        self.scale = _scale(schema) if self.layout == GEOMETRY else 1.0
        self.columns = ["id", *self.layout, *([GAP] if GAP in schema.names else [])]
        sizes = [
            self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)
        ]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._next = 0
        self._held: pa.RecordBatch | None = None
        self._go_to(0)

    def between(self, first: int, last: int) -> Iterator[pa.RecordBatch]:
        """Yield rows first to last - 1 in batches."""
        group = int(np.searchsorted(self._starts, first, side="right")) - 1
        if first < self._next or self._starts[group] > self._next:
            self._go_to(group)
        while self._next < last:
            if self._held is None:
                with parquet_errors(self.path):
                    self._held = next(self._batches, None)
                if self._held is None:
                    raise InputError(f"{self.path} has fewer rows than it says; write it anew")
            batch, self._held = self._held, None
            skip = max(0, min(first - self._next, batch.num_rows))
            stop = min(last - self._next, batch.num_rows)
            if stop < batch.num_rows:
                self._held = batch.slice(stop)
            self._next += stop
            if stop > skip:
                yield batch.slice(skip, stop - skip)

    def _go_to(self, group: int) -> None:
        groups = list(range(group, self._file.num_row_groups))
        self._batches = self._file.iter_batches(BATCH, groups, self.columns)
        self._next = int(self._starts[group])
        self._held = None


def _layout(path: Path, present: Sequence[str]) -> tuple[str, ...]:
    for layout in LAYOUTS:
        if {"id", *layout} <= set(present):
            return layout
    raise InputError(
        f"{path} has no crystals: it needs the columns id and {', '.join(GEOMETRY)}, or id and cif"
    )


def _scale(schema: pa.Schema) -> float:
    import pyarrow as pa

    kind = schema.field("frac_coords").type
    while hasattr(kind, "value_type"):  # three numbers a site may be a list in the list
        kind = kind.value_type
    if not pa.types.is_integer(kind):
        return 1.0
    given: Mapping[bytes, bytes] = schema.metadata or {}
    return float(given.get(SCALE_KEY, SCALE))


def _lines(handle: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield lines and their lengths; of one that is too long only what shows that it is."""
    while line := handle.readline(MAX_BYTES + 1):
        length = len(line)
        rest = line
        while len(rest) == MAX_BYTES + 1 and not rest.endswith(b"\n"):
            rest = handle.readline(MAX_BYTES + 1)
            length += len(rest)
        yield line, length


def _of_batch(place: int, rows: _Rows, batch: pa.RecordBatch) -> Iterator[Entry]:
    import pyarrow as pa

    with parquet_errors(rows.path):
        gaps = batch.column(GAP).to_pylist() if GAP in rows.columns else [None] * batch.num_rows
        names = batch.column("id").to_pylist()
    for i, name in enumerate(names):
        row = batch.slice(i, 1)

        def built(row: pa.RecordBatch = row) -> Structure:
            if rows.layout == CRYSTAL:
                return next(crystals(pa.Table.from_batches([row])))
            values = row.to_pylist()[0]
            return (
                parse_cif(values["cif"])
                if rows.layout == ("cif",)
                else _of_numbers(values, rows.scale)
            )

        where = f"{rows.name}, row {place + i + 1}"
        yield _entry(place + i, "" if name is None else str(name), where, built, gaps[i])


def _of_numbers(row: Mapping[str, Any], scale: float) -> Structure:
    from pymatgen.core import Lattice, Structure

    lattice = np.array(row["lattice"], dtype=float).reshape(3, 3)
    coordinates = np.array(row["frac_coords"], dtype=float).reshape(-1, 3) / scale
    return Structure(Lattice(lattice), [int(z) for z in row["numbers"]], coordinates)


def _of_line(place: int, file: str, line: bytes) -> Entry:
    where = f"{file}, entry {place + 1}"
    if len(line) > MAX_BYTES:
        return Entry(
            place, f"#{place}", where, None, reason=f"larger than {MAX_BYTES // 1_000_000} MB"
        )
    try:
        item = json.loads(line)
        if not isinstance(item, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        return Entry(place, f"#{place}", where, None, reason=f"no JSON object: {error}"[:120])

    def built() -> Structure:
        from pymatgen.core import Structure

        if "cif" in item:
            return parse_cif(item["cif"])
        return Structure.from_dict(without_properties(item.get("structure", item)))

    name = item.get("id", item.get("material_id"))
    return _entry(place, "" if name is None else str(name), where, built, item.get(GAP))


def without_properties(structure: Mapping[str, Any]) -> dict[str, Any]:
    """Return a structure's dictionary without properties.

    pymatgen would import and build whatever class a property names, and nothing here reads them.
    """
    sites = [
        {key: value for key, value in site.items() if key != "properties"}
        for site in structure["sites"]
    ]
    return {**structure, "sites": sites, "properties": {}}


def _entry(place: int, name: str, where: str, built: Callable[[], Structure], gap: Any) -> Entry:
    """Build a crystal and look at it; what is wrong becomes a reason."""

    def checked() -> Structure:
        structure = built()
        check_cell(structure)
        return structure

    structure, reason = None, ""
    try:
        structure = attempt(checked)
    except Failed as failure:
        reason = failure.reason
    return Entry(place, name or f"#{place}", where, structure, _gap(gap), reason)


def _gap(value: Any) -> float:
    """Return a band gap; NaN where the value is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) and number >= 0 else math.nan
