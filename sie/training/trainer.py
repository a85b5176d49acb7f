"""Training of one network after another on the same split, a few epochs at a time.

Holds the data and the state of the running trial; when to stop a trial is decided by the driver.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.inputs import input_statistics, standardised, trained_only
from sie.models.weights import WeightFile, save_weights
from sie.training.batches import MASKS_PER_ORBIT, n_batches
from sie.training.ending import Ending
from sie.training.metrics import binary_log_loss, binary_metrics
from sie.training.program import (
    Aims,
    Program,
    ProgramCache,
    ResidentFeatures,
    make_aims,
    sigmoid,
)
from sie.training.record import METRICS, TrialResult


class Trainer:
    """Trains trials on one split: `start`, then `run_epochs` until enough, then `finish`.

    A trial depends on features, split, configuration and seed alone, not on what ran before; on
    one thread (`limit_threads`) it repeats bit for bit.

    Parameters
    ----------
    features : OrbitFeatures
        Of all structures, in any order.
    labels : Mapping[str, int] or numpy.ndarray
        0 or 1 by id; an array (n_structures,) goes with `features.ids`.
    train, validation : sequence of str
        Ids of both parts.
    programs : ProgramCache, optional
        Compiled programs to share with other trainers of this process.
    masks_per_orbit : int
        Dropout masks that the equivalent atoms of an orbit share in training, at most.

    Raises
    ------
    InputError
        When a part is empty, or an id has no finite features or no label of 0 or 1.
    """

    def __init__(
        self,
        features: OrbitFeatures,
        labels: Mapping[str, int] | np.ndarray,
        train: Sequence[str],
        validation: Sequence[str],
        programs: ProgramCache | None = None,
        masks_per_orbit: int = MASKS_PER_ORBIT,
    ) -> None:
        by_id = labels if isinstance(labels, Mapping) else _by_id(features, labels)
        picked, train_labels = pick_part("training", features, by_id, train)
        other, self._validation_labels = pick_part("validation", features, by_id, validation)
        self._statistics = input_statistics(picked)
        self._parts = picked.copied(masks_per_orbit), other
        self._resident: dict[bool, tuple[ResidentFeatures, ResidentFeatures]] = {}
        self._take_rows(standardise=False)
        self._train_labels = tf.constant(train_labels)
        self._aims: Aims | None = None
        self._programs = ProgramCache() if programs is None else programs
        self._program: Program | None = None
        self._curves: dict[str, list[float]] = {name: [] for name in METRICS}
        self.max_epochs = 0
        self.diverged = ""
        self.seconds_training = self.seconds_setup = 0.0

    def start(
        self,
        config: TrialConfig,
        seed: int,
        max_epochs: int,
        weights: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Begin a trial; the one before is forgotten.

        Parameters
        ----------
        config : TrialConfig
            Hyperparameters.
        seed : int
            Of initial weights, order of structures and dropout.
        max_epochs : int
            No more epochs than this are run.
        weights : Mapping, optional
            Pre-trained weights to start from, by name.
        """
        began = time.perf_counter()
        self._program, self._curves = None, {name: [] for name in METRICS}
        self.max_epochs, self.diverged, self.seconds_training = max_epochs, "", 0.0
        weight_seed, order_seed, dropout_seed = np.random.SeedSequence(seed).generate_state(3)
        self._take_rows(config.standardise)
        self._aims = make_aims(config, self._train_labels.numpy())
        program = self._programs.get(config, self._train.features.dimension)
        steps = n_batches(len(self._train.features), config.batch_size)
        program.reset(config, steps, int(weight_seed), int(dropout_seed), weights)
        program.holder = self
        self._program, self.config, self.seed = program, config, seed
        self._order = np.random.default_rng(order_seed)
        self.seconds_setup = time.perf_counter() - began

    @property
    def epoch(self) -> int:
        """Epochs whose scores are recorded."""
        return len(self._curves["train_loss"])

    @property
    def done(self) -> bool:
        """Whether nothing is left to run: all epochs are done, or the trial has diverged."""
        return self.epoch >= self.max_epochs or bool(self.diverged)

    @property
    def curves(self) -> dict[str, np.ndarray]:
        """All recorded scores: for each of `METRICS` float64, shape (epoch,)."""
        return {name: np.array(values) for name, values in self._curves.items()}

    def run_epochs(self, n: int) -> dict[str, np.ndarray]:
        """Train up to n epochs more and return their scores.

        Returns
        -------
        dict
            For each of `METRICS` float64, shape (k,): k < n when the trial reached its last epoch,
            or when a loss or score was not finite. Then `diverged` says what, nothing of that
            epoch is recorded, and the trial runs no further. NaN in a score is a metric that the
            validation labels leave undefined.
        """
        first, began = self.epoch, time.perf_counter()
        try:
            for _ in range(n):
                if self.done:
                    break
                self._run_epoch()
        finally:
            self.seconds_training += time.perf_counter() - began
        return {name: np.array(values[first:]) for name, values in self._curves.items()}

    def finish(self, ending: Ending) -> TrialResult:
        """Return the trial's record; epochs after those that count are left out."""
        curves = {name: curve[: ending.n_epochs] for name, curve in self.curves.items()}
        return TrialResult(
            ending.status, ending.reason, curves, self.seconds_training, self.seconds_setup
        )

    def validation_probabilities(self) -> np.ndarray:
        """Return the present network's float64 probabilities for the validation ids, in order."""
        return sigmoid(self._running().predict(self._validation))

    def weights(self) -> dict[str, np.ndarray]:
        """Return copies of the present weights by name, float32, with the inputs' statistics."""
        weights = self._running().model.named_weights()
        return {**weights, **self._statistics} if self.config.standardise else weights

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Replace the trained weights; the optimiser starts anew from them.

        Standardised rows stay what they are: their statistics are those of the training part.

        Raises
        ------
        InputError
            When names or shapes do not fit.
        """
        self._running().take_weights(trained_only(weights))

    def save(self, path: Path) -> None:
        """Write the present weights and the configuration to a weight file."""
        about = {"dimension": self._train.features.dimension, "seed": self.seed}
        save_weights(path, WeightFile(self.config.as_dict(), self.weights(), about))

    def _take_rows(self, standardise: bool) -> None:
        """Read rows as they are, or standardised; either is copied into tensors once."""
        if standardise not in self._resident:
            statistics = self._statistics if standardise else {}
            train, validation = (
                ResidentFeatures(standardised(part, statistics)) for part in self._parts
            )
            self._resident[standardise] = train, validation
        self._train, self._validation = self._resident[standardise]

    def _running(self) -> Program:
        if self._program is None:
            raise RuntimeError("no trial is running: call start first")
        if self._program.holder is not self:
            raise RuntimeError("another trainer with the same programs has started a trial")
        return self._program

    def _run_epoch(self) -> None:
        program = self._running()
        order = self._order.permutation(len(self._train.features))
        train_loss = program.train_epoch(
            self._train, self._train_labels, order, self.config.batch_size, self._aims
        )
        logits = program.predict(self._validation)
        if not (np.isfinite(train_loss) and np.isfinite(logits).all()):
            what = "training" if not np.isfinite(train_loss) else "validation"
            self.diverged = f"{what} not finite in epoch {self.epoch + 1}"
            return
        scores = binary_metrics(self._validation_labels, sigmoid(logits))
        values = {f"val_{name}": value for name, value in scores.items()}
        values["val_loss"] = binary_log_loss(self._validation_labels, logits)
        values["train_loss"] = train_loss
        for name, curve in self._curves.items():
            curve.append(values[name])


def _by_id(features: OrbitFeatures, labels: np.ndarray) -> dict[str, int]:
    if len(labels) != len(features):
        raise InputError(
            f"{len(labels)} labels for {len(features)} structures; give one label for each"
        )
    return dict(zip(features.ids, labels, strict=True))


def pick_part(
    name: str, features: OrbitFeatures, labels: Mapping[str, int], ids: Sequence[str]
) -> tuple[OrbitFeatures, np.ndarray]:
    """Pick features and float32 labels of one part of the split, by ids.

    Raises
    ------
    InputError
        When there are no ids, or one has no finite features or no label of 0 or 1.
    """
    if not len(ids):
        raise InputError(f"the {name} part of the split is empty; choose another split")
    known = set(features.ids)
    for entry in ids:
        if entry not in known:
            raise InputError(f"{name} id {entry} has no features; compute features of all ids")
        if labels.get(entry) not in (0, 1):
            raise InputError(f"{name} id {entry} has label {labels.get(entry)}; give 0 or 1")
    picked = features.select(ids)
    if not (sound := np.isfinite(picked.rows).all(axis=1)).all():
        first = int(np.searchsorted(picked.offsets, np.argmin(sound), side="right")) - 1
        raise InputError(f"features of {name} id {ids[first]} are not finite; leave it out")
    chosen = np.array([labels[entry] for entry in ids], dtype=np.float32)
    return picked, chosen
