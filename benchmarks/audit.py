"""Looks up known advisories of the locked packages with pip-audit, for information.

    python benchmarks/audit.py           # `make audit`; needs pypi.org or osv.dev

Says how many packages could be looked up: without the network, or behind a mirror that passes no
advisories on, pip-audit alone would call the lock file clean.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements" / "lock.txt"
SECONDS = 600


def summary(document: dict) -> list[str]:
    """Return what pip-audit found, one line an advisory, and how much it could look up."""
    packages = document.get("dependencies", [])
    known = [package for package in packages if "vulns" in package]
    lines = [
        f"{package['name']} {package['version']}: {item['id']} "
        f"({', '.join(item.get('aliases', [])) or 'no alias'}), "
        f"mended in {', '.join(item.get('fix_versions', [])) or 'no version'}"
        for package in known
        for item in package["vulns"]
    ]
    lines.append(f"{len(known)} of {len(packages)} packages looked up, {len(lines)} advisories")
    if len(known) < len(packages):
        lines.append("the others are unknown here, NOT clean: run it where pypi.org answers")
    return lines


def main() -> int:
    """Run pip-audit on the lock file and print what it found."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--no-deps"]
    command += [
        "--disable-pip",
        "--require-hashes",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        document = json.loads(answer.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        print("pip-audit gave no answer: nothing was looked up")
        return 0
    print("\n".join(summary(document)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
