"""A small search as a user starts it, and what must be true of its record in MLflow."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sie.tracking.queries import StoredRun, children, read_result, search
from sie.tracking.store import Store
from sie.training.record import METRICS

SCRIPT = Path(__file__).resolve().parents[1] / "experiments" / "loco_search.py"
LOCO_SEARCH = (sys.executable, str(SCRIPT), "--cluster", "0", "--search-space", "quick")
TRIALS, TOP, REPEATS = 4, 1, 2
TINY = (
    "--trials", TRIALS, "--top", TOP, "--repeats", REPEATS, "--max-epochs", 12,
    "--grace-epochs", 4, "--mode", "repeatable",
)  # fmt: skip
"""Options of a search that takes half a minute and gives the same numbers wherever it runs."""

EXPERIMENT = "loco/starter/CAMNS-V1"


def parent_of(store: Store, name: str) -> StoredRun:
    """Return the one parent run of a search."""
    query = f"tags.phase = 'cluster-search' and tags.search_name = '{name}'"
    (parent,) = search(store, [store.experiment(EXPERIMENT)], query)
    return parent


def runs_of(store: Store, name: str) -> list[StoredRun]:
    """Return the runs of the trials and repeats of a search, by key."""
    return children(store, store.experiment(EXPERIMENT), parent_of(store, name).run_id)


def assert_whole(store: Store, name: str) -> None:
    """Make sure that every planned trial and repeat of `TINY` ended once, with its curves."""
    assert parent_of(store, name).status == "FINISHED"
    runs = runs_of(store, name)
    keys = [run.key for run in runs]
    assert len(keys) == len(set(keys)), f"doubled: {keys}"
    searched = [run.key for run in runs if run.tags["phase"] == "search"]
    assert searched == [f"trial-{number:04d}" for number in range(TRIALS)]
    assert len(keys) == TRIALS + TOP * REPEATS
    for run in runs:
        assert run.ended is not None and run.ended.counts, (run.key, run.tags)
        result = read_result(store, run)
        assert set(result.curves) == set(METRICS)
        assert all(len(curve) == result.n_epochs for curve in result.curves.values())


def assert_equal(store: Store, one: Sequence[StoredRun], two: Sequence[StoredRun]) -> None:
    """Make sure that two searches drew the same trials and trained them bit for bit alike."""
    for first, second in zip(one, two, strict=True):
        assert (first.key, first.config, first.seed) == (second.key, second.config, second.seed)
        assert first.ended is second.ended
        curves, others = (read_result(store, run).curves for run in (first, second))
        for metric in METRICS:
            np.testing.assert_array_equal(curves[metric], others[metric], err_msg=first.key)
