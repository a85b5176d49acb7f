"""A driver that trains short trials on features of 40 MB with two workers; run as a script.

Usage: large_job.py ADDRESS. Prints the bytes of the features.
"""

from __future__ import annotations

import sys

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.search.plan import PRESETS
from sie.search.record import Phase, TrialTask
from sie.search.selection import SelectionRule
from sie.search.session import start_ray, stop_ray
from sie.search.tuning import run_tasks
from sie.search.worker import TrainingJob
from sie.splits.record import Split
from sie.training.record import TrialStatus

WORKERS, EPOCHS, STRUCTURES, WIDTH = 2, 4, 50_000, 200
CONFIG = TrialConfig(n_layers=1, n_neurons=4, readout_width=8, batch_size=16)


def job() -> TrainingJob:
    """Return a job that trains on 40 structures of the 50,000 that it carries."""
    rows = np.random.default_rng(0).normal(size=(STRUCTURES, WIDTH)).astype(np.float32)
    ids = tuple(f"s{i}" for i in range(STRUCTURES))
    ones, offsets = np.ones(STRUCTURES, np.float32), np.arange(STRUCTURES + 1)
    features = OrbitFeatures(ids, rows, ones, offsets)
    labels = {entry: i % 2 for i, entry in enumerate(ids[:40])}
    budget = PRESETS["quick"].with_options({"max_epochs": EPOCHS, "grace_epochs": EPOCHS})
    split = Split("loco-0", ids[:30], ids[30:40], {"cluster": 0})
    return TrainingJob(features, labels, split, budget, SelectionRule().within(EPOCHS))


def main(address: str) -> None:
    """Train, and fail if a trial did."""
    assert start_ray(address) == WORKERS
    tasks = [TrialTask(f"repeat-{i}", Phase.REPEAT, i, CONFIG, i) for i in range(3 * WORKERS)]
    large = job()
    ended = run_tasks(tasks, large, WORKERS, [])
    assert [trial.result.status for trial in ended.trials] == [TrialStatus.COMPLETED] * len(tasks)
    sys.stdout.write(f"{large.features.rows.nbytes}\n")
    stop_ray()


if __name__ == "__main__":
    main(sys.argv[1])
