"""Whether two dropout masks an orbit, instead of one an atom, change what a network learns.

    python benchmarks/dropout.py --data-dir DIR --json FILE [--seeds 20] [--epochs 60]
        [--ways stock sie one four atoms]

OBELiX as CAMNS-V1, stratified 5-fold on the development entries, the same configuration for all:
the stock way (race/stock.py: a mask an atom) and sie's (up to two masks an orbit) are trained with
as many seeds, each on its own random streams, and scored on the validation fold after the last
epoch. Every training is a line of FILE with the suffix .jsonl; the same command goes on after the
last one. More ways, where asked for, are sie's engine with one mask an orbit, with up to four, and
with atoms: a row and a mask for every atom of the primitive cell, which tells the masks' effect
from anything else. FILE gets mean, sd and 95 % interval over the seeds of all complete ways.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sie.features.record import OrbitFeatures
from sie.hashing import content_hash
from sie.models.config import TrialConfig
from sie.splits.record import Split
from sie.training.batches import MASKS_PER_ORBIT
from sie.training.metrics import binary_metrics
from sie.training.threads import limit_threads

WAYS = ("stock", "one", "atoms", "four", "sie")
"""In an order that random streams depend on."""

COMPARED = ("stock", "sie")
MASKS = {"one": 1, "atoms": 1, "four": 4, "sie": MASKS_PER_ORBIT}
SCORES = ("auc_pr", "mcc")
N_FOLDS = 5
PROGRESS = (
    "{n:4d}/{of} {way:>5} seed {seed:2d} fold {fold} AUC-PR {auc_pr:.3f} MCC {mcc:+.3f} "
    "{cpu_seconds:6.1f} s of CPU, about {minutes:.0f} min left"
)
CONFIG = TrialConfig(
    n_layers=2,
    n_neurons=128,
    batch_size=64,
    init_lr=1e-4,
    max_lr=7e-3,
    dropout_phi=0.3,
    dropout_rho=0.3,
    l2_phi=1e-4,
    l2_rho=1e-4,
)
"""Chosen by sie's scores in a trial run, before stock was run: learns within 60 epochs at the
strongest dropout."""


class Task(NamedTuple):
    """One training."""

    way: str
    seed: int
    fold: int

    def stream(self) -> int:
        """Return the seed of this training alone."""
        key = [WAYS.index(self.way), self.seed, self.fold]
        return int(np.random.SeedSequence(key).generate_state(1)[0])


@lru_cache(maxsize=1)
def problem(folder: Path) -> tuple[OrbitFeatures, Any, dict[str, int], list[Split]]:
    """Return orbits and primitive atoms of the development entries, their labels, the folds."""
    from race.stock import lattice_points, primitive_atoms

    from sie.datasets.registry import load_dataset
    from sie.features.cache import cached_features
    from sie.splits.holdout import hold_out
    from sie.splits.kfold import stratified_folds
    from sie.structures.oxidation import prepare

    whole = load_dataset("obelix", data_dir=folder)
    database = whole.subset(hold_out(whole.ids).development)
    # oxidation states of all entries: those of one are inferred with a look at the others
    decorated, _ = prepare(whole.structures)
    features = cached_features({i: decorated[i] for i in database.ids}, "CAMNS", 1)
    atoms = primitive_atoms(features, lattice_points(database.structures))
    labels = dict(zip(database.ids, (int(v) for v in database.labels), strict=True))
    return features, atoms, labels, stratified_folds(database.ids, labels, N_FOLDS)


@lru_cache(maxsize=1)
def programs() -> Any:
    """Return the compiled programs that this process uses again."""
    from sie.training.program import ProgramCache

    return ProgramCache()


def train_sie(folder: Path, config: TrialConfig, epochs: int, task: Task) -> np.ndarray:
    """Return validation probabilities after training with the engine, on orbits or on atoms."""
    from sie.training.trainer import Trainer

    features, atoms, labels, folds = problem(folder)
    if task.way == "atoms":
        ones = np.ones(len(atoms.rows), np.float32)
        features = OrbitFeatures(atoms.ids, atoms.rows, ones, atoms.offsets)
    split, masks = folds[task.fold], MASKS[task.way]
    trainer = Trainer(features, labels, split.train, split.validation, programs(), masks)
    trainer.start(config, task.stream(), epochs)
    trainer.run_epochs(epochs)
    if trainer.diverged:
        raise RuntimeError(f"{task}: {trainer.diverged}")
    return trainer.validation_probabilities()


@lru_cache(maxsize=1)
def compiled_stock(config: TrialConfig, dimension: int, steps: int, seed: int) -> Any:
    """Return a compiled stock model without metrics: they cost time and change nothing."""
    import tensorflow as tf
    from race.stock import compile_stock, stock_model

    tf.keras.backend.clear_session()
    model = stock_model(config, dimension, seed)
    compile_stock(model, config, steps, with_metrics=False)
    return model


def train_stock(folder: Path, config: TrialConfig, epochs: int, task: Task) -> np.ndarray:
    """Return validation probabilities after training with Keras.

    The folds of a seed share a compiled model, whose masks run on from fold to fold; initial
    weights (drawn as sie's, which are drawn as maml's) and order are the training's own.
    """
    from race.stock import AtomSequence, fit_stock, predict_stock, restart, take_weights

    from sie.models.atomsets import initial_weights

    features, atoms, labels, folds = problem(folder)
    split = folds[task.fold]
    weight_seed, order_seed = np.random.SeedSequence(task.stream()).generate_state(2)
    train = AtomSequence(atoms, labels, split.train, config.batch_size, int(order_seed))
    train.on_epoch_end()  # sie shuffles before the first epoch too
    mask_seed = Task(task.way, task.seed, N_FOLDS).stream()
    model = compiled_stock(config, features.dimension, len(train), mask_seed)
    take_weights(model, initial_weights(config, features.dimension, int(weight_seed)))
    restart(model, model.get_weights())
    fit_stock(model, train, None, epochs)
    return predict_stock(model, AtomSequence(atoms, labels, split.validation, config.batch_size))


def run(folder: Path, config: TrialConfig, epochs: int, task: Task) -> dict[str, Any]:
    """Train once and return what is to be recorded."""
    _, _, labels, folds = problem(folder)
    began = time.process_time()
    train = train_stock if task.way == "stock" else train_sie
    probabilities = train(folder, config, epochs, task)
    seconds = round(time.process_time() - began, 2)
    truth = np.array([labels[entry] for entry in folds[task.fold].validation])
    scores = binary_metrics(truth, probabilities)
    chosen = {name: scores[name] for name in SCORES}
    return {**task._asdict(), **chosen, "constant": float(truth.mean()), "cpu_seconds": seconds}


def prepare_worker() -> None:
    """Keep a process to one thread."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    limit_threads(1)


