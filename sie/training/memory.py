"""Memory that a long-lived worker gives back between trials.

Only the C library's own store of freed memory; what Python and TensorFlow hold is theirs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def return_freed_memory() -> None:
    """Return freed memory to the system; does nothing where the C library is not glibc.

    Batches of ever other numbers of rows leave freed pieces of ever other sizes, which glibc
    keeps: some 0.3 MB a trial, more than everything else that grows.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
        return trim
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return None
