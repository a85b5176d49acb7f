"""Memory and time per trial of one worker that trains many short trials, one after another.

    python benchmarks/many_trials.py [--trials N] [--epochs N] [--json FILE]

The worker is a search's own (`TrialWorker`), reset and stepped as Ray does with reused actors,
over the article's space: first every shape and batch size once, then random draws. Rows and
labels are random, in the size of OBELiX. What is fitted is growth after everything was seen once:
MB per trial, and milliseconds per trial and trial.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from epochs import VALIDATION_SHARE, synthetic_features
from scipy.stats import linregress

from sie.files import write_text
from sie.models.config import TrialConfig
from sie.search.plan import Budget
from sie.search.record import Phase, TrialTask
from sie.search.selection import SelectionRule
from sie.search.space import SearchSpace, read_space
from sie.search.worker import TrainingJob, TrialWorker
from sie.splits.record import Split

SPACE = Path(__file__).resolve().parent.parent / "search_spaces" / "paper.yaml"
ROUND_KEYS = ("n_layers", "n_neurons", "batch_size")
"""What a program may be compiled for: every combination comes up in the first round."""

SHOWN_EVERY = 50


@dataclass(frozen=True)
class TrialCost:
    """What one trial took: the shape, its wall time, and the memory after it."""

    number: int
    shape: tuple[int, ...]
    seconds: float
    seconds_setup: float
    resident_mb: float


@dataclass(frozen=True)
class Growth:
    """Slopes after the first round, each with its standard error."""

    from_trial: int
    mb_per_trial: float
    mb_error: float
    ms_per_trial: float
    ms_error: float


def resident_mb() -> float:
    """Return the memory that this process holds at present (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def make_job(max_epochs: int) -> TrainingJob:
    """Return random data in the size of OBELiX as a search's job."""
    features = synthetic_features()
    labels = np.random.default_rng(1).integers(0, 2, size=len(features))
    n_train = round(len(features) * (1 - VALIDATION_SHARE))
    split = Split("benchmark", features.ids[:n_train], features.ids[n_train:])
    by_id = {entry: int(label) for entry, label in zip(features.ids, labels, strict=True)}
    budget = Budget(max_epochs=max_epochs)
    return TrainingJob(features, by_id, split, budget, SelectionRule().within(max_epochs))


def tasks(space: SearchSpace, n: int, seed: int) -> Iterator[TrialTask]:
    """Yield trials: one of every shape and batch size in random order, then free draws."""
    rng = np.random.default_rng(seed)
    choices = {p.name: p.values for p in space.parameters}
    combinations = list(itertools.product(*(choices[key] for key in ROUND_KEYS)))
    rng.shuffle(combinations)
    for number in range(n):
        config = space.sample(rng)
        if number < len(combinations):
            values = zip(ROUND_KEYS, map(int, combinations[number]), strict=True)
            config = TrialConfig.from_mapping({**config.as_dict(), **dict(values)})
        yield TrialTask(f"trial-{number:04d}", Phase.SEARCH, number, config, seed=number)


def start_worker(job: TrainingJob, first: TrialTask) -> TrialWorker:
    """Return a worker of a search in this process, without Ray's object store."""

    class LocalWorker(TrialWorker):
        def setup(self, config: dict[str, Any], job: TrainingJob | None = job) -> None:
            super().setup(config, job)

    return LocalWorker({"task": first})


def run_trial(worker: TrialWorker, task: TrialTask) -> float:
    """Train one trial to its end and return the seconds of its setup."""
    worker.reset({"task": task})
    setup = 0.0
    while True:
        report = worker.train()
        setup += report["seconds_setup"]
        if report["status"] == "failed":
            raise SystemExit(f"{task.key} failed: {report['reason']}")
        if report["done"]:
            return setup


def measure(n: int, max_epochs: int, seed: int = 0) -> list[TrialCost]:
    """Run the trials, print a line every `SHOWN_EVERY`, and return what each took."""
    space, job = read_space(SPACE), make_job(max_epochs)
    worker: TrialWorker | None = None
    costs: list[TrialCost] = []
    print(f"{'trial':>6}{'s a trial':>12}{'resident MB':>14}{'MB since before':>18}")
    shown = resident_mb()
    for task in tasks(space, n, seed):
        began = time.perf_counter()
        worker = worker or start_worker(job, task)
        setup = run_trial(worker, task)
        taken, resident = time.perf_counter() - began, resident_mb()
        shape = tuple(int(getattr(task.config, key)) for key in ROUND_KEYS)
        costs.append(TrialCost(task.number, shape, taken, setup, resident))
        if len(costs) % SHOWN_EVERY == 0 or len(costs) == n:
            lately = np.median([cost.seconds for cost in costs[-SHOWN_EVERY:]])
            line = f"{len(costs):>6}{lately:>12.3f}{resident:>14.0f}{resident - shown:>18.1f}"
            print(line, flush=True)
            shown = resident
    return costs


def fit_growth(costs: list[TrialCost], skipped: int) -> Growth | None:
    """Fit straight lines through what comes after the first `skipped` trials.

    Times are taken relative to the median of their own shape, so that the draw of shapes does not
    look like a drift.
    """
    rest = costs[skipped:]
    if len(rest) < 10:
        return None
    numbers = [cost.number for cost in rest]
    memory = linregress(numbers, [cost.resident_mb for cost in rest])
    by_shape: dict[tuple[int, ...], list[float]] = {}
    for cost in rest:
        by_shape.setdefault(cost.shape, []).append(cost.seconds)
    typical = {shape: float(np.median(times)) for shape, times in by_shape.items()}
    drift = linregress(numbers, [1e3 * (cost.seconds - typical[cost.shape]) for cost in rest])
    return Growth(skipped, memory.slope, memory.stderr, drift.slope, drift.stderr)


def main() -> None:
    """Print the table and the two slopes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1000, help="trials (default 1000)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each (default 2)")
    parser.add_argument("--json", type=Path, help="write every trial and the fit to this file")
    options = parser.parse_args()
    costs = measure(options.trials, options.epochs)
    growth = fit_growth(costs, skipped=len({cost.shape for cost in costs}))
    if growth is not None:
        print(
            f"after trial {growth.from_trial}: {growth.mb_per_trial:+.3f} ± "
            f"{growth.mb_error:.3f} MB a trial, {growth.ms_per_trial:+.3f} ± "
            f"{growth.ms_error:.3f} ms a trial and trial"
        )
    if options.json:
        content = {
            "format": 1,
            "max_epochs": options.epochs,
            "growth": asdict(growth) if growth else None,
            "trials": [asdict(cost) for cost in costs],
        }
        write_text(options.json, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
