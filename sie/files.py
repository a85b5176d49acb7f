"""Writing files so that a reader never meets half of one.

The only place that knows about temporary names; formats belong to the modules that own them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sie.errors import SieError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success rename it to `path`, else remove it.

    Raises
    ------
    SieError
        When the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
        os.close(descriptor)
    except OSError as error:
        raise SieError(
            f"cannot write {path}: {error.strerror}; free space or choose another folder"
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp's files are their owner's alone; what is kept has the usual rights
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise SieError(
            f"cannot write {path}: {error.strerror}; free space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path` in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cache_dir() -> Path:
    """Return the folder for downloads and features: SIE_CACHE_DIR, or ~/.cache/sie."""
    given = os.environ.get("SIE_CACHE_DIR")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "sie"
