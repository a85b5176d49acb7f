"""Clusters from and to a CSV file with the columns id and cluster.

For clusters of the user's own making, and to share clusters between machines.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sie.errors import InputError
from sie.files import write_text
from sie.hashing import file_sha256
from sie.reading import MANY_BYTES, regular_size
from sie.splits.record import Clustering

log = logging.getLogger(__name__)

COLUMNS = ("id", "cluster")


def read_clusters(path: Path, ids: Sequence[str]) -> Clustering:
    """Read the cluster of every id; numbers stay as given and need not follow on one another.

    Parameters
    ----------
    path : Path
        UTF-8 CSV with a header; columns other than id and cluster are ignored.
    ids : sequence of str
        Shape (n,). Rows of other ids are ignored; `method["n_ignored"]` counts them.

    Returns
    -------
    Clustering
        Sorted ids, no embedding.

    Raises
    ------
    InputError
        When the file cannot be read, lacks a column or ids, names an id twice, or has a cluster
        that is not a whole number from 0.
    """
    found: dict[str, int] = {}
    for line, entry, text in _rows(path):
        if entry in found:
            raise InputError(
                f"{path} line {line}: id {_short(entry)} stands there twice; keep one row"
            )
        # nine digits: far above any count of clusters, far below the largest int64
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise InputError(
                f"{path} line {line}: cluster {_short(text)!r} is not a whole number from 0 to "
                "999999999"
            )
        found[entry] = int(text)
    wanted = tuple(sorted(set(ids)))
    if missing := [entry for entry in wanted if entry not in found]:
        raise InputError(
            f"{path}: {len(missing)} of {len(wanted)} ids have no cluster, the first are "
            f"{', '.join(missing[:3])}; add a row for each"
        )
    n_ignored = len(found) - len(wanted)
    if n_ignored:
        log.info("%s: %d rows belong to no entry and are ignored", path, n_ignored)
    return Clustering(
        wanted,
        np.array([found[entry] for entry in wanted], dtype=np.int64),
        method={
            "kind": "file",
            "file": path.name,
            "sha256": file_sha256(path),
            "n_ignored": n_ignored,
            "n_noise": 0,
        },
    )


def write_clusters(path: Path, clustering: Clustering) -> None:
    """Write one row per id, sorted by id, in the form that `read_clusters` reads."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry, label in sorted(zip(clustering.ids, clustering.labels, strict=True)):
        writer.writerow((entry, int(label)))
    write_text(path, buffer.getvalue())


def _short(text: str) -> str:
    """Return the begin of a cell on one line."""
    return " ".join(text.split())[:60]


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, id and cluster text of every row that is not blank."""
    try:
        if regular_size(path) > MANY_BYTES:
            raise InputError(
                f"{path} is larger than {MANY_BYTES // 1_000_000} MB; check --clusters"
            )
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, skipinitialspace=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            if lacking := [name for name in COLUMNS if name not in header]:
                raise InputError(
                    f"{path}: no column {' and '.join(lacking)}; the header must be id,cluster"
                )
            for row in reader:
                yield reader.line_num, (row["id"] or "").strip(), (row["cluster"] or "").strip()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check --clusters") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a UTF-8 CSV file: {error}; save it as one") from error
