"""Members of an ensemble side by side against one after the other: training and scoring.

    python benchmarks/ensemble_members.py [--threads N] [--epochs N] [--laps N] [--members N ...]

Rows are random, in the size of OBELiX as CAMN-V1 (321 structures of about 7 orbits) for training,
1,000 structures of the same kind for scoring by 100 members. One after the other means `Trainer`
and `Predictor` with a program that is already compiled; side by side `StackedTrainer`, compiled
too, and `log_odds`. Keras means the network of public packages (`race/stock.py`) on the same rows,
member by member through `predict_on_batch`, 64 structures a call: plain `predict` cannot join
batches of this network. All ways take turns, and the median lap counts; times are of the processor
with --processor-time, which other work on the machine disturbs less (on one thread only).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from epochs import synthetic_features

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.training.threads import limit_threads

SHAPES = ((2, 32, 32), (3, 64, 64), (3, 128, 64))
"""(n_layers, n_neurons, batch_size)."""

SCORED, SCORERS = 1000, 100
AT_ONCE = 10
"""Members that are held at once in scoring; more only take memory."""

KERAS_BATCH = 64

Clock = Callable[[], float]


def laps(ways: Mapping[str, Callable[[], object]], n: int, clock: Clock) -> dict[str, float]:
    """Return the median time of each way; they take turns, the first turn does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for lap in range(n + 1):
        for name, action in ways.items():
            began = clock()
            action()
            if lap:
                times[name].append(clock() - began)
    return {name: float(np.median(values)) for name, values in times.items()}


def initial(config: TrialConfig, n: int) -> list[dict[str, np.ndarray]]:
    """Draw weights of n members, so that this is in nobody's time."""
    from sie.models.atomsets import initial_weights

    return [initial_weights(config, 32, seed) for seed in range(n)]


def training(
    config: TrialConfig, n_members: int, epochs: int, n: int, clock: Clock
) -> dict[str, float]:
    """Time `epochs` epochs of all members, in both ways, and what building each program takes."""
    from sie.training.stacked import StackedTrainer
    from sie.training.trainer import Trainer

    features = synthetic_features()
    drawn = np.random.default_rng(1).integers(0, 2, size=len(features))
    labels = dict(zip(features.ids, drawn.tolist(), strict=True))
    weights, seeds = initial(config, n_members), range(n_members)
    # one validation structure: an ensemble has none, and `Trainer` wants some
    trainer = Trainer(features, labels, features.ids, features.ids[:1])
    stacked = StackedTrainer(features, labels, features.ids)

    def one_by_one(n_epochs: int = epochs) -> None:
        for seed, start in zip(seeds, weights, strict=True):
            trainer.start(config, seed, n_epochs, start)
            trainer.run_epochs(n_epochs)
            trainer.weights()

    def together(n_epochs: int = epochs) -> None:
        stacked.train([config] * n_members, seeds, n_epochs, weights)

    began = clock()
    together(0)
    setup = clock() - began
    times = laps({"one by one": one_by_one, "side by side": together}, n, clock)
    return {"setup": setup, **{name: value / epochs for name, value in times.items()}}


def scoring(config: TrialConfig, n: int, clock: Clock) -> dict[str, float]:
    """Time the scores of `SCORED` structures by `SCORERS` members, in all ways."""
    from race.stock import stock_model, take_weights

    from sie.models.atomsets import AtomSets
    from sie.models.forward import log_odds, stack
    from sie.training.program import Predictor, ResidentFeatures

    features = synthetic_features(SCORED)
    weights = initial(config, AT_ONCE)
    model, stacked = AtomSets(config, 32), stack(weights)
    predict, data = Predictor(model), ResidentFeatures(features)
    times = SCORERS // AT_ONCE

    def one_by_one() -> np.ndarray:
        scores: list[np.ndarray] = []
        for member in weights * times:
            model.assign_weights(member)
            scores.append(predict(data))
        return np.array(scores)

    keras, batches = stock_model(config, 32, 0), keras_batches(features)

    def by_keras() -> np.ndarray:
        scores: list[np.ndarray] = []
        for member in weights * times:
            take_weights(keras, member)
            parts = [keras.predict_on_batch(batch)[0, :, 0] for batch in batches]
            scores.append(np.concatenate(parts))
        return np.array(scores)

    def together() -> np.ndarray:
        return np.concatenate([log_odds(stacked, config, features) for _ in range(times)])

    np.testing.assert_allclose(together(), one_by_one(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(by_keras(), 1 / (1 + np.exp(-together())), rtol=1e-4, atol=1e-5)
    return laps({"one by one": one_by_one, "Keras": by_keras, "side by side": together}, n, clock)


def keras_batches(features: OrbitFeatures) -> list[tuple[np.ndarray, ...]]:
    """Return rows (1, n, d), weights (1, n) and structure of each row (1, n), batch by batch."""
    batches = []
    for first in range(0, len(features), KERAS_BATCH):
        ends = features.offsets[first : first + KERAS_BATCH + 1]
        rows = slice(ends[0], ends[-1])
        owner = np.repeat(np.arange(len(ends) - 1, dtype=np.int32), np.diff(ends))
        parts = features.rows[rows], features.multiplicity[rows], owner
        batches.append(tuple(part[None] for part in parts))
    return batches


def report_training(members: Sequence[int], epochs: int, n: int, clock: Clock) -> None:
    """Print one row per number of members and shape."""
    print("training, seconds an epoch of all members")
    columns = ("one by one", "side by side", "ratio", "setup")
    print(f"{'members, shape, batch':>24}" + "".join(f"{name:>14}" for name in columns))
    for n_members in members:
        for n_layers, n_neurons, batch_size in SHAPES:
            config = TrialConfig(n_layers=n_layers, n_neurons=n_neurons, batch_size=batch_size)
            times = training(config, n_members, epochs, n, clock)
            ratio = times["one by one"] / times["side by side"]
            values = times["one by one"], times["side by side"], ratio, times["setup"]
            name = f"{n_members}, {n_layers} x {n_neurons}, {batch_size}"
            print(f"{name:>24}" + "".join(f"{value:14.3f}" for value in values), flush=True)


def report_scoring(n: int, clock: Clock) -> None:
    """Print one row per shape."""
    print(f"scoring, seconds for {SCORED} structures by {SCORERS} members")
    columns = ("Keras", "one by one", "side by side", "Keras ratio", "ratio")
    print(f"{'shape':>24}" + "".join(f"{name:>14}" for name in columns))
    for n_layers, n_neurons, _ in SHAPES:
        times = scoring(TrialConfig(n_layers=n_layers, n_neurons=n_neurons), n, clock)
        values = [times[name] for name in columns[:3]]
        name = f"{n_layers} x {n_neurons}"
        ratios = values[0] / values[2], values[1] / values[2]
        row = "".join(f"{value:14.3f}" for value in (*values, *ratios))
        print(f"{name:>24}{row}", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of both ways")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a lap")
    parser.add_argument("--laps", type=int, default=5, help="laps of each way (median)")
    parser.add_argument("--members", type=int, nargs="+", default=[5, 10], help="side by side")
    parser.add_argument("--only", choices=("training", "scoring"), help="one of both tables")
    parser.add_argument("--processor-time", action="store_true", help="instead of wall time")
    options = parser.parse_args()
    limit_threads(options.threads)
    clock = time.process_time if options.processor_time else time.perf_counter
    if options.only != "scoring":
        report_training(options.members, options.epochs, options.laps, clock)
    if options.only != "training":
        report_scoring(options.laps, clock)


if __name__ == "__main__":
    main()
