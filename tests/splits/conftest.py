"""Real compositions for the tests of splits, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sie.datasets.record import Database


@pytest.fixture(scope="session")
def obelix(shared_data: Path) -> Database:
    from sie.datasets.obelix import load

    return load(shared_data, require_lithium=False)
