"""Do TPE and ASHA pay for themselves? Searches of equal budget, in epochs trained.

    python benchmarks/samplers.py [--dataset NAME] [--seeds N] [--processes N]

Searches train small networks for real, with a search's own searcher, scheduler and worker, one
trial after the other and without Ray's loop around them, so that a seed gives the same search
every time. The best so far is the objective that the search sees, which flatters: so the
configuration that a search chose is trained with new seeds, all epochs, and judged by the best
window of their average curve. All arms see the same splits and seeds; differences are taken in
pairs. Written are one row for every search, the curves and a figure.
"""

from __future__ import annotations

import argparse
import csv
import io
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from sie.datasets.registry import load_dataset
from sie.files import write_text
from sie.models.config import TrialConfig
from sie.search.choices import Sampler, Scheduler
from sie.search.plan import Budget, SearchPlan
from sie.search.problem import LearningProblem, prepare_problem
from sie.search.record import EndedTrial, Phase, TrialTask
from sie.search.schedule import make_scheduler
from sie.search.seeds import derive_seed
from sie.search.selection import OBJECTIVE, SelectionRule, best_window
from sie.search.space import parse_space
from sie.search.suggest import PlanSearcher
from sie.search.worker import TrainingJob, TrialWorker
from sie.splits.left_out import loco_split, usable_clusters
from sie.structures.representations import Representation

ROOT = Path(__file__).resolve().parent.parent
ARMS = (
    (Sampler.HYPEROPT, Scheduler.ASHA),
    (Sampler.RANDOM, Scheduler.ASHA),
    (Sampler.OPTUNA, Scheduler.ASHA),
    (Sampler.HYPEROPT, Scheduler.MEDIAN),
    (Sampler.HYPEROPT, Scheduler.NONE),
    (Sampler.RANDOM, Scheduler.NONE),
)
PAIRS = ((0, 1), (4, 5), (2, 0), (0, 4), (1, 5), (3, 4), (0, 5))
"""Arms that are compared: the first is the one with the component in question."""

SPACE = parse_space(
    {
        "name": "samplers",
        "parameters": {
            "optimiser": {"choice": ["lamb", "adamw"]},
            "schedule": {"choice": ["triangular2", "constant"]},
            "init_lr": {"value": 1e-5},
            "max_lr": {"loguniform": [1e-4, 3e-2]},
            "weight_decay": {"loguniform": [1e-4, 0.1], "when": {"optimiser": "adamw"}},
            "standardise": {"choice": [True, False]},
            "dropout_phi": {"uniform": [0.0, 0.5]},
            "dropout_rho": {"uniform": [0.0, 0.5]},
            "l2_phi": {"loguniform": [1e-6, 1.0]},
            "l2_rho": {"loguniform": [1e-6, 1.0]},
            "n_layers": {"value": 2},
            "n_neurons": {"choice": [8, 32]},
            "pooling": {"choice": ["set2set", "mean"]},
            "readout_width": {"value": 16},
            "batch_size": {"value": 32},
        },
    }
)
MAX_EPOCHS, GRACE, FACTOR, STARTUP = 60, 10, 3, 8
RULE = SelectionRule(window=5, min_epoch=6)
EPOCHS = 1200
"""Of one search: 20 trials to the last epoch, about 50 with ASHA."""

STEP = 50
"""Epochs between two points of a curve."""

AGAIN = 5
"""New seeds of the configuration that a search chose."""


@dataclass(frozen=True)
class Searched:
    """One search: its arm, split and seed, how the best rose, and what the choice is worth."""

    arm: int
    cluster: int
    seed: int
    trials: int
    best: tuple[float, ...]
    again: float
    seconds: float


