"""Ordered crystals kept on disk, a JSON file each, found again by crystal and limits.

Failures are kept too, so that a monster is tried once; who computes them lives elsewhere.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.datasets.record import structure_hash
from sie.errors import SieError
from sie.files import write_text
from sie.hashing import content_hash
from sie.structures.ordering import OrderedResult, OrderingLimits, Outcome

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

FORMAT = 1
ORDERING_CODE = "ewald-ordering-1"
"""Part of every key; to be raised when a change of code changes the ordered crystals."""


def ordering_key(structure: Structure, limits: OrderingLimits) -> str:
    """Return the hash of everything the ordering of a crystal depends on.

    The speed of the machine is not in it: a crystal that timed out here might have been ordered
    within the same limits elsewhere.
    """
    return content_hash(ORDERING_CODE, structure_hash(structure), dataclasses.asdict(limits))


def save_result(folder: Path, key: str, result: OrderedResult) -> None:
    """Keep a result; one that cannot be written is only logged.

    A process that was killed from outside (by a full machine) says nothing about its crystal.
    """
    if result.outcome is Outcome.CRASHED and result.detail == signal.SIGKILL.name:
        return
    structure, error = result.structure, result.composition_error
    record = {
        "format": FORMAT,
        "key": key,
        "outcome": str(result.outcome),
        "seconds": round(result.seconds, 3),
        "supercell": result.supercell,
        "composition_error": None if math.isnan(error) else error,
        "detail": result.detail,
        "structure": None if structure is None else structure.as_dict(),
        "structure_hash": None if structure is None else structure_hash(structure),
    }
    try:
        write_text(_path(folder, key), json.dumps(record))
    except SieError as failure:
        logger.warning("an ordered structure is not kept: %s", failure)


def load_result(folder: Path, key: str) -> OrderedResult | None:
    """Read a result; None when there is none, or when it is damaged (which is logged)."""
    path = _path(folder, key)
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["key"] != key:
            raise ValueError("written for something else")
        return _result(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s is damaged (%s); the structure is ordered again", path, error)
        return None


def _result(record: dict[str, Any]) -> OrderedResult:
    from pymatgen.core import Structure

    structure = None
    if record["structure"] is not None:
        structure = Structure.from_dict(record["structure"])
        if structure_hash(structure) != record["structure_hash"]:
            raise ValueError("content does not match its checksum")
    a, b, c = record["supercell"]
    error = record["composition_error"]
    return OrderedResult(
        Outcome(record["outcome"]),
        structure,
        float(record["seconds"]),
        (int(a), int(b), int(c)),
        math.nan if error is None else float(error),
        str(record["detail"]),
    )


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"
