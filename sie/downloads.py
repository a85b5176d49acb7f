"""Fetching published files once, checked by their SHA-256.

Only the transfer lives here; addresses and checksums stand where the files are used.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, BinaryIO

from sie.errors import DownloadError

TIMEOUT_S = 30
MAX_BYTES = 2**30
"""Of one file: a server that never ends must not fill the disk before the SHA-256 is looked at."""


class _TooLong(Exception):
    """More has come than a published file has."""


class _Bounded:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._left = file, limit
        self.flush = file.flush

    def write(self, chunk: bytes) -> int:
        self._left -= len(chunk)
        if self._left < 0:
            raise _TooLong
        return self._file.write(chunk)


def fetch(url: str, sha256: str, path: Path, way_out: str) -> Path:
    """Fetch a file, unless the right one is there already.

    Parameters
    ----------
    url : str
        Of the file.
    sha256 : str
        Of its content; another content is never kept.
    path : Path
        Where it is kept.
    way_out : str
        What the error tells the user to do, besides trying again later.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    DownloadError
        When it cannot be fetched, or is not the published one.
    ValueError
        When the checksum is none.
    """
    import pooch
    import requests

    if not re.fullmatch(r"[0-9a-f]{64}", sha256):  # pooch takes anything where there is none
        raise ValueError(f"no SHA-256 of {url} but {sha256!r}")
    pooch.get_logger().setLevel(logging.WARNING)
    transfer = pooch.HTTPDownloader(timeout=TIMEOUT_S)

    def bounded(url: str, output_file: str, caller: Any) -> None:
        with Path(output_file).open("wb") as file:
            transfer(url, _Bounded(file, MAX_BYTES), caller)

    try:
        pooch.retrieve(url, sha256, fname=path.name, path=path.parent, downloader=bounded)
    except _TooLong as error:
        reason = f"more than {MAX_BYTES} bytes came, which is not the published file"
        raise _error(url, reason, way_out) from error
    except requests.HTTPError as error:
        raise _error(url, str(error).split(" for url")[0], way_out) from error
    except requests.RequestException as error:
        raise _error(url, f"no answer ({type(error).__name__})", way_out) from error
    except ValueError as error:  # pooch's way of saying that the SHA-256 differs
        reason = "what came is not the published file (SHA-256 differs)"
        raise _error(url, reason, way_out) from error
    except OSError as error:
        reason = f"cannot write to {path.parent} ({error.strerror})"
        raise _error(url, reason, way_out) from error
    return path


def _error(url: str, reason: str, way_out: str) -> DownloadError:
    name = url.rsplit("/", 1)[-1]
    return DownloadError(
        f"cannot download {name} from {url}: {reason}; try again later, or {way_out}"
    )
