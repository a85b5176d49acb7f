"""A journal on the local disk: what has happened, before anybody else is told.

One JSON value a line, forced to disk before `append` returns, so that a process may be killed at
any moment; what the lines mean is the business of whoever writes them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class Journal:
    """Lines that outlive the process, in the first folder that takes them.

    Parameters
    ----------
    name : str
        Of the file.
    folders : sequence of Path
        Where it may lie: the second and later ones are for when the disk of the first is full.
        Lines may be spread over them.
    """

    def __init__(self, name: str, folders: Sequence[Path]) -> None:
        self._paths = [folder / name for folder in folders]
        self._warned: set[str] = set()

    def append(self, value: Mapping[str, Any]) -> bool:
        """Write a value and wait until the disk has it; False where no folder takes it."""
        line, failure = json.dumps(value).encode() + b"\n", OSError()
        for path in self._paths:
            try:
                _append(path, line)
            except OSError as error:
                failure = error
            else:
                if path != self._paths[0]:
                    self._warn(f"{path} is written instead", failure)
                return True
        self._warn("nor anywhere else: what ends is in memory alone until it is recorded", failure)
        return False

    def values(self) -> list[dict[str, Any]]:
        """Return what is written, in order; a last line that was cut off is left out."""
        found = []
        for path in self._paths:
            try:
                lines = path.read_bytes().splitlines()
            except OSError:
                continue
            for line in lines:
                try:
                    value = json.loads(line)
                except ValueError:
                    continue  # the process was killed while it wrote it
                if isinstance(value, dict):
                    found.append(value)
        return found

    def remove(self) -> None:
        """Forget everything."""
        for path in self._paths:
            with suppress(OSError):
                path.unlink()

    @property
    def path(self) -> Path:
        """Where it lies, or would."""
        return next((path for path in self._paths if path.exists()), self._paths[0])

    def _warn(self, instead: str, error: OSError) -> None:
        if instead not in self._warned:
            log.warning("cannot write %s (%s); %s", self._paths[0], error.strerror, instead)
        self._warned.add(instead)


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(handle).st_size
        # after a line that was cut off a new one begins
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            if os.write(handle, line) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)  # no half of a line stays
            raise
    finally:
        os.close(handle)
