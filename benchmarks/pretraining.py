"""What pre-training costs: seconds an epoch of each shape, and memory for 100,000 crystals.

    python benchmarks/pretraining.py time [--shapes 2x64,4x256] [--batches N] [--csv FILE]
    python benchmarks/pretraining.py memory [--crystals N] [--source FILE] [--json FILE]

`time` trains on random rows, 16 orbits a crystal as in the Materials Project, for a few batches of
256 after one that compiles, and predicts for as many crystals. An epoch is extrapolated from them
to 52,138 training and 3,532 validation crystals, the whole to 40 epochs. Times are the processor's
on one thread, so that other work on the machine disturbs them less.

`memory` prints the process's peak after each step: a table of N crystals, the features of two
shards of 2,000 crystals (are they the same peak?), all shards on disk and then joined, and an epoch
over all of them at 2x64. Only the first shards are computed, of the source's crystals; those of the
others are drawn, in the right number, for memory is asked and not time.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from epochs import synthetic_features

from sie.features.record import OrbitFeatures
from sie.pretraining.features import SHARD, FeatureShards, compute_shard
from sie.pretraining.record import CrystalTable
from sie.pretraining.settings import Settings, parse_shapes
from sie.structures.representations import Representation
from sie.training.batches import n_batches
from sie.training.threads import limit_threads

SHAPES = ",".join(f"{layers}x{width}" for layers in (2, 3, 4) for width in (32, 64, 128, 256))
ORBITS = 16.4
N_TRAIN, N_VALIDATION = 52_138, 3_532
DIMENSIONS = {"V0": 16, "V1": 32}
FIELDS = ("level", "shape", "compile_s", "batch_s", "epoch_s", "core_minutes_40_epochs")


def epoch_of(settings: Settings, dimension: int, batches: int) -> dict[str, float]:
    """Time a few batches of training and of prediction; extrapolate to an epoch."""
    import tensorflow as tf

    from sie.models.atomsets import initial_weights
    from sie.training.program import ProgramCache, ResidentFeatures

    size = settings.batch_size
    features = synthetic_features(size * batches, ORBITS, dimension)
    drawn = np.random.default_rng(1).integers(0, 2, size=len(features))
    labels = tf.constant(drawn.astype(np.float32))
    data = ResidentFeatures(features)
    config = settings.config(0)
    began = time.process_time()
    program = ProgramCache().get(config, dimension)
    program.reset(config, 10, 0, 0, initial_weights(config, dimension, 0))
    order = np.arange(len(features))
    program.train_epoch(data, labels, order[:size], size)
    program.predict(data)
    compiled = time.process_time()
    program.train_epoch(data, labels, order, size)
    trained = time.process_time()
    program.predict(data)
    predicted = time.process_time()
    batch = (trained - compiled) / batches
    each = (predicted - trained) / len(features)
    epoch = batch * n_batches(N_TRAIN, size) + each * N_VALIDATION
    return {
        "compile_s": round(compiled - began, 1),
        "batch_s": round(batch, 4),
        "epoch_s": round(epoch, 1),
        "core_minutes_40_epochs": round(40 * epoch / 60, 1),
    }


def report_times(shapes: str, batches: int, path: Path | None) -> None:
    """Print a line for each shape and level, and the sum over three pairs."""
    rows: list[dict[str, object]] = []
    for level, dimension in DIMENSIONS.items():
        for layers, width in parse_shapes(shapes):
            settings = Settings(n_layers=layers, n_neurons=width)
            row = {"level": level, "shape": settings.shape}
            rows.append({**row, **epoch_of(settings, dimension, batches)})
            print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    minutes = Counter[str]()
    for item in rows:
        minutes[str(item["level"])] += float(str(item["core_minutes_40_epochs"]))
    hours = (2 * minutes["V1"] + minutes["V0"]) / 60
    print(f"CAMNS-V1, CAMN-V1 and CAMN-V0 in these shapes, 40 epochs: {hours:.1f} core-hours")
    if path is not None:
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def peak_mb() -> float:
    """Return the largest memory this process has had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def repeated(crystals: CrystalTable, n: int) -> CrystalTable:
    """Return n crystals: those of a table, again and again under new ids."""
    table = crystals.select(np.arange(n) % len(crystals))
    ids = tuple(f"c{i}" for i in range(n))
    return CrystalTable(
        ids, table.labels, table.lattices, table.numbers, table.frac_coords, table.offsets
    )


def drawn_shard(
    crystals: CrystalTable, positions: range, representation: object, levels: Sequence[int]
) -> tuple[dict[int, OrbitFeatures], Counter[str]]:
    """Return random rows in place of `compute_shard`'s."""
    found = synthetic_features(len(positions), ORBITS, 32)
    ids = tuple(crystals.ids[i] for i in positions)
    features = OrbitFeatures(ids, found.rows, found.multiplicity, found.offsets)
    return dict.fromkeys(levels, features), Counter()


def report_memory(n: int, source: str, path: Path | None) -> None:
    """Print the peak after each step."""
    import tensorflow as tf

    from sie.models.atomsets import initial_weights
    from sie.pretraining.sources import read_source
    from sie.pretraining.training import BATCHES_AT_ONCE
    from sie.training.program import ProgramCache, ResidentFeatures

    peaks: dict[str, float] = {}

    def note(step: str) -> None:
        peaks[step] = round(peak_mb())
        print(f"peak {peaks[step]:.0f} MB after: {step}", flush=True)

    note("start (packages imported, TensorFlow too)")
    table = repeated(read_source(source, None).crystals.shuffled(42), n)
    note(f"table of {n} crystals")
    camns = Representation("CAMNS")
    for first in (0, SHARD):
        compute_shard(table, range(first, first + SHARD), camns, [1])
        note(f"features of crystals {first} to {first + SHARD}")
    with tempfile.TemporaryDirectory() as folder:
        shards = FeatureShards(table, camns, Path(folder))
        with mock.patch("sie.pretraining.features.compute_shard", drawn_shard):
            shards.compute([1])
        note("all shards on disk")
        features, _ = shards.load(1)
    note("features of all crystals joined")
    settings = Settings()
    config, size = settings.config(0), settings.batch_size
    program = ProgramCache().get(config, 32)
    program.reset(config, 10, 0, 0, initial_weights(config, 32, 0))
    data = ResidentFeatures(features.select(features.ids[: round(0.85 * n)]))
    labels = tf.zeros(len(data.features))
    note("training part resident, 2x64 built")
    piece = np.arange(BATCHES_AT_ONCE * size)
    program.train_epoch(data, labels, piece, size)
    note(f"a piece of an epoch ({BATCHES_AT_ONCE} batches)")
    if path is not None:
        path.write_text(json.dumps({"crystals": n, "peak_MB": peaks}, indent=1) + "\n")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="what", required=True)
    timing = kinds.add_parser("time")
    timing.add_argument("--shapes", default=SHAPES, help="default: the article's twelve")
    timing.add_argument("--batches", type=int, default=8, help="timed batches of 256")
    timing.add_argument("--csv", type=Path, help="write the rows here")
    memory = kinds.add_parser("memory")
    memory.add_argument("--crystals", type=int, default=100_000, help="default: %(default)s")
    memory.add_argument("--source", required=True, help="as of experiments/pretrain.py")
    memory.add_argument("--json", type=Path, help="write the peaks here")
    options = parser.parse_args()
    limit_threads(1)
    if options.what == "time":
        report_times(options.shapes, options.batches, options.csv)
    else:
        report_memory(options.crystals, options.source, options.json)


if __name__ == "__main__":
    main()
