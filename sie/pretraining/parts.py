"""Who trains, who ends the training, who is only scored: by composition, the same every time.

Crystals of one reduced composition stay together, for polymorphs mostly share their class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sie.errors import InputError

TEST_SHARE = 0.10
VALIDATION_SHARE = 0.05


@dataclass(frozen=True)
class Parts:
    """Ids of the three parts."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def divide(ids: Sequence[str], formulas: Sequence[str], seed: int) -> Parts:
    """Divide crystals by a hash of their composition.

    More crystals leave those that are there in their parts, so that nothing which a network was
    trained on is ever scored by one trained further.

    Parameters
    ----------
    ids, formulas : sequence of str
        Shape (n,): equal formulas go to the same part.
    seed : int
        Other seeds give other divisions.

    Raises
    ------
    InputError
        When a part is left empty.
    """
    drawn: tuple[list[str], list[str], list[str]] = ([], [], [])
    for entry, formula in zip(ids, formulas, strict=True):
        digest = hashlib.sha256(f"{seed}/{formula}".encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        place = 2 if share < TEST_SHARE else 1 if share < TEST_SHARE + VALIDATION_SHARE else 0
        drawn[place].append(entry)
    parts = Parts(*map(tuple, drawn))
    if not all((parts.train, parts.validation, parts.test)):
        raise InputError(
            f"{len(ids)} crystals are too few to divide ({len(parts.train)} train, "
            f"{len(parts.validation)} validate, {len(parts.test)} test); use more (--limit)"
        )
    return parts
