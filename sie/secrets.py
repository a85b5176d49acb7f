"""Keeping passwords, keys and tokens out of what is shown, logged and recorded.

Where they come from is known by the modules that use them; nothing is encrypted here.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MP_API_KEY",
    "PGPASSWORD",
    "MYSQL_PWD",
    "RAY_AUTH_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
)
"""Of the environment: their values are hidden wherever they turn up."""

SHORTEST = 6
"""A secret of fewer characters is hidden in addresses only: as a word it may stand anywhere."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]+")
_PASSWORD = re.compile(r"(://[^:@/?#]*):.*@")
_HTTP_USER = re.compile(r"^(https?://)[^:@/?#]+@", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&][^=&#]*(?:pass|pwd|token|secret|key)[^=&#]*=)[^&#]*", re.IGNORECASE)
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1", re.IGNORECASE)


def hidden(address: str) -> str:
    """Return an address, or any text that is none, without password, token and key.

    A name stays before the password, but for http and https, where a token may stand in its place.
    """
    text = _PASSWORD.sub(rf"\1:{HIDDEN}@", address)
    text = _HTTP_USER.sub(rf"\1{HIDDEN}@", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", text)


def redacted(text: str, *addresses: str) -> str:
    """Return a message without the secrets of these addresses, of any in it, and of `VARIABLES`."""
    known = [secret for address in addresses for secret in _secrets_of(address)]
    known += [os.environ.get(name, "") for name in VARIABLES]
    clean = _ADDRESS.sub(lambda found: hidden(found[0]), text)
    for secret in sorted(set(known), key=len, reverse=True):
        if len(secret) >= SHORTEST:
            clean = clean.replace(secret, HIDDEN)
    return clean


class RedactingFormatter(logging.Formatter):
    """Formats log records without secrets, those in tracebacks neither."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return redacted(super().format(record))


def is_exposed(address: str) -> bool:
    """Return whether an address is plain http to another machine: all on the way can read it."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme.lower() == "http" and not _LOOPBACK.fullmatch(host)


def keep_private(path: Path) -> None:
    """Take from others the right to read a file of a secret, where it is ours and they have it."""
    try:
        found = path.stat()
        if found.st_uid == os.getuid() and found.st_mode & 0o077:
            path.chmod(0o600)
    except OSError:
        return  # there is none, or it lies where no rights can be set


def _secrets_of(address: str) -> list[str]:
    found = re.search(r"://[^:@/?#]*:(.*)@", address)
    http = re.match(r"https?://([^:@/?#]+)@", address, re.IGNORECASE)
    values = [match[1] for match in (found, http) if match]
    values += [
        match.partition("=")[2]
        for match in re.findall(r"[?&][^&#]+", address)
        if _PARAMETER.match(match)
    ]
    return [text for value in values for text in (value, unquote(value))]
