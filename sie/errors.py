"""The project's exceptions: one root, a leaf per kind of ending.

Every message says what is wrong, where, and what to do; nothing else is shown to the user.
"""

from __future__ import annotations


class SieError(Exception):
    """Root of every error that sie raises on purpose; `exit_code` is what a script ends with."""

    exit_code = 1


class InputError(SieError):
    """The user's input cannot be used: file, option, label, YAML key, cluster number."""

    exit_code = 2


class DownloadError(SieError):
    """A file could not be fetched, or is not the file that was asked for."""


class TrackingError(SieError):
    """The MLflow store cannot be reached or written.

    Attributes
    ----------
    refused : bool
        Whether the store answered and will say no again: of a run that was deleted by hand, say.
    """

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class SearchAborted(SieError):
    """A search was ended early because its trials fail."""
