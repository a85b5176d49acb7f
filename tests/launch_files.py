"""The launch files, read for tests; and the tools that validate them, where they are installed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKER = REPOSITORY / "docker"


def tool(name: str) -> str:
    """Return the program, of this environment or on the path; skip the test without it."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (pip install -e .[dev])")
    return found


def documents(name: str) -> list[dict[str, Any]]:
    """Return all documents of a YAML file below docker/."""
    return list(yaml.safe_load_all((DOCKER / name).read_text()))


def kinds(name: str) -> dict[str, dict[str, Any]]:
    """Return the Kubernetes resources of a file, by kind/name."""
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in documents(name)}


@cache
def options(*command: str) -> frozenset[str]:
    """Return the long options that a program's own --help lists."""
    program = Path(sys.executable).parent / command[0]
    start = [str(program)] if program.exists() else [sys.executable, str(REPOSITORY / command[0])]
    shown = subprocess.run(
        [*start, *command[1:], "--help"], capture_output=True, text=True, check=True
    )
    return frozenset(re.findall(r"--[a-z][a-z-]+", shown.stdout))


def given(words: list[str] | str) -> set[str]:
    """Return the long options in a command line."""
    parts = shlex.split(words, comments=True) if isinstance(words, str) else words
    return {part.split("=")[0] for part in parts if part.startswith("--") and len(part) > 2}


def locked() -> dict[str, str]:
    """Return the version of every package in the lock file."""
    text = (REPOSITORY / "requirements" / "lock.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
