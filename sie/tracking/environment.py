"""What a number was made with: code, packages, machine.

Collected once per search and written into the tags of its parent run.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import sie
from sie.hashing import DIGITS

PACKAGES = (
    "tensorflow-cpu",
    "tensorflow",
    "tensorflow-addons",
    "ray",
    "hyperopt",
    "mlflow",
    "pymatgen",
    "umap-learn",
    "numpy",
    "scikit-learn",
)
ROOMS_OF_NUMBERS = ("datasets", "structures", "features", "splits", "models", "training", "search")
"""Folders whose sources determine results."""


def code_hash(rooms: Sequence[str] = ROOMS_OF_NUMBERS) -> str:
    """Hash the sources that make the numbers: the same hash, the same arithmetic."""
    root = Path(sie.__file__).parent
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS]


def code_version() -> str:
    """Return the version, with the commit and `.dirty` where the sources are a git checkout."""
    root = Path(sie.__file__).parents[1]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        if not (root / ".git").exists():
            return sie.__version__
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return sie.__version__
    return f"{sie.__version__}+{answer.stdout.strip()}"


def environment_tags() -> dict[str, str]:
    """Return code, Python, platform and package versions as tags."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "code_version": code_version(),
        "code_hash": code_hash(),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
