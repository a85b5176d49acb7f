"""Training of one network on a large set, in cycles, each of which can be the last or the next.

Epochs are the trainer's own compiled loop in pieces, so that memory does not grow with the set.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sie.errors import InputError, SieError
from sie.features.record import OrbitFeatures
from sie.hashing import content_hash
from sie.models.atomsets import initial_weights
from sie.models.weights import WeightFile, load_weights, save_weights
from sie.pretraining.parts import Parts
from sie.pretraining.settings import Settings
from sie.training.batches import n_batches
from sie.training.metrics import binary_log_loss, binary_metrics
from sie.training.optimiser import STEP_SIZE_EPOCHS
from sie.training.program import Program, ProgramCache, ResidentFeatures, sigmoid

logger = logging.getLogger(__name__)

BATCHES_AT_ONCE = 32
"""Batches of a piece of an epoch: the dropout's random numbers of a piece are drawn together."""

CURVES = ("train_loss", "val_loss", "val_auc_pr", "val_roc_auc", "val_mcc")

Weights = Mapping[str, np.ndarray]


@dataclass
class Progress:
    """Where a training stands at the end of a cycle."""

    weights: Weights
    best_weights: Weights
    scores: list[float] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVES})
    seconds: float = 0.0

    @property
    def cycles(self) -> int:
        """Cycles done."""
        return len(self.scores)

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.curves["train_loss"])


@dataclass(frozen=True)
class Trained:
    """What a pre-training left.

    Attributes
    ----------
    weights : Mapping
        Of the end of the best cycle, float32, by name.
    curves : Mapping
        For each of `CURVES` one value an epoch.
    best_epoch, epochs : int
        The epoch of the weights, and all that were run.
    seconds : float
        Wall time of the training, over all starts.
    reason : str
        Why it ended.
    """

    weights: Weights
    curves: Mapping[str, list[float]]
    best_epoch: int
    epochs: int
    seconds: float
    reason: str


