"""matbench_mp_is_metal: 106,113 crystals of the Materials Project, metal or not.

Fetching the file and reading it row by row; it unpacks to a gigabyte and more of JSON.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from sie.downloads import fetch
from sie.errors import InputError
from sie.files import cache_dir
from sie.pretraining.record import Crystal

NAME = "matbench"
TASK = "matbench_mp_is_metal"
FILE = f"{TASK}.json.gz"
URL = f"https://ml.materialsproject.org/projects/{FILE}"
SHA256 = "9a028ed5750a4c76ca36e9f3c8d48fe0bf3fb21b76ec2289e58ae7048d527919"
"""Address and checksum as matminer 0.10.1 lists them (matminer/datasets/dataset_metadata.json)."""

N_STRUCTURES = 106_113
BLOCK_CHARS = 1 << 20

_DATA = re.compile(r'"data"\s*:\s*\[')


def download(url: str = URL) -> Path:
    """Fetch the file into the cache, unless it is there already.

    Source: A. Dunn et al., npj Comput. Mater. 2020, 6, 138 (10.1038/s41524-020-00406-3).

    Raises
    ------
    DownloadError
        When it cannot be fetched, or is not the published one.
    """
    path = cache_dir() / "datasets" / NAME / FILE
    return fetch(url, SHA256, path, "fetch it by hand and give it with --source PATH")


def crystals(path: Path, left_out: Counter[str]) -> Iterator[Crystal]:
    """Yield the crystals of the file, named as matbench names them: mb-mp-is-metal-000001 ...

    Parameters
    ----------
    path : Path
        JSON, plain or with gzip: {"columns": ..., "data": [[structure, is_metal], ...]} with
        structures as pymatgen writes them.
    left_out : Counter
        Is told of disordered crystals, which do not belong here.

    Raises
    ------
    InputError
        When the file is no such table.
    """
    for number, row in enumerate(rows(path), start=1):
        structure = next((item for item in row if isinstance(item, dict)), None)
        answer = next((item for item in row if isinstance(item, bool | int | float)), None)
        if structure is None:
            raise InputError(f"{path}: row {number} holds no structure; give matbench's file")
        try:
            crystal = _crystal(f"mb-mp-is-metal-{number:06d}", answer, structure)
        except (KeyError, TypeError, ValueError, IndexError):
            left_out["not a structure as pymatgen writes it"] += 1
            continue
        if crystal is None:
            left_out["disordered"] += 1
        else:
            yield crystal


def rows(path: Path) -> Iterator[list[Any]]:
    """Yield the rows of a JSON table in pandas' split form, with one block of text in memory."""
    try:
        with _open(path) as handle:
            yield from _rows(path, handle)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); fetch it again") from error


def _rows(path: Path, handle: IO[str]) -> Iterator[list[Any]]:
    decoder = json.JSONDecoder()
    text, place = _to_data(path, handle), 0
    while True:
        try:
            while text[place] in " \t\r\n,":
                place += 1
            if text[place] == "]":
                return
            row, place = decoder.raw_decode(text, place)
        except (IndexError, json.JSONDecodeError) as error:
            more = handle.read(BLOCK_CHARS)
            if not more:
                raise InputError(f"{path} ends in the middle of a row; fetch it again") from error
            text, place = text[place:] + more, 0
            continue
        yield row if isinstance(row, list) else [row]


def _to_data(path: Path, handle: IO[str]) -> str:
    """Return the text that has been read behind the opening bracket of the rows."""
    text = ""
    while not (found := _DATA.search(text)):
        more = handle.read(BLOCK_CHARS)
        if not more:
            raise InputError(f'{path} holds no "data"; give a JSON table as matbench writes it')
        text += more
    return text[found.end() :]


def _open(path: Path) -> IO[str]:
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    if packed:
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8")
    return path.open(encoding="utf-8")


def _crystal(name: str, answer: Any, structure: dict[str, Any]) -> Crystal | None:
    """Return the crystal, or None when a site is shared or partly empty."""
    from pymatgen.core import Element

    numbers, coordinates = [], []
    for site in structure["sites"]:
        (species, *others) = site["species"]
        if others or species["occu"] < 1 - 1e-8:
            return None
        numbers.append(Element(species["element"]).Z)
        coordinates.append(site["abc"])
    return Crystal(
        name,
        None if answer is None else int(bool(answer)),
        np.array(structure["lattice"]["matrix"], dtype=float).reshape(-1),
        np.array(numbers, dtype=np.int64),
        np.array(coordinates, dtype=float).reshape(-1),
    )
