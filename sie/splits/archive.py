"""Splits and hold-outs as JSON files with a format version and their hashes inside.

The test ids have a file of their own: whoever reads the splits of a search never meets them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.files import write_text
from sie.hashing import content_hash
from sie.splits.record import Clustering, HoldOut, Split

VERSION = 1


@dataclass(frozen=True)
class SplitArchive:
    """What a splits file holds.

    Attributes
    ----------
    splits : tuple of Split
        In the order in which they were saved.
    clustering : Clustering or None
        The clusters behind leave-one-cluster-out splits.
    hold_out_hash : str
        Hash of the `HoldOut` whose development ids were split; empty when nothing was held out.
    """

    splits: tuple[Split, ...]
    clustering: Clustering | None = None
    hold_out_hash: str = ""


def save_splits(
    path: Path,
    splits: Sequence[Split],
    clustering: Clustering | None = None,
    hold_out_hash: str = "",
) -> None:
    """Write splits, the clusters behind them and the hash of the hold-out they leave aside."""
    content = {
        "hold_out_hash": hold_out_hash,
        "clustering": None if clustering is None else clustering_to_plain(clustering),
        "splits": [
            {
                "name": split.name,
                "train": list(split.train),
                "validation": list(split.validation),
                "method": dict(split.method),
                "hash": split.hash,
            }
            for split in splits
        ],
    }
    _write(path, "sie-splits", content)


def load_splits(path: Path) -> SplitArchive:
    """Read what `save_splits` wrote.

    Raises
    ------
    InputError
        When the file is missing, damaged, of a newer version, or a hash inside does not fit.
    """
    content = _read(path, "sie-splits")
    try:
        splits = tuple(_split(item) for item in content["splits"])
        plain = content["clustering"]
        clustering = None if plain is None else clustering_from_plain(plain)
        return SplitArchive(splits, clustering, str(content["hold_out_hash"]))
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise _damaged(path, error) from error


def save_hold_out(path: Path, hold_out: HoldOut) -> None:
    """Write the development and test ids."""
    content = {
        "development": list(hold_out.development),
        "test": list(hold_out.test),
        "method": dict(hold_out.method),
        "hash": hold_out.hash,
    }
    _write(path, "sie-hold-out", content)


def load_hold_out(path: Path) -> HoldOut:
    """Read what `save_hold_out` wrote.

    Raises
    ------
    InputError
        When the file is missing, damaged, of a newer version, or a hash inside does not fit.
    """
    content = _read(path, "sie-hold-out")
    try:
        hold_out = HoldOut(
            _ids(content["development"]), _ids(content["test"]), dict(content["method"])
        )
        _require_hash(hold_out.hash, content["hash"])
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise _damaged(path, error) from error
    return hold_out


def clustering_to_plain(clustering: Clustering) -> dict[str, Any]:
    """Return a clustering as plain values with its hash."""
    embedding = clustering.embedding
    return {
        "ids": list(clustering.ids),
        "labels": [int(label) for label in clustering.labels],
        "embedding": None if embedding is None else embedding.tolist(),
        "method": dict(clustering.method),
        "hash": clustering.hash,
    }


def clustering_from_plain(plain: Mapping[str, Any]) -> Clustering:
    """Return the clustering that `clustering_to_plain` wrote.

    Raises
    ------
    InputError
        When parts are missing or do not fit together, or the hash does not fit.
    """
    try:
        ids, labels = _ids(plain["ids"]), np.array(plain["labels"], dtype=np.int64)
        embedding = plain["embedding"]
        if embedding is not None:
            embedding = np.array(embedding, dtype=np.float64)
        fits = labels.shape == (len(ids),) and (embedding is None or embedding.shape[0] == len(ids))
        if not fits or (labels < 0).any():
            raise InputError("ids, labels and embedding do not fit together")
        clustering = Clustering(ids, labels, embedding, dict(plain["method"]))
        _require_hash(clustering.hash, plain["hash"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"not a clustering: {error!r}") from error
    return clustering


def _split(plain: Mapping[str, Any]) -> Split:
    split = Split(
        str(plain["name"]), _ids(plain["train"]), _ids(plain["validation"]), dict(plain["method"])
    )
    _require_hash(split.hash, plain["hash"])
    return split


def _ids(plain: Any) -> tuple[str, ...]:
    if not isinstance(plain, list) or not all(isinstance(item, str) for item in plain):
        raise TypeError("ids must be a list of strings")
    return tuple(plain)


def _require_hash(computed: str, written: Any) -> None:
    if computed != written:
        raise InputError(f"its hash is {computed}, not {written} as written")


def _write(path: Path, kind: str, content: dict[str, Any]) -> None:
    seal = content_hash(kind, content)
    document = {"format": kind, "version": VERSION, "file_hash": seal, **content}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _read(path: Path, kind: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; make it with the splits step"
        ) from error
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(document, dict) or document.pop("format", None) != kind:
        raise InputError(f"{path} is not a {kind} file; give the file that the splits step wrote")
    found = document.pop("version", None)
    if found != VERSION:
        raise InputError(
            f"{path} has format version {found}, this sie reads version {VERSION}; "
            "make the file anew or update sie"
        )
    written = document.pop("file_hash", None)
    if content_hash(kind, document) != written:
        raise _damaged(path, ValueError("the hash inside does not fit the content"))
    return document


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is damaged or was edited: {error}; make it anew with the splits step"
    )
