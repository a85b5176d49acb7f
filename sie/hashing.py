"""Content hashes: SHA-256 over canonical bytes, shown as 12 hex digits.

Only the hashing of plain values lives here; what enters a hash is decided where the object lives.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = 12


def content_hash(*parts: Any) -> str:
    """Hash plain values, arrays and nested containers of them, independent of dict order.

    Parameters
    ----------
    *parts : str, int, float, bool, None, bytes, numpy.ndarray, mapping or iterable
        Floats enter by their shortest exact representation, arrays by dtype, shape and bytes.

    Returns
    -------
    str
        The first 12 hex digits of the SHA-256.
    """
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:DIGITS]


def file_sha256(path: Path) -> str:
    """Return the full SHA-256 of a file, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _feed(digest: Any, part: Any) -> None:
    if isinstance(part, np.ndarray):
        array = np.ascontiguousarray(part)
        digest.update(f"array:{array.dtype.str}:{array.shape}:".encode())
        digest.update(array.tobytes())
    elif isinstance(part, bytes):
        digest.update(b"bytes:%d:" % len(part) + part)
    elif isinstance(part, Mapping):
        digest.update(b"{%d" % len(part))
        for key in sorted(part, key=str):
            _feed(digest, str(key))
            _feed(digest, part[key])
    elif isinstance(part, Iterable) and not isinstance(part, str):
        items = list(part)
        digest.update(b"[%d" % len(items))
        for item in items:
            _feed(digest, item)
    else:
        value = part.item() if isinstance(part, np.generic) else part
        text = json.dumps(value, ensure_ascii=False)
        digest.update(f"{type(value).__name__}:{len(text)}:{text}".encode())