class Learner:
    """Trains one network on the training part and scores it on any part.

    On one thread (`limit_threads`) equal data and settings give equal weights, bit for bit.

    Parameters
    ----------
    features : OrbitFeatures
        Of at least the ids of all parts.
    labels : Mapping[str, int]
        0 or 1 by id.
    parts : Parts
        Who trains, who ends the training; the test part is not touched in training.
    settings : Settings
        How.
    programs : ProgramCache, optional
        Compiled programs to share.
    """

    def __init__(
        self,
        features: OrbitFeatures,
        labels: Mapping[str, int],
        parts: Parts,
        settings: Settings,
        programs: ProgramCache | None = None,
    ) -> None:
        self.settings, self.dimension = settings, features.dimension
        self._features, self._labels = features, labels
        self._train = ResidentFeatures(features.select(parts.train))
        self._train_labels = tf.constant(self._classes(parts.train), tf.float32)
        self._validation = ResidentFeatures(features.select(parts.validation))
        self._validation_labels = self._classes(parts.validation)
        programs = ProgramCache() if programs is None else programs
        self._program = programs.get(settings.config(0), self.dimension)
        drawn = (parts.train, parts.validation)
        self.key = content_hash("pretraining-1", settings.as_dict(), features.hash, drawn)

    def run(
        self,
        checkpoint: Path | None = None,
        on_epoch: Callable[[Progress], None] | None = None,
    ) -> Trained:
        """Train until a rule of the settings ends it.

        Parameters
        ----------
        checkpoint : Path, optional
            File that keeps the state after each cycle; a training of equal data and settings goes
            on from it.
        on_epoch : callable, optional
            Told after each epoch.

        Raises
        ------
        SieError
            When a loss or a weight is no longer finite.
        """
        progress = self._resumed(checkpoint) or self._fresh()
        while not (reason := self.settings.why_ended(progress.scores)):
            self._run_cycle(progress, on_epoch)
            if checkpoint is not None:
                save_weights(checkpoint, _as_file(progress, self.key, self.settings))
        best = int(np.argmax(progress.scores))
        return Trained(
            progress.best_weights,
            progress.curves,
            self.settings.epochs_of(best).stop,
            progress.epochs,
            progress.seconds,
            reason,
        )

    def scores(self, weights: Weights, ids: Sequence[str]) -> dict[str, float]:
        """Return `binary_metrics` and the accuracy of some weights on some crystals."""
        self._program.take_weights(weights)
        data = ResidentFeatures(self._features.select(ids))
        labels, probabilities = self._classes(ids), sigmoid(self._program.predict(data))
        accuracy = float(np.mean((probabilities > 0.5) == (labels == 1)))
        return {**binary_metrics(labels, probabilities), "accuracy": accuracy}

    def _fresh(self) -> Progress:
        settings = self.settings
        weights = initial_weights(settings.config(0), self.dimension, settings.seed)
        return Progress(weights, weights)

    def _resumed(self, checkpoint: Path | None) -> Progress | None:
        if checkpoint is None or not checkpoint.is_file():
            return None
        try:
            content = load_weights(checkpoint)
            if content.about["key"] != self.key:
                raise InputError(f"{checkpoint} is of other data or settings")
            progress = _from_file(content)
        except (InputError, KeyError) as error:
            logger.warning("%s; the training starts anew", error)
            return None
        return progress

    def _run_cycle(self, progress: Progress, on_epoch: Callable[[Progress], None] | None) -> None:
        began, settings, cycle = time.perf_counter(), self.settings, progress.cycles
        spent, epochs = progress.seconds, settings.epochs_of(cycle)
        steps = n_batches(len(self._train.features), settings.batch_size)
        # the schedule climbs for STEP_SIZE_EPOCHS of what it is told: half of the cycle
        told = max(round(len(epochs) * steps / (2 * STEP_SIZE_EPOCHS)), 1)
        program = self._program
        program.reset(
            settings.config(cycle), told, 0, _seed(settings.seed, cycle), progress.weights
        )
        for epoch in epochs:
            values = self._run_epoch(program, epoch)
            for name, curve in progress.curves.items():
                curve.append(values[name])
            progress.seconds = spent + time.perf_counter() - began
            if on_epoch is not None:
                on_epoch(progress)
        progress.weights = program.model.named_weights()
        score = progress.curves["val_auc_pr"][-1]
        if score >= max(progress.scores, default=-np.inf):
            progress.best_weights = progress.weights
        progress.scores.append(score)

    def _run_epoch(self, program: Program, epoch: int) -> dict[str, float]:
        settings, n = self.settings, len(self._train.features)
        order = np.random.default_rng([settings.seed, epoch]).permutation(n)
        total, piece = 0.0, BATCHES_AT_ONCE * settings.batch_size
        for first in range(0, n, piece):
            part = order[first : first + piece]
            loss = program.train_epoch(self._train, self._train_labels, part, settings.batch_size)
            total += loss * len(part)
        logits = program.predict(self._validation)
        if not (np.isfinite(total) and np.isfinite(logits).all()):
            raise SieError(
                f"pre-training of {settings.shape} is not finite in epoch {epoch + 1}; "
                "use a lower --max-lr"
            )
        scores = binary_metrics(self._validation_labels, sigmoid(logits))
        values = {f"val_{name}": value for name, value in scores.items()}
        val_loss = binary_log_loss(self._validation_labels, logits)
        return {**values, "val_loss": val_loss, "train_loss": total / n}

    def _classes(self, ids: Sequence[str]) -> np.ndarray:
        return np.array([self._labels[entry] for entry in ids], dtype=np.int8)


def _seed(seed: int, cycle: int) -> int:
    return int(np.random.SeedSequence([seed, cycle]).generate_state(1)[0])


def _as_file(progress: Progress, key: str, settings: Settings) -> WeightFile:
    sets = {"now": progress.weights, "best": progress.best_weights}
    arrays = {f"{when}/{name}": a for when, kept in sets.items() for name, a in kept.items()}
    about: dict[str, Any] = {
        "key": key,
        "scores": progress.scores,
        "curves": progress.curves,
        "seconds": progress.seconds,
    }
    return WeightFile(settings.config(0).as_dict(), arrays, about)


def _from_file(content: WeightFile) -> Progress:
    now, best = (
        {k.removeprefix(when): a for k, a in content.weights.items() if k.startswith(when)}
        for when in ("now/", "best/")
    )
    about = content.about
    return Progress(now, best, about["scores"], about["curves"], about["seconds"])
