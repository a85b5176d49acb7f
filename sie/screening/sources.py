"""Where crystals to screen come from: CIFs, Parquet, JSON lines; opened once, read by the shard.

Never more than a few crystals are in memory; tables are read in `tables`, the Materials Project
is fetched in `materials_project`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sie.datasets.cif import UnusableCif, read_cif
from sie.errors import InputError
from sie.hashing import content_hash
from sie.reading import MANY_BYTES, TooLarge, lines_of, read_bytes
from sie.screening.record import Entry, Shard, Source, shards_of
from sie.screening.tables import open_json_lines, open_parquet

SHARD = 500
"""Structures a shard: some minutes of work, and a file of some 50 kB."""


def open_source(given: str, shard_size: int = SHARD) -> Source:
    """Open what a user names, by what it is.

    Parameters
    ----------
    given : str
        A folder of CIFs (subfolders too) or of Parquet files; a .txt with one path of a CIF a line,
        relative to the list; a .parquet; a .jsonl.
    shard_size : int
        Entries of a shard.

    Raises
    ------
    InputError
        When there is no such thing or nothing in it.
    """
    path = Path(given).expanduser()
    kind = path.suffix.lower()
    if path.is_dir():
        parquet = sorted(path.glob("*.parquet"))
        return (
            open_parquet(given, parquet, shard_size)
            if parquet
            else _cifs(given, path, list(_found(path)), shard_size)
        )
    if not path.is_file():
        raise InputError(
            f"--source {given}: no such file or folder; give a folder of CIFs, a list (.txt) of "
            "their paths, a .parquet, a .jsonl, or mp for the Materials Project"
        )
    if kind == ".parquet":
        return open_parquet(given, [path], shard_size)
    if kind in (".jsonl", ".ndjson"):
        return open_json_lines(given, path, shard_size)
    if kind == ".txt":
        return _cifs(given, path.parent, _listed(path), shard_size)
    if kind == ".cif":
        return _cifs(given, path.parent, [path.name], shard_size)
    raise InputError(
        f"--source {given}: cannot read {kind or 'this'} files; give a folder of CIFs, a list "
        "(.txt), a .parquet or a .jsonl"
    )


@dataclass(frozen=True)
class CifReader:
    """Reads the CIFs of a shard; `where` holds their names below the root."""

    root: Path

    def read(self, shard: Shard) -> Iterator[Entry]:
        """Yield an entry a file, in their order."""
        for place, name in enumerate(shard.where, start=shard.first):
            entry = name.removesuffix(".cif").removesuffix(".CIF")
            try:
                structure, reason = read_cif(self.root / name), ""
            except UnusableCif as refusal:
                structure, reason = None, refusal.reason
            yield Entry(place, entry, name, structure, reason=reason)


def _cifs(given: str, root: Path, names: Sequence[str], shard_size: int) -> Source:
    if not names:
        raise InputError(f"--source {given}: holds no .cif file; give another one")
    parts = [tuple(names[i : i + shard_size]) for i in range(0, len(names), shard_size)]
    stamps = content_hash("cifs-1", (_stamp(root, name) for name in names))
    shards = shards_of([(len(part), part) for part in parts])
    return Source(given, stamps, shards, CifReader(root.resolve()))


def _found(root: Path) -> Iterator[str]:
    """Yield the CIFs below a folder, sorted, by their names relative to it."""
    for folder, subfolders, files in os.walk(root):
        subfolders.sort()
        for name in sorted(files):
            if name.lower().endswith(".cif"):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _listed(path: Path) -> list[str]:
    try:
        lines = lines_of(read_bytes(path, MANY_BYTES)).splitlines()
    except (OSError, TooLarge, UnicodeDecodeError) as error:
        raise InputError(f"--source {path}: cannot be read as a list of paths: {error}") from error
    return [text for line in lines if (text := line.strip()) and not text.startswith("#")]


def _stamp(root: Path, name: str) -> str:
    """Return name, size and time of change: reading a million files to hash them takes an hour."""
    try:
        found = (root / name).stat()
    except (OSError, ValueError):  # a name with a zero byte
        return f"{name}: missing"
    return f"{name}: {found.st_size} {found.st_mtime_ns}"
