"""Reading files that a user names: regular ones only, and no more of them than is allowed.

What stands in them is judged by the modules that own the formats.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MANY_BYTES = 100_000_000
"""Most of a table: a million rows have some 50 MB."""


class TooLarge(Exception):
    """A file holds more than is read of its kind; `most` is that in bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        size = f"{most // 1_000_000} MB" if most >= 1_000_000 else f"{most // 1000} kB"
        super().__init__(f"larger than {size}")


def regular_size(path: Path) -> int:
    """Return the size of a regular file in bytes.

    A pipe or a device, which may lie in a folder from a stranger as a link, is never opened:
    reading it would wait for ever.

    Raises
    ------
    OSError
        When there is none, or it is something else.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a name with a zero byte
        raise OSError(errno.EINVAL, "no possible name of a file") from error
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return found.st_size


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most so many bytes.

    Raises
    ------
    OSError
        When it cannot be read or is no regular file.
    TooLarge
        When it holds more; no more than that is read.
    """
    if regular_size(path) > most:
        raise TooLarge(most)
    with path.open("rb") as handle:
        data = handle.read(most + 1)
    if len(data) > most:  # the kernel's own files say 0
        raise TooLarge(most)
    return data


def lines_of(data: bytes, encoding: str = "utf-8", errors: str = "strict") -> str:
    r"""Decode text and write the ends of its lines as "\n", as `open` does.

    Raises
    ------
    UnicodeDecodeError
        When the bytes are no such text and `errors` is strict.
    """
    return data.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")