def recorded(path: Path, settings: str) -> dict[Task, dict[str, Any]]:
    """Read the trainings that are done; a file of other settings is refused."""
    if not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if any(line["settings"] != settings for line in lines):
        raise SystemExit(f"{path} holds trainings with other settings; move it or name another")
    return {Task(line["way"], line["seed"], line["fold"]): line for line in lines}


def train_all(args: argparse.Namespace, config: TrialConfig, path: Path, settings: str) -> None:
    """Run what is not recorded yet, a line of the file each."""
    done = recorded(path, settings)
    wanted = (Task(w, s, f) for w in args.ways for s in range(args.seeds) for f in range(N_FOLDS))
    tasks = [task for task in wanted if task not in done]
    spawn = multiprocessing.get_context("spawn")
    began = time.monotonic()
    with (
        ProcessPoolExecutor(args.processes, mp_context=spawn, initializer=prepare_worker) as pool,
        path.open("a", encoding="utf-8") as file,
    ):
        waiting = [pool.submit(run, args.data_dir, config, args.epochs, task) for task in tasks]
        try:
            for n, future in enumerate(as_completed(waiting), start=1):
                line = future.result()
                file.write(json.dumps({**line, "settings": settings}) + "\n")
                file.flush()
                minutes = (time.monotonic() - began) / n * (len(tasks) - n) / 60
                print(PROGRESS.format(n=n, of=len(tasks), minutes=minutes, **line), flush=True)
        except BaseException:  # what waits would be run before the error is seen
            pool.shutdown(cancel_futures=True)
            raise


