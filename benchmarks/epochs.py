"""Seconds per epoch of AtomSets on one thread, for networks across the article's search space.

    python benchmarks/epochs.py [--data-dir FOLDER] [--epochs N]

Without --data-dir the rows are random, in the size of OBELiX as CAMN-V1: 257 training and 64
validation structures of about 7 orbits, 32 columns. FOLDER holds OBELiX's table and CIFs, whose
features are computed first. Labels and split are random either way, for they cost the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.training.threads import limit_threads

SHAPES = ((2, 32, 32), (3, 128, 64), (4, 256, 128))
"""(n_layers, n_neurons, batch_size)."""

VALIDATION_SHARE = 0.2


def synthetic_features(n: int = 321, rows_each: float = 6.9, dimension: int = 32) -> OrbitFeatures:
    """Return random rows; orbits per structure fall off geometrically, as in OBELiX, up to 100."""
    rng = np.random.default_rng(0)
    counts = np.minimum(rng.geometric(1 / rows_each, size=n), 100)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = rng.normal(size=(offsets[-1], dimension)).astype(np.float32)
    multiplicity = rng.integers(1, 25, size=offsets[-1]).astype(np.float32)
    return OrbitFeatures(tuple(str(i) for i in range(n)), rows, multiplicity, offsets)


def obelix_features(folder: Path) -> OrbitFeatures:
    """Compute CAMN-V1 of OBELiX, or take it from the cache."""
    from sie.datasets.registry import load_dataset
    from sie.features.cache import cached_features

    return cached_features(load_dataset("obelix", data_dir=folder).structures, "CAMN", 1)


def seconds(n: int, action: Callable[..., object], *arguments: object) -> float:
    """Return the median wall time of n calls."""
    times = []
    for _ in range(n):
        began = time.perf_counter()
        action(*arguments)
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def measure(features: OrbitFeatures, config: TrialConfig, epochs: int) -> dict[str, float]:
    """Time setup, first epoch, and the parts of the epochs after it."""
    from sie.training.trainer import Trainer

    labels = np.random.default_rng(1).integers(0, 2, size=len(features))
    n_train = round(len(features) * (1 - VALIDATION_SHARE))
    trainer = Trainer(features, labels, features.ids[:n_train], features.ids[n_train:])
    trainer.start(config, seed=0, max_epochs=10**6)
    result = {"setup": trainer.seconds_setup, "first": seconds(1, trainer.run_epochs, 1)}
    result["epoch"] = seconds(epochs, trainer.run_epochs, 1)
    result["validation"] = seconds(epochs, trainer.validation_probabilities)
    result["training"] = result["epoch"] - result["validation"]
    trainer.start(config, seed=1, max_epochs=1)
    result["next"] = trainer.seconds_setup
    return result


def main() -> None:
    """Print one row per shape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="local copy of OBELiX")
    parser.add_argument("--epochs", type=int, default=20, help="epochs to time (median)")
    options = parser.parse_args()
    limit_threads(1)
    features = obelix_features(options.data_dir) if options.data_dir else synthetic_features()
    print(f"{len(features)} structures, {len(features.rows)} rows of {features.dimension}")
    columns = ("setup", "first", "epoch", "training", "validation", "next")
    print(f"{'layers x width, batch':>22}" + "".join(f"{name:>12}" for name in columns) + "   (s)")
    for n_layers, n_neurons, batch_size in SHAPES:
        config = TrialConfig(n_layers=n_layers, n_neurons=n_neurons, batch_size=batch_size)
        times = measure(features, config, options.epochs)
        name = f"{n_layers} x {n_neurons}, {batch_size}"
        print(f"{name:>22}" + "".join(f"{times[c]:12.4f}" for c in columns), flush=True)
    print("setup: build and trace; first: first epoch; next: start of a further trial of the shape")


if __name__ == "__main__":
    main()
