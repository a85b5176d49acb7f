"""The files and registry lines of docs/extending.md, as a reader would make them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
REGISTRIES = (
    "sie/models/registry.py",
    "sie/structures/representations.py",
    "sie/search/choices.py",
    "sie/datasets/registry.py",
)
"""Files that get a line more."""


def blocks() -> dict[str, str]:
    """Return the page's titled blocks by title."""
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return {title: text for _, title, text in found if title}


def commands() -> list[list[str]]:
    """Return the page's commands, split into words, without the interpreter."""
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    lines = [text.strip() for kind, _, text in found if kind == "console"]
    assert all(line.startswith("python ") for line in lines)
    return [line.split()[1:] for line in lines]


def clone(folder: Path) -> Path:
    """Copy what a search runs into a folder, follow the page there, and return the folder."""
    for part in ("sie", "experiments", "search_spaces"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignore)
    for name, text in blocks().items():
        path = folder / name
        if name in REGISTRIES:
            assert text.count("\n") == 1, f"{name}: one registry line"
            path.write_text(with_line(path.read_text(), text), encoding="utf-8")
        else:
            assert not path.exists(), f"{name} is a new file"
            path.write_text(text, encoding="utf-8")
    return folder


def with_line(source: str, line: str) -> str:
    """Return a registry's source with a line more behind the first."""
    first = re.search(r'^    "?\w+"?(?: =|:) .*"sie\.[\w.]+:\w+".*\n', source, re.MULTILINE)
    assert first
    return source[: first.end()] + line + source[first.end() :]
