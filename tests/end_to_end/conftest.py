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

    def start(self, script: str | Path, *options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(SCRIPTS / script), *map(str, options)],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str | Path, *options: object, timeout: float = 600) -> Ran:
        running = self.start(script, *options)
        out, err = running.communicate(timeout=timeout)
        return Ran(running.returncode, out, err)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory) -> Terminal:
    return Terminal(tmp_path_factory.mktemp("user"))
