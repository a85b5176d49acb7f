"""What one event costs the driver of a search: a report, a trial, a suggestion, a row in MLflow.

    python benchmarks/driver_costs.py [--workers N] [--json FILE]

Ray Tune's loop, TPE and the thread that writes to MLflow are serial, so these times bound how many
workers one search can keep busy. Trials here are empty: workers answer at once, and many share a
core. benchmarks/scaling.py takes the file with --costs; its defaults are rounded from runs of this
script on a busy machine with two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sie.features.record import OrbitFeatures
from sie.files import write_text
from sie.models.config import TrialConfig
from sie.search.collect import Collector, FailureGuard, Observer
from sie.search.plan import PRESETS, Mode, SearchPlan
from sie.search.record import EndedTrial, Phase, TrialTask
from sie.search.schedule import make_scheduler
from sie.search.selection import SelectionRule
from sie.search.space import SearchSpace, read_space
from sie.search.suggest import PlanSearcher, TaskQueue
from sie.search.worker import TrainingJob, TrialWorker
from sie.splits.record import Split
from sie.training.record import METRICS, TrialResult, TrialStatus

SPACE = Path(__file__).resolve().parent.parent / "search_spaces" / "paper.yaml"
RULE = SelectionRule()
PENDING = "TUNE_MAX_PENDING_TRIALS_PG"


class EmptyWorker(TrialWorker):
    """Reports as a search's worker does, without training: every epoch scores the same."""

    def step(self) -> dict[str, Any]:
        """Wait as long as the job says, then report one chunk."""
        time.sleep(float(self._job.split.method["seconds_per_chunk"]))
        chunk, last = self._job.budget.chunk, self._job.budget.max_epochs
        first = getattr(self, "_epoch", 0) + 1
        self._epoch = first + chunk - 1
        done = self._epoch >= last
        return {
            "epoch": self._epoch,
            "objective": 0.5,
            "first_epoch": first,
            "curves": {name: [0.5] * chunk for name in METRICS},
            "status": str(TrialStatus.COMPLETED) if done else "running",
            "reason": "",
            "seconds_setup": 0.0,
            "seconds_training": 0.0,
            "done": done,
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next task."""
        self._epoch = 0
        return super().reset_config(new_config)


@dataclass
class Clock(Observer):
    """Wall and CPU time of this process at every start, report and end of a trial."""

    enough: int = 0
    workers: int = 0
    guard: FailureGuard | None = None
    starts: list[float] = field(default_factory=list)
    reports: list[tuple[float, float]] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)

    def trial_started(self, task: TrialTask) -> None:
        """Note the time."""
        self.starts.append(time.perf_counter())

    def trial_reported(
        self, task: TrialTask, epoch: int, objective: float, curve: Sequence[float]
    ) -> None:
        """Note the time, from when all workers are there; end the run after enough of them."""
        if len(self.starts) >= self.workers:
            self.reports.append((time.perf_counter(), time.process_time()))
        if self.guard is not None and self.enough and len(self.reports) >= self.enough:
            self.guard.message = "enough reports"

    def trial_ended(self, ended: EndedTrial) -> None:
        """Note the time."""
        self.ends.append((time.perf_counter(), time.process_time()))


def run_empty(
    workers: int,
    trials: int,
    chunks: int,
    seconds_per_chunk: float = 0.0,
    pending: int = 0,
    enough: int = 0,
) -> Clock:
    """Run empty trials through Ray Tune as a search does and return when what happened.

    Parameters
    ----------
    workers, trials, chunks : int
        Workers (all on this machine's cores), trials, reports of each.
    seconds_per_chunk : float
        How long a worker sleeps before each report.
    pending : int
        Actors that may be starting at once; 0 leaves Ray's choice, which is one.
    enough : int
        End after so many reports with all workers there; 0 runs all trials.
    """
    from ray import tune

    budget = replace(PRESETS["paper"], max_epochs=10 * chunks, grace_epochs=10)
    rows = np.zeros((2, 32), dtype=np.float32)
    features = OrbitFeatures(("a", "b"), rows, np.ones(2, dtype=np.float32), np.arange(3))
    split = Split("empty", ("a",), ("b",), {"seconds_per_chunk": seconds_per_chunk})
    job = TrainingJob(features, {"a": 0, "b": 1}, split, budget, RULE)
    tasks = [TrialTask(f"t-{n:04d}", Phase.REPEAT, n, TrialConfig(), n) for n in range(trials)]
    clock = Clock(enough, workers)
    collector = Collector(RULE, [clock])
    clock.guard = collector.guard
    os.environ.pop(PENDING, None)
    if pending:
        os.environ[PENDING] = str(pending)
    settings = tune.TuneConfig(
        search_alg=TaskQueue(tasks, workers),
        scheduler=make_scheduler(budget, Mode.FAST, RULE),
        num_samples=trials,
        reuse_actors=True,
    )
    with tempfile.TemporaryDirectory(prefix="sie-costs-", ignore_cleanup_errors=True) as folder:
        run = tune.RunConfig(
            name="empty",
            storage_path=folder,
            callbacks=[collector],
            stop=collector.guard,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        )
        trainable = tune.with_parameters(EmptyWorker, job=job)
        trainable = tune.with_resources(trainable, {"cpu": 1 / 64})
        tune.Tuner(trainable, tune_config=settings, run_config=run).fit()
    return clock


def slope(times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return wall and CPU seconds between two entries on average, past the first fifth."""
    rest = times[len(times) // 5 :]
    wall, cpu = (np.array(rest[-1]) - np.array(rest[0])) / (len(rest) - 1)
    return float(wall), float(cpu)


def ray_costs(many: int) -> dict[str, float]:
    """Measure reports and turnovers with 2 and with `many` workers, and how fast actors start."""
    from sie.search.session import start_ray, stop_ray

    start_ray(None)
    try:
        few_wall, few_cpu = slope(run_empty(2, 2, 10**5, enough=1000).reports)
        _, turnover = slope(run_empty(2, 120, 1).ends)
        crowd = run_empty(many, many, 10**5, pending=many, enough=3000)
        many_wall, many_cpu = slope(crowd.reports)
        one_by_one = run_empty(4, 4, 1, seconds_per_chunk=20).starts
    finally:
        stop_ray()
    per_worker = max((many_cpu - few_cpu) / (many - 2), 0.0)
    return {
        "report_s": max(few_cpu - 2 * per_worker, 0.0),
        "report_s_per_worker": per_worker,
        "trial_s": turnover,
        "actor_start_s": float(np.mean(np.diff(one_by_one))),
        # with two workers at once each waits for its own report and the other's
        "report_latency_s": max(2 * few_wall - few_cpu, 0.0),
        "report_wall_s_2_workers": few_wall,
        f"report_wall_s_{many}_workers": many_wall,
        f"report_cpu_s_{many}_workers": many_cpu,
    }


def ramp(workers: int, trials: int, seconds: float) -> dict[str, float]:
    """Measure how many of `workers` short trials ever get, as Ray chooses and all at once."""
    from sie.search.session import start_ray, stop_ray

    start_ray(None)
    try:
        walls = {}
        for name, pending in (("ray", 0), ("all", workers)):
            clock = run_empty(workers, trials, 1, seconds, pending)
            walls[f"ramp_wall_s_{name}"] = clock.ends[-1][0] - clock.starts[0]
            walls[f"ramp_at_once_{name}"] = float(most_at_once(clock))
    finally:
        stop_ray()
    return walls


def most_at_once(clock: Clock) -> int:
    """Return the largest number of trials that were under way together."""
    changes = [(t, 1) for t in clock.starts] + [(t, -1) for t, _ in clock.ends]
    return int(np.cumsum([step for _, step in sorted(changes)]).max())


def suggestion_costs(n: int) -> dict[str, float]:
    """Measure one suggestion of TPE, and one more told result, against the trials before it."""
    space = read_space(SPACE)
    plan = empty_plan(space)
    searcher = PlanSearcher(plan, 1)
    times = []
    for number in range(n):
        began = time.perf_counter()
        task = searcher.suggest(f"trial-{number}")
        times.append(time.perf_counter() - began)
        value = {"objective": float(np.sin(number) ** 2), "status": "completed"}
        if task is None:
            raise RuntimeError("TPE gave no configuration")
        searcher.on_trial_complete(f"trial-{number}", value)
    late = np.arange(plan.budget.startup_trials + 5, n)
    per_trial, base = np.polyfit(late, np.array(times)[late], 1)
    return {"suggest_s": max(float(base), 0.0), "suggest_s_per_trial": max(float(per_trial), 0.0)}


def empty_plan(space: SearchSpace) -> SearchPlan:
    """Return a plan of the article's size over no data."""
    return SearchPlan("d", "CAMNS", "V1", 0, "a", "b", "c", "e", space, PRESETS["paper"])


def mlflow_costs(uri: str | None, trials: int, epochs: int) -> dict[str, float]:
    """Measure a run's opening and closing, and a row (one epoch's metrics), one writer alone."""
    from sie.tracking.recorder import Recorder
    from sie.tracking.store import open_store

    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(open_store(uri, Path(folder)), "driver-costs")
        spent: dict[str, list[float]] = {"open": [], "short": [], "long": []}
        for number in range(trials):
            length = epochs if number % 2 else 10
            curves = {name: np.random.default_rng(number).random(length) for name in METRICS}
            result = TrialResult(TrialStatus.COMPLETED, "", curves, 1.0, 1.0)
            before = recorder.seconds
            tags = {f"tag_{n}": "0" * 12 for n in range(16)}
            run = recorder.open_run(f"t{number}", f"t{number}", tags, TrialConfig().as_dict())
            opened = recorder.seconds
            recorder.close_run(run, result.status, "", result.curves, {"objective": 0.5})
            spent["open"].append(opened - before)
            spent["long" if number % 2 else "short"].append(recorder.seconds - opened)
    long, short = np.median(spent["long"]), np.median(spent["short"])
    row = float((long - short) / (epochs - 10))
    return {
        "open_s": float(np.median(spent["open"])),
        "close_s": float(short - 10 * row),
        "row_s": row,
    }


def main() -> None:
    """Print every figure, as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=16, help="empty workers in the crowd")
    parser.add_argument("--tracking-uri", help="MLflow store (default: SQLite, temporary)")
    parser.add_argument("--ramp", action="store_true", help="also measure how workers are added")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    costs = suggestion_costs(250) | mlflow_costs(options.tracking_uri, 20, 500)
    costs |= ray_costs(options.workers)
    if options.ramp:
        costs |= ramp(8, 48, 4.0)
    for name, value in costs.items():
        unit = f"{1e3 * value:10.3f} ms" if "_s" in name else f"{value:10.0f}"
        print(f"{name:<32}{unit}")
    if options.json:
        write_text(options.json, json.dumps(costs, indent=1) + "\n")


if __name__ == "__main__":
    main()
