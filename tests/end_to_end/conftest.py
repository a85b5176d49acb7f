"""Running the scripts as a user would: another process, an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "experiments"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Terminal:
    folder: Path

    def run(self, script: str, *options: object, timeout: float = 600, **env: str) -> Ran:
        command = [sys.executable, str(SCRIPTS / script), *map(str, options)]
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "100", **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory) -> Terminal:
    return Terminal(tmp_path_factory.mktemp("user"))