def interval(mean: float, error: float, freedom: float) -> list[float]:
    """Return the 95 % confidence interval of a mean with a standard error (Student's t)."""
    from scipy.stats import t

    half = float(t.ppf(0.975, freedom)) * error
    return [float(mean - half), float(mean + half)]


def describe(values: np.ndarray) -> dict[str, Any]:
    """Return mean, sd and 95 % interval of the mean of values (n_seeds,)."""
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    error = sd / np.sqrt(len(values))
    return {"mean": mean, "sd": sd, "ci95": interval(mean, error, len(values) - 1)}


def difference(ours: np.ndarray, stock: np.ndarray) -> dict[str, Any]:
    """Return the difference of two means over seeds and its interval after Welch.

    Source: B. L. Welch, Biometrika 1947, 34, 28 (unequal variances, independent samples).
    """
    parts = np.array([values.var(ddof=1) / len(values) for values in (ours, stock)])
    freedom = [len(ours) - 1, len(stock) - 1]
    mean = float(ours.mean() - stock.mean())
    bounds = interval(mean, np.sqrt(parts.sum()), parts.sum() ** 2 / (parts**2 / freedom).sum())
    return {"mean": mean, "ci95": bounds, "zero_inside": bounds[0] <= 0 <= bounds[1]}


def complete(done: Mapping[Task, Any], n_seeds: int) -> list[str]:
    """Return the ways of which every seed and fold is done."""
    whole = [(s, f) for s in range(n_seeds) for f in range(N_FOLDS)]
    return [way for way in WAYS if all((way, s, f) in done for s, f in whole)]


def summarise(done: Mapping[Task, Mapping[str, Any]], n_seeds: int) -> dict[str, Any]:
    """Average over folds, then describe both ways and their difference over the seeds."""

    def over_seeds(way: str, score: str) -> np.ndarray:
        table = [[done[way, s, f][score] for f in range(N_FOLDS)] for s in range(n_seeds)]
        return np.mean(table, axis=1)

    ways = complete(done, n_seeds)
    values = {way: {score: over_seeds(way, score) for score in SCORES} for way in ways}
    result: dict[str, Any] = {"constant_auc_pr": float(over_seeds("stock", "constant").mean())}
    for way in ways:
        result[way] = {score: describe(values[way][score]) for score in SCORES}
        result[way]["cpu_seconds_per_training"] = float(np.median(over_seeds(way, "cpu_seconds")))
    for way in ways[1:]:
        result[f"{way}_minus_stock"] = {
            score: difference(values[way][score], values["stock"][score]) for score in SCORES
        }
    return result


def main() -> None:
    """Train, then write and print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="copy of OBELiX")
    parser.add_argument("--json", type=Path, required=True, help="file of the comparison")
    parser.add_argument("--seeds", type=int, default=20, help="trainings of each way and fold")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--config", nargs="*", default=[], metavar="NAME=VALUE", help="changes")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=COMPARED, help="what to train")
    parser.add_argument("--processes", type=int, default=1, help="of one thread each")
    args = parser.parse_args()
    changes = dict(pair.split("=", 1) for pair in args.config)
    config = TrialConfig.from_mapping({**CONFIG.as_dict(), **changes})
    settings = content_hash("dropout-study-1", config.as_dict(), args.epochs)
    path = args.json.with_suffix(".jsonl")
    train_all(args, config, path, settings)
    done = recorded(path, settings)
    if missing := [way for way in COMPARED if way not in complete(done, args.seeds)]:
        print(f"no comparison yet: {', '.join(missing)} not complete")
        return
    about = {
        "dataset": "obelix, CAMNS-V1, development entries",
        "seeds": args.seeds,
        "folds": N_FOLDS,
        "epochs": args.epochs,
        "config": config.as_dict(),
    }
    text = json.dumps({**about, **summarise(done, args.seeds)}, indent=1)
    args.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
