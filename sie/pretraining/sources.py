"""Where crystals to pre-train on come from: matbench, the user's Parquet, or CSV with CIFs.

Files become a `CrystalTable` here, a batch at a time; how they are judged lives in `record`.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.datasets.parquet import open_plain, parquet_errors
from sie.errors import InputError
from sie.hashing import file_sha256
from sie.pretraining import matbench
from sie.pretraining.record import Crystal, CrystalTable, collect
from sie.reading import MANY_BYTES

if TYPE_CHECKING:
    import pyarrow as pa
    from pymatgen.core import Structure

LABELS = ("is_metal", "label", "band_gap")
"""Columns that tell the class, the first that is there counts; a band gap of 0 eV is a metal."""

GEOMETRY = ("lattice", "numbers", "frac_coords")
SCALE_KEY = b"frac_coords_scale"
SCALE = 100_000
"""What whole-number coordinates are divided by, unless the schema's metadata give `SCALE_KEY`."""

BATCH = 2_000


@dataclass(frozen=True)
class Source:
    """A file of crystals, read.

    Attributes
    ----------
    name : str
        matbench_mp_is_metal, or the file's name.
    sha256 : str
        Of the file; of the table alone, where CIFs lie beside it.
    crystals : CrystalTable
        What could be used, in the file's order.
    """

    name: str
    sha256: str
    crystals: CrystalTable


def read_source(source: str, cifs: Path | None = None) -> Source:
    """Read crystals with their class.

    Parameters
    ----------
    source : str
        `matbench` for the published set (downloaded once), or a path: .json or .json.gz in
        matbench's form; .parquet with id, lattice (nine numbers, Å, the rows are vectors),
        numbers (atomic numbers), frac_coords (three numbers a site; whole numbers are in units
        of 1e-5) and one of `LABELS`; .csv with id and one of `LABELS`, beside a folder of CIFs.
    cifs : Path, optional
        Folder of CIFs named by id, for a CSV only.

    Raises
    ------
    InputError
        When the file cannot be used.
    DownloadError
        When matbench cannot be fetched.
    """
    published = source == matbench.NAME
    path = Path(matbench.FILE if published else source).expanduser()
    kind = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()
    if (cifs is not None) != (kind == ".csv"):
        raise InputError(f"{path}: a folder of CIFs (--cifs) goes with a .csv, and only with one")
    path, name = (matbench.download(), matbench.TASK) if published else (path, path.name)
    if not path.is_file():
        raise InputError(f"no file at {path}; give {matbench.NAME} or a .parquet, .json or .csv")
    left_out: Counter[str] = Counter()
    if kind in (".json", ".json.gz"):
        crystals = matbench.crystals(path, left_out)
    elif kind == ".parquet":
        crystals = from_parquet(path)
    elif kind == ".csv" and cifs is not None:
        crystals = from_csv(path, cifs, left_out)
    else:
        raise InputError(
            f"{path}: cannot read {kind or 'this'} files; give .parquet, .json or .csv"
        )
    return Source(name, file_sha256(path), collect(name, crystals, left_out))


def from_parquet(path: Path) -> Iterator[Crystal]:
    """Yield the crystals of a Parquet file, `BATCH` rows in memory at a time.

    Raises
    ------
    InputError
        When it is no Parquet file or lacks a column.
    """
    with parquet_errors(path), open_plain(path) as file:
        schema = file.schema_arrow
        label = _label_column(path, schema.names, ("id", *GEOMETRY))
        scale = _coordinate_scale(path, schema)
        columns = ["id", *GEOMETRY, label]
        for batch in file.iter_batches(batch_size=BATCH, columns=columns):
            yield from _of_batch(batch, label, scale)


def from_csv(path: Path, cifs: Path, left_out: Counter[str]) -> Iterator[Crystal]:
    """Yield the crystals that a CSV names and a folder of CIFs holds, one at a time.

    Raises
    ------
    InputError
        When the CSV lacks a column or the folder holds no CIF.
    """
    from sie.datasets.cif import UnusableCif
    from sie.datasets.cif_folder import CifFolder

    folder = CifFolder(cifs)
    if path.stat().st_size > MANY_BYTES:
        raise InputError(f"{path} is larger than {MANY_BYTES // 1_000_000} MB; split it")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            label = _label_column(path, list(reader.fieldnames or ()), ("id",))
            for row in reader:
                try:
                    structure, _ = folder.crystal_of(row["id"] or "")
                except UnusableCif as refusal:
                    left_out[refusal.reason] += 1
                    continue
                if structure.is_ordered:
                    yield _of_structure(row["id"], class_of(label, row[label]), structure)
                else:
                    left_out["disordered"] += 1
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from error


def class_of(column: str, value: Any) -> int | None:
    """Return 1 for a metal, 0 for none, None where the value does not say.

    Parameters
    ----------
    column : str
        One of `LABELS`: what the value means.
    value : bool, number, str or None
        Yes or no, 0 or 1, or a band gap in eV.
    """
    words = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
    try:
        number = words.get(str(value).strip().lower())
        number = float(value) if number is None else number
    except (TypeError, ValueError):
        return None
    if column == "band_gap":
        return None if math.isnan(number) or number < 0 else int(number == 0)
    return int(number) if number in (0, 1) else None


def _label_column(path: Path, present: list[str], needed: tuple[str, ...]) -> str:
    if missing := [name for name in needed if name not in present]:
        raise InputError(
            f"{path} has no column {missing[0]!r}; needed: {', '.join(needed)} "
            f"and one of {', '.join(LABELS)}"
        )
    for name in LABELS:
        if name in present:
            return name
    raise InputError(f"{path} has none of the columns {', '.join(LABELS)}; add one")


def _coordinate_scale(path: Path, schema: pa.Schema) -> float:
    import pyarrow as pa

    kind = schema.field("frac_coords").type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise InputError(f"{path}: frac_coords must hold a list of numbers a row, but is {kind}")
    while hasattr(kind, "value_type"):  # three numbers a site may be a list in the list
        kind = kind.value_type
    if pa.types.is_floating(kind):
        return 1.0
    given: Mapping[bytes, bytes] = schema.metadata or {}
    try:
        scale = float(given.get(SCALE_KEY, SCALE))
    except ValueError:
        scale = math.nan
    if not scale > 0:
        raise InputError(f"{path}: the schema's {SCALE_KEY.decode()} must be a positive number")
    return scale


def _of_batch(batch: pa.RecordBatch, label: str, scale: float) -> Iterator[Crystal]:
    ids, answers = batch["id"].to_pylist(), batch[label].to_pylist()
    lattices, numbers, coordinates = (_ragged(batch[name]) for name in GEOMETRY)
    for i, (entry, answer) in enumerate(zip(ids, answers, strict=True)):
        yield Crystal(
            "" if entry is None else str(entry),
            class_of(label, answer),
            lattices[i].astype(float),
            numbers[i].astype(np.int64),
            coordinates[i].astype(float) / scale,
        )


def _ragged(column: pa.Array) -> list[np.ndarray]:
    """Return the lists of a column as arrays; an empty one where the list is missing."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    return np.split(flat, np.cumsum(lengths)[:-1])


def _of_structure(entry: str, label: int | None, structure: Structure) -> Crystal:
    return Crystal(
        entry,
        label,
        np.array(structure.lattice.matrix).reshape(-1),
        np.array([site.specie.Z for site in structure]),
        np.array(structure.frac_coords).reshape(-1),
    )
