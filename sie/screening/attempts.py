"""Trying what may fail for one crystal of a million, and saying why it did in a few words.

pymatgen and spglib raise a dozen kinds of exceptions, some of no common root.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sie.datasets.cif import UnusableCif
from sie.errors import SieError

Value = TypeVar("Value")

MOST_CHARACTERS = 160


class Failed(Exception):
    """What was tried could not be done; `reason` says why in a few words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def attempt(compute: Callable[[], Value]) -> Value:
    """Return what a function without arguments gives.

    Raises
    ------
    Failed
        Whatever it raises, but for an interruption.
    """
    try:
        return compute()
    except Exception as error:
        raise Failed(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnusableCif):
        return error.reason
    text = " ".join(str(error).split())
    if isinstance(error, SieError):
        # what names a structure of a batch
        return text.removeprefix("structure :").strip()[:MOST_CHARACTERS]
    return f"{type(error).__name__}: {text}".rstrip(": ")[:MOST_CHARACTERS]
