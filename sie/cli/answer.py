"""What a script hands to other programs: one JSON document on standard output.

What stands in it is said by each command; here it becomes text, and nothing else gets between.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import IO, Any

FORMAT = 1
"""Raised when a key changes its name or its meaning."""


@dataclass(frozen=True)
class Answer:
    """How a command ended.

    Attributes
    ----------
    result : Mapping
        Run ids, winners, paths, tables, by name.
    exit_code : int
        Of the process.
    error : str
        One line where it could not be done, else empty.
    """

    result: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    error: str = ""

    def as_json(self, script: str, options: Mapping[str, Any]) -> str:
        """Return the document: script, options, exit code, result, error."""
        document = {
            "format": FORMAT,
            "script": script,
            "exit_code": self.exit_code,
            "error": self.error or None,
            "options": options,
            "result": self.result,
        }
        return json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: paths as text, NaN and infinity as null, tables as rows."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if hasattr(value, "to_dict"):  # a table of pandas, which is not imported here
        return plain(value.to_dict("records"))
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # a number or an array of NumPy
        return plain(value.tolist())
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


@contextlib.contextmanager
def stdout_for_answer() -> Iterator[IO[str]]:
    """Yield standard output for the answer; whatever else is written there goes to stderr.

    Libraries print, and processes they start inherit: so it is done for the whole process.
    """
    try:
        number = sys.stdout.fileno()
    except (io.UnsupportedOperation, ValueError, OSError):
        number = -1  # replaced by an object, as tests do
    if number < 0:
        answer_to = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield answer_to
        return
    sys.stdout.flush()
    kept = os.dup(number)
    os.dup2(sys.stderr.fileno(), number)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as answer_to:
            yield answer_to
    finally:
        sys.stdout.flush()
        os.dup2(kept, number)
        os.close(kept)