class Trial(SimpleNamespace):
    """What schedulers look at of a Ray trial."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def run_search(
    worker: TrialWorker, plan: SearchPlan, epochs: int
) -> tuple[list[tuple[int, float]], list[tuple[float, TrialConfig]]]:
    """Search until so many epochs are trained.

    Returns
    -------
    list of (int, float), list of (float, TrialConfig)
        Every report: epochs so far and its objective; every trial with its last objective.
    """
    searcher = PlanSearcher(plan, lambda: 1)
    past: tuple[EndedTrial, ...] = ()
    scheduler = make_scheduler(plan.budget, plan.mode, plan.rule, past, plan.scheduler)
    spent = 0
    reports: list[tuple[int, float]] = []
    ended: list[tuple[float, TrialConfig]] = []
    while spent < epochs:
        name = f"t{len(ended)}"
        suggested = searcher.suggest(name)
        if not isinstance(suggested, dict):
            raise RuntimeError("the plan has too few trials")
        trial, before = Trial(trial_id=name, config=suggested), 0
        scheduler.on_trial_add(None, trial)
        worker.reset_config(suggested)
        while True:
            result = worker.step()
            spent += result["epoch"] - before
            before = result["epoch"]
            reports.append((spent, result["objective"]))
            if result["done"]:
                scheduler.on_trial_complete(None, trial, result)
                break
            if scheduler.on_trial_result(None, trial, result) == "STOP":
                break
        searcher.on_trial_complete(name, result)
        ended.append((result["objective"], suggested["task"].config))
    return reports, ended


def worth(worker: TrialWorker, config: TrialConfig, seed: int) -> float:
    """Return the best window of the average curve of trainings with new seeds."""
    curves = []
    for repeat in range(AGAIN):
        again = derive_seed(seed, "again", repeat)
        worker.reset_config({"task": TrialTask("again", Phase.REPEAT, repeat, config, again)})
        curve: list[float] = []
        done = False
        while not done:
            result = worker.step()
            curve += result["curves"].get(OBJECTIVE, [])
            done = result["done"]
        curves.append(np.pad(curve, (0, MAX_EPOCHS - len(curve))))  # 0 from where one diverged
    window = best_window(np.mean(curves, axis=0), RULE)
    return window.mean if window else 0.0


def study(problem: LearningProblem, cluster: int, seeds: Sequence[int], epochs: int) -> list[Any]:
    """Search one left-out cluster with every arm and seed, in this process."""
    split = loco_split(problem.clustering, cluster, problem.labels)
    budget = Budget(
        trials=epochs,
        max_epochs=MAX_EPOCHS,
        grace_epochs=GRACE,
        reduction_factor=FACTOR,
        startup_trials=STARTUP,
    )
    job = TrainingJob(problem.features, problem.labels, split, budget, RULE)
    first = TrialTask("none", Phase.SEARCH, 0, TrialConfig(), 0)
    worker = TrialWorker.__new__(TrialWorker)
    worker.setup({"task": first}, job=job)
    found = []
    for seed in seeds:
        for arm, (sampler, scheduler) in enumerate(ARMS):
            began = time.perf_counter()
            plan = SearchPlan(
                dataset=problem.dataset,
                representation=str(problem.representation),
                level=f"V{problem.level}",
                cluster=cluster,
                dataset_hash=problem.dataset_hash,
                features_hash=problem.features_hash,
                split_hash=split.hash,
                hold_out_hash=problem.hold_out_hash,
                space=SPACE,
                budget=budget,
                rule=RULE,
                seed=seed,
                sampler=sampler,
                scheduler=scheduler,
            )
            reports, ended = run_search(worker, plan, epochs)
            best = tuple(
                max((value for spent, value in reports if spent <= at), default=0.0)
                for at in range(STEP, epochs + 1, STEP)
            )
            chosen = max(ended, key=lambda item: item[0])[1]
            again = worth(worker, chosen, seed)
            seconds = time.perf_counter() - began
            found.append(Searched(arm, cluster, seed, len(ended), best, again, seconds))
            print(f"cluster {cluster} seed {seed} {name_of(arm)}: {len(ended)} trials, best "
                  f"{best[-1]:.3f}, again {again:.3f}, {seconds:.0f} s", flush=True)  # fmt: skip
    return found


def name_of(arm: int) -> str:
    """Return sampler and scheduler of an arm."""
    return " + ".join(str(part) for part in ARMS[arm])


def paired(found: Sequence[Searched], first: int, second: int) -> dict[str, Any]:
    """Return differences of two arms over clusters and seeds, means with bootstrap intervals."""
    by = {(item.arm, item.cluster, item.seed): item for item in found}
    keys = sorted({(item.cluster, item.seed) for item in found})
    pairs = [(by[first, *key], by[second, *key]) for key in keys]
    rng = np.random.default_rng(0)
    row: dict[str, Any] = {"with": name_of(first), "without": name_of(second), "pairs": len(pairs)}
    values = {
        "best_half": [
            a.best[len(a.best) // 2 - 1] - b.best[len(b.best) // 2 - 1] for a, b in pairs
        ],
        "best_full": [a.best[-1] - b.best[-1] for a, b in pairs],
        "again": [a.again - b.again for a, b in pairs],
    }
    for name, differences in values.items():
        drawn = rng.choice(differences, (4000, len(differences))).mean(axis=1)
        low, high = np.percentile(drawn, (2.5, 97.5))
        row |= {name: np.mean(differences), f"{name}_low": low, f"{name}_high": high}
    return row


def draw(found: Sequence[Searched], path: Path) -> None:
    """Draw the best so far: mean over clusters and seeds, and its standard error as a band."""
    from sie.reporting.style import CYCLE, drawing

    with drawing():
        from matplotlib import pyplot as plt

        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.0), sharey=True)
        at = np.arange(STEP, STEP * len(found[0].best) + 1, STEP)
        for arm in range(len(ARMS)):
            curves = np.array([item.best for item in found if item.arm == arm])
            middle, error = curves.mean(axis=0), curves.std(axis=0, ddof=1) / len(curves) ** 0.5
            for axis, shown in zip(axes, ((0, 1, 4, 5), (0, 2, 3, 4)), strict=True):
                if arm in shown:
                    axis.plot(at, middle, color=CYCLE[arm], label=name_of(arm))
                    axis.fill_between(
                        at, middle - error, middle + error, color=CYCLE[arm], alpha=0.15, lw=0
                    )
        for axis in axes:
            axis.set_xlabel("epochs trained")
            axis.legend(loc="lower right", fontsize=8)
            axis.set_ylim(bottom=max(min(line.get_ydata()[0] for line in axis.lines) - 0.02, 0))
        axes[0].set_ylabel("best validation AUC-PR so far")
        figure.savefig(path)
        plt.close(figure)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a table with numbers of four decimals."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: round(float(v), 4) if isinstance(v, float) else v
                         for k, v in row.items()})  # fmt: skip
    write_text(path, text.getvalue())


def save(found: Sequence[Searched], results: Path, figures: Path) -> None:
    """Write the tables and the figure, and print the comparison."""
    rows, curves = [], []
    for item in sorted(found, key=lambda item: (item.cluster, item.seed, item.arm)):
        sampler, scheduler = (str(part) for part in ARMS[item.arm])
        who = {"sampler": sampler, "scheduler": scheduler, "cluster": item.cluster,
               "seed": item.seed}  # fmt: skip
        rows.append({**who, "trials": item.trials, "best_half": item.best[len(item.best) // 2 - 1],
                     "best_full": item.best[-1], "again": item.again,
                     "seconds": item.seconds})  # fmt: skip
        curves += [{**who, "epochs": STEP * (n + 1), "best": value}
                   for n, value in enumerate(item.best)]  # fmt: skip
    differences = [paired(found, *pair) for pair in PAIRS]
    write_rows(results / "samplers.csv", rows)
    write_rows(results / "samplers_curves.csv", curves)
    write_rows(results / "samplers_differences.csv", differences)
    draw(found, figures / "samplers.png")
    for row in differences:
        shown = "  ".join(f"{name} {row[name]:+.3f} [{row[f'{name}_low']:+.3f}, "
                          f"{row[f'{name}_high']:+.3f}]"
                          for name in ("best_half", "best_full", "again"))  # fmt: skip
        print(f"{row['with']} - {row['without']} ({row['pairs']} pairs): {shown}")


def main() -> None:
    """Search with every arm, cluster and seed; write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="starter")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--clusters", type=int, nargs="*", help="default: the first three")
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--figures", type=Path, default=ROOT / "docs" / "figures")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    database = load_dataset(args.dataset, data_dir=args.data_dir, table=None, cifs=None)
    problem, _, _ = prepare_problem(database, Representation.CAMN, 0)
    usable = [
        count for count in usable_clusters(problem.clustering, problem.labels) if count.usable
    ]
    clusters = args.clusters or [count.cluster for count in usable[:3]]
    args.results.mkdir(parents=True, exist_ok=True)
    args.figures.mkdir(parents=True, exist_ok=True)
    found: list[Searched] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, context) as pool:
        tasks = [
            pool.submit(study, problem, cluster, [seed], args.epochs)
            for seed in range(args.seeds)
            for cluster in clusters
        ]
        for number, task in enumerate(tasks, start=1):
            found += task.result()
            if number % len(clusters) == 0 and number > len(clusters):
                save(found, args.results, args.figures)  # what is there so far


if __name__ == "__main__":
    main()
