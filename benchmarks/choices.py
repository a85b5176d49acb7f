"""What each choice inside the engine is worth: before, after, ratio, in one process.

    python benchmarks/choices.py [--data-dir FOLDER] [--json FILE]

Every line changes one thing and keeps the rest; medians on one thread. Without --data-dir the rows
are random in the size of OBELiX. Includes what was tried and not kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from epochs import seconds
from race.data import obelix_data, synthetic_data

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.training.threads import limit_threads

CONFIGS = (
    TrialConfig(n_layers=2, n_neurons=64, batch_size=64),
    TrialConfig(n_layers=4, n_neurons=256, batch_size=32),
)
UPDATES = 30
STRUCTURES = 321


@dataclass(frozen=True)
class Choice:
    """Two ways to do the same, in seconds."""

    name: str
    before: float
    after: float

    def line(self) -> str:
        """Return a row of the table."""
        ratio = self.before / self.after
        return f"{self.name:<74}{self.before:10.4f}{self.after:10.4f}{ratio:8.2f}"


def label(config: TrialConfig) -> str:
    """Return the shape of a configuration."""
    return f"({config.n_layers}, {config.n_neurons}, {config.batch_size})"


def as_atoms(features: OrbitFeatures) -> OrbitFeatures:
    """Return one row of multiplicity 1 for every site of the files' cells."""
    times = features.multiplicity.astype(np.int64)
    ends = np.append(0, np.cumsum(times))
    rows = np.repeat(features.rows, times, axis=0)
    ones = np.ones(len(rows), np.float32)
    return OrbitFeatures(features.ids, rows, ones, ends[features.offsets])


def started(features: OrbitFeatures, config: TrialConfig, programs: Any = None) -> Any:
    """Return a trainer that has begun a trial and run its first epoch."""
    from sie.training.trainer import Trainer

    labels = np.random.default_rng(1).integers(0, 2, size=len(features))
    n_train = round(0.8 * len(features))
    trainer = Trainer(features, labels, features.ids[:n_train], features.ids[n_train:], programs)
    trainer.start(config, seed=0, max_epochs=10**6)
    trainer.run_epochs(1)
    return trainer


def orbits_for_atoms(features: OrbitFeatures, config: TrialConfig) -> Choice:
    """Train on a row for every atom, then on a row for every orbit."""
    atoms = started(as_atoms(features), config)
    orbits = started(features, config)
    times = [seconds(10, trainer.run_epochs, 1) for trainer in (atoms, orbits)]
    return Choice(f"an epoch on sites of the files -> on orbits, {label(config)}", *times)


def readout_width(features: OrbitFeatures, config: TrialConfig) -> Choice:
    """Shrink every matrix to next to nothing: what is left is the price of starting operations."""
    tiny = TrialConfig(**{**config.as_dict(), "n_neurons": 2, "readout_width": 2})
    trainers = started(features, config), started(features, tiny)
    times = [seconds(10, trainer.run_epochs, 1) for trainer in trainers]
    return Choice(f"an epoch -> the same operations on empty matrices, {label(config)}", *times)


def known_shape(features: OrbitFeatures, config: TrialConfig) -> Choice:
    """Start a trial of a new shape up to its second epoch, then another of the same shape."""
    from sie.training.program import ProgramCache

    programs = ProgramCache()
    first = seconds(1, started, features, config, programs)
    later = seconds(5, started, features, config, programs)
    return Choice(f"start and first epoch: new shape -> known shape, {label(config)}", first, later)


def updates(config: TrialConfig, dimension: int) -> list[Choice]:
    """Time one update by tensorflow-addons, by the engine, and by the engine under XLA."""
    import tensorflow as tf
    import tensorflow_addons as tfa

    from sie.models.atomsets import build_atomsets
    from sie.training.optimiser import Optimiser

    def groups() -> list[list[tf.Variable]]:
        return build_atomsets(config, dimension, 0).norm_groups()

    rng = np.random.default_rng(0)
    shapes = [variable.shape for group in groups() for variable in group]
    gradients = [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]

    def time_of(apply: Callable[[], object], **how: Any) -> float:
        @tf.function
        def many() -> None:
            for _ in tf.range(UPDATES):
                step()

        step = tf.function(apply, **how)
        many()
        return seconds(7, many) / UPDATES

    theirs = [variable for group in groups() for variable in group]
    schedule = tfa.optimizers.Triangular2CyclicalLearningRate(1e-4, 1e-3, 40)
    stock = tfa.optimizers.Lookahead(tfa.optimizers.LAMB(schedule))
    stock._create_all_weights(theirs)  # inside a loop of the graph they could not be created
    ours = Optimiser(groups())

    def by_addons() -> None:
        stock.apply_gradients(zip(gradients, theirs, strict=True))

    before, compiled = time_of(by_addons), time_of(by_addons, jit_compile=True)
    after = time_of(lambda: ours.apply(gradients))
    name = label(config)
    return [
        Choice(f"an update: tensorflow-addons -> fused, {name}", before, after),
        Choice(
            f"an update: tensorflow-addons under XLA (not kept) -> fused, {name}", compiled, after
        ),
    ]


def metrics(n: int) -> Choice:
    """Score n predictions with scikit-learn, one function after the other, then with one sort."""
    from sklearn import metrics as peer

    from sie.training.metrics import binary_metrics

    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, size=n), rng.random(n)

    def stock() -> None:
        precision, recall, _ = peer.precision_recall_curve(labels, scores)
        peer.auc(recall, precision)
        peer.average_precision_score(labels, scores)
        peer.roc_auc_score(labels, scores)
        for function in (peer.matthews_corrcoef, peer.f1_score, peer.balanced_accuracy_score):
            function(labels, scores > 0.5)

    times = [seconds(50, way) for way in (stock, lambda: binary_metrics(labels, scores))]
    return Choice(f"six scores of {n} predictions: scikit-learn -> one sort", *times)


def side_by_side(copies: int, batch: int, width: int) -> Choice:
    """Multiply by the readout's kernel for several networks: one by one, then in one operation."""
    import tensorflow as tf

    left = tf.random.normal((copies, batch, 2 * width), seed=0)
    right = tf.random.normal((copies, 2 * width, 3 * width), seed=1)
    apart = tf.function(lambda: [tf.matmul(left[i], right[i]) for i in range(copies)])
    joined = tf.function(lambda: tf.matmul(left, right))
    times = [seconds(20, way) for way in (apart, joined)]
    return Choice(f"readout products of {copies} repeats: apart -> side by side (not kept)", *times)


def measure(features: OrbitFeatures) -> list[Choice]:
    """Time everything, the cheap first."""
    choices = [metrics(64), side_by_side(4, 64, 512)]
    for config in CONFIGS:
        choices += updates(config, features.dimension)
        choices.append(known_shape(features, config))
        choices.append(readout_width(features, config))
    choices.append(orbits_for_atoms(features, CONFIGS[0]))
    return choices


def write(path: Path, choices: Sequence[Choice]) -> None:
    """Write the table as JSON."""
    rows = [{**asdict(item), "ratio": item.before / item.after} for item in choices]
    path.write_text(json.dumps({"unit": "s", "choices": rows}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Print one row per choice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="local copy of OBELiX")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args()
    limit_threads(1)
    data = obelix_data(options.data_dir) if options.data_dir else synthetic_data(STRUCTURES)
    features = data.features
    choices = measure(features)
    print(f"{'seconds on one thread':<74}{'before':>10}{'after':>10}{'ratio':>8}")
    for choice in choices:
        print(choice.line())
    if options.json:
        write(options.json, choices)


if __name__ == "__main__":
    main()
