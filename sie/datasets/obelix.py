"""OBELiX: the open set of Li electrolytes with measured conductivity (CC BY 4.0).

Fetching, checking and reading its two files; what a row of the record holds is decided elsewhere.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import logging
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from sie.datasets.assemble import Measurement, assemble
from sie.datasets.cif import MAX_BYTES, UnusableCif, parse_cif
from sie.datasets.record import SPLIT_COLUMN, TEST, TRAIN, Database, LeftOut, Source
from sie.datasets.values import UnusableValue, parse_conductivity
from sie.downloads import fetch
from sie.errors import InputError
from sie.files import cache_dir
from sie.hashing import file_sha256
from sie.reading import MANY_BYTES, TooLarge, lines_of, read_bytes

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

NAME = "obelix"
COMMIT = "4eaac889809dd489e3bae468c45d5c0e02b9147a"
BASE_URL = f"https://raw.githubusercontent.com/NRC-Mila/OBELiX/{COMMIT}/data/downloads/"
TABLE_FILE = "all.csv"
ARCHIVE_FILE = "all_cifs.tar.gz"
TEST_FILE = "test.csv"
"""The entries of the official test set; all others are the official training set."""

SHA256 = {
    TABLE_FILE: "54f6265ef84d16a919d08c6815f14b0fd7465fa00090bee2511c16c042e57f3c",
    ARCHIVE_FILE: "bfa2a3c92e3b8ca1b9859992e686c9e19f98924e7ff369c05db7006548217d49",
    TEST_FILE: "b2c266eb74e22f403743d52959bea7c43b1531a850994870a70dd909200e5297",
}
DATA_DIR_VARIABLE = "SIE_DATA_DIR"

MAX_UNPACKED = 200_000_000
"""Most that an archive may unpack to; OBELiX has 2 MB, and 10 MB of gzip can hold 10 GB."""

_SIGMA_COLUMN = "Ionic conductivity (S cm-1)"


def from_source(source: Source) -> Database:
    """Load the dataset for the registry, from a local copy where there is one."""
    return load(source.data_dir)


def load(
    data_dir: Path | None = None, *, base_url: str = BASE_URL, require_lithium: bool = True
) -> Database:
    """Load the entries of OBELiX that have a CIF (Therrien et al., arXiv:2502.14234).

    Upper bounds such as "<1E-10" are censored values of class 0. Entries without a CIF are left
    out, and so are 7 of the 321 CIFs, whose Li was never located: what the network would see is
    not the compound.

    Parameters
    ----------
    data_dir : Path, optional
        Folder with a local copy, or its parent; default: the variable SIE_DATA_DIR, else a
        download that is kept in the cache. A local copy may be newer than the pinned version: it
        is used as it is, with a warning.
    base_url : str
        Folder from which the files are downloaded.
    require_lithium : bool
        False keeps those 7 (Li4SiS4, five perovskites La(2-x)/3LixTiO3, Ba3LiTa5ZrSi4O26), for a
        comparison with published results on all 321.

    Returns
    -------
    Database
        With the further columns `family` and `split`: train or test, by the authors' own division
        (test.csv). A local copy without test.csv has no `split`.

    Raises
    ------
    InputError
        When the local copy is incomplete or unreadable.
    DownloadError
        When a file cannot be fetched, or is not the pinned one.
    """
    given = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    files = local_copy(Path(given)) if given else download(base_url)
    cifs = read_archive(files[ARCHIVE_FILE])
    test_ids = _ids(files[TEST_FILE]) if TEST_FILE in files else None
    measurements, left_out = _read_table(files[TABLE_FILE], test_ids)

    def crystal_of(entry: str) -> tuple[Structure, str]:
        if entry not in cifs:
            raise UnusableCif("no CIF")
        return parse_cif(cifs[entry], f"{entry}.cif"), f"{entry}.cif"

    return assemble(NAME, measurements, crystal_of, left_out, require_lithium=require_lithium)


def local_copy(folder: Path) -> Mapping[str, Path]:
    """Return the files of a copy in `folder` or `folder`/obelix; other versions are warned of.

    test.csv may be missing.

    Raises
    ------
    InputError
        When a file is missing.
    """
    places = (folder.expanduser(), folder.expanduser() / NAME)
    home = next((place for place in places if (place / TABLE_FILE).is_file()), None)
    if home is None:
        raise InputError(
            f"no {TABLE_FILE} of OBELiX in {places[0]} or {places[1]}; "
            f"give the folder that holds {TABLE_FILE} and {ARCHIVE_FILE}"
        )
    if not (home / ARCHIVE_FILE).is_file():
        raise InputError(f"{ARCHIVE_FILE} of OBELiX is missing in {home}; copy it there")
    files = {name: home / name for name in SHA256 if (home / name).is_file()}
    for name, path in files.items():
        if file_sha256(path) != SHA256[name]:
            logger.warning("%s is not the version of commit %s; used as it is", path, COMMIT)
    return files


def download(base_url: str = BASE_URL) -> Mapping[str, Path]:
    """Fetch the files into the cache, unless the pinned ones are there already.

    Raises
    ------
    DownloadError
        When a file cannot be fetched, or is not the pinned one.
    """
    folder = cache_dir() / "datasets" / NAME / COMMIT[:12]
    way_out = f"fetch {', '.join(SHA256)} by hand and give their folder with --data-dir"
    return {
        name: fetch(f"{base_url}{name}", digest, folder / name, way_out)
        for name, digest in SHA256.items()
    }


def read_archive(path: Path) -> dict[str, str]:
    """Read the CIFs of a tar archive in memory, by file stem; nothing is unpacked to disk.

    Raises
    ------
    InputError
        When the archive cannot be read, or holds more than `MAX_UNPACKED` bytes.
    """
    texts = {}
    try:
        # only the plain form: it is unpacked already, and by that bounded
        with tarfile.open(fileobj=io.BytesIO(_unpacked(path)), mode="r:") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isfile() or name.suffix.lower() != ".cif" or member.size > MAX_BYTES:
                    continue
                if handle := archive.extractfile(member):
                    texts[name.stem] = handle.read(MAX_BYTES).decode("utf-8", errors="replace")
    except (
        *(tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError),
        *(ValueError, OverflowError, MemoryError),  # of numbers in damaged headers
    ) as error:
        raise InputError(f"{path} is not a readable tar archive; fetch it again") from error
    return texts


def _unpacked(path: Path) -> bytes:
    """Return the plain tar archive in one that may be packed."""
    openers: Mapping[bytes, Callable[[IO[bytes]], Any]] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ": lzma.open,
    }
    try:
        data = read_bytes(path, MANY_BYTES)
    except TooLarge as error:
        raise InputError(f"{path} is {error}; fetch it again") from error
    for magic, opener in openers.items():
        if data.startswith(magic):
            with opener(io.BytesIO(data)) as handle:
                data = handle.read(MAX_UNPACKED + 1)
    if len(data) > MAX_UNPACKED:
        raise InputError(f"{path} holds more than {MAX_UNPACKED // 1_000_000} MB; fetch it again")
    return data


def _ids(path: Path) -> frozenset[str]:
    return frozenset(row["ID"] for _, row in _rows(path, _read(path)))


def _read(path: Path) -> str:
    try:
        return lines_of(read_bytes(path, MANY_BYTES), "utf-8-sig", "replace")
    except TooLarge as error:
        raise InputError(f"{path} is {error}; fetch it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _read_table(
    path: Path, test_ids: frozenset[str] | None
) -> tuple[list[Measurement], list[LeftOut]]:
    measurements: list[Measurement] = []
    left_out: list[LeftOut] = []
    for where, row in _rows(path, _read(path)):
        part = {}
        if test_ids is not None:
            part = {SPLIT_COLUMN: TEST if row["ID"] in test_ids else TRAIN}
        try:
            value = parse_conductivity(row[_SIGMA_COLUMN] or "")
        except UnusableValue as refusal:
            left_out.append(LeftOut(row["ID"], str(refusal), where))
            continue
        measurements.append(
            Measurement(
                row["ID"],
                value.label,
                value.sigma_S_per_cm,
                value.censored,
                row["DOI"] or "",
                where,
                {"family": row["Family"] or "", **part},
            )
        )
    return measurements, left_out


def _rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    needed = {"ID", _SIGMA_COLUMN, "DOI", "Family"}
    try:
        if missing := sorted(needed - set(reader.fieldnames or ())):
            raise InputError(f"{path} is no table of OBELiX: column {missing[0]!r} is missing")
        for row in reader:
            yield f"{path.name}:{reader.line_num}", row
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error
