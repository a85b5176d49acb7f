"""Shared fixtures: where the development data lies, and a private cache for every session."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# how long an example takes is the machine's doing
settings.register_profile("sie", deadline=None)
settings.load_profile("sie")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # the longest file of the alphabet's end: begun last, it would keep one process busy alone
    items.sort(key=lambda item: item.path.name != "test_study.py")
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason="development data is not beside the repository")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    os.environ["SIE_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def logging_levels() -> Iterator[None]:
    """A command sets levels for its process; the next test must not depend on it."""
    loggers = [logging.getLogger(), logging.getLogger("sie")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
