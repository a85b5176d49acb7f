"""The systems that can be compared: each learns from the training part and predicts the other.

What a network, a baseline and a control compute lives in `sie.training` and `sie.models`; here
they get one face. TensorFlow is imported where a network is trained.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sie.comparison.record import SCORES, Evaluation, Kind
from sie.features.descriptors import Descriptors
from sie.features.record import OrbitFeatures
from sie.hashing import content_hash
from sie.models.config import TrialConfig
from sie.splits.record import Split
from sie.training.ending import judge
from sie.training.metrics import binary_metrics
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    from sie.models.baselines import Baseline
    from sie.training.program import ProgramCache

SCORED_EPOCHS = 10
"""A network's score is the mean over its last epochs: no epoch is chosen by the validation part."""


class System(Protocol):
    """Something that is trained on one part of a split and scored on the other."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def kind(self) -> Kind:
        """Network, baseline or control."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Plain values that describe it, without its data."""

    @property
    def hash(self) -> str:
        """Content hash of everything its evaluations depend on but split and seed."""

    def evaluate(self, split: Split, seed: int, programs: ProgramCache | None) -> Evaluation:
        """Train and score."""


@dataclass(frozen=True)
class NetworkSystem:
    """AtomSets with one fixed configuration, trained for a fixed number of epochs.

    Attributes
    ----------
    features, labels
        Of at least the splits' ids.
    features_hash : str
        Names the features by what they are made from.
    config : TrialConfig
        Hyperparameters; chosen before, never on the splits that it is scored on.
    epochs : int
        Length of a training.
    weights : Mapping, optional
        Pre-trained weights to start from.
    about : Mapping
        What the features are: representation, level.
    """

    name: str
    features: OrbitFeatures
    features_hash: str
    labels: Mapping[str, int]
    config: TrialConfig
    epochs: int
    weights: Mapping[str, np.ndarray] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """A network."""
        return Kind.NETWORK

    @property
    def params(self) -> Mapping[str, Any]:
        """Configuration, epochs, and what the features are."""
        start = {"pretrained": self.weights is not None}
        return {**self.about, **start, "epochs": self.epochs, **self.config.as_dict()}

    @cached_property
    def hash(self) -> str:
        """Content hash over features, labels, configuration and starting weights."""
        weights = None if self.weights is None else dict(self.weights)
        made_of = self.features_hash, dict(self.labels), weights
        return content_hash("network-1", made_of, self.config.as_dict(), self.epochs, SCORED_EPOCHS)

    def evaluate(self, split: Split, seed: int, programs: ProgramCache | None) -> Evaluation:
        """Train to the last epoch; a diverged training has curves but no scores."""
        from sie.training.trainer import Trainer

        began = time.perf_counter()
        trainer = Trainer(self.features, self.labels, split.train, split.validation, programs)
        trainer.start(self.config, seed, self.epochs, self.weights)
        trainer.run_epochs(self.epochs)
        ending = judge(trainer, None, 0.0, None)
        status = ending.status if ending else TrialStatus.INTERRUPTED
        curves = trainer.curves
        scores, probabilities = {}, {}
        if status is TrialStatus.COMPLETED:
            scores = {name: float(curves[f"val_{name}"][-SCORED_EPOCHS:].mean()) for name in SCORES}
            predicted = trainer.validation_probabilities()
            probabilities = dict(zip(split.validation, map(float, predicted), strict=True))
        return Evaluation(
            split.name,
            seed,
            status,
            ending.reason if ending else "",
            scores,
            curves,
            probabilities,
            seconds=time.perf_counter() - began,
        )


@dataclass(frozen=True)
class BaselineSystem:
    """A scikit-learn model on one vector per crystal.

    Attributes
    ----------
    baseline : Baseline
        The model; what it chooses it chooses on the training part.
    descriptors : Descriptors
        Of at least the splits' ids.
    labels : Mapping[str, int]
        Of at least the splits' ids.
    groups : Mapping[str, int], optional
        Clusters, for choices that are to extrapolate within the training part too.
    """

    name: str
    baseline: Baseline
    descriptors: Descriptors
    labels: Mapping[str, int]
    groups: Mapping[str, int] | None = None

    @property
    def kind(self) -> Kind:
        """A baseline."""
        return Kind.BASELINE

    @property
    def params(self) -> Mapping[str, Any]:
        """The model's settings and the number of columns."""
        inner = "folds" if self.groups is None else "clusters"
        return {
            "model": self.baseline.kind,
            "n_descriptors": len(self.descriptors.names),
            "inner_choice": inner,
            **self.baseline.settings,
        }

    @cached_property
    def hash(self) -> str:
        """Content hash over descriptors, labels and settings."""
        groups = None if self.groups is None else dict(self.groups)
        settings = {k: str(v) for k, v in self.params.items()}
        settings["scikit-learn"] = version("scikit-learn")
        return content_hash(
            "baseline-1", settings, self.descriptors.hash, dict(self.labels), groups
        )

    def evaluate(self, split: Split, seed: int, programs: ProgramCache | None) -> Evaluation:
        """Fit and score; what was chosen inside the training part is kept as settings."""
        from sie.models.baselines import fit

        began = time.perf_counter()
        groups = None if self.groups is None else [self.groups[i] for i in split.train]
        fitted = fit(
            self.baseline,
            self.descriptors.rows_of(split.train),
            _classes(self.labels, split.train),
            seed,
            None if groups is None else np.array(groups),
        )
        predicted = fitted.probabilities(self.descriptors.rows_of(split.validation))
        return Evaluation(
            split.name,
            seed,
            scores=_picked(binary_metrics(_classes(self.labels, split.validation), predicted)),
            probabilities=dict(zip(split.validation, map(float, predicted), strict=True)),
            settings={f"chosen_{name}": value for name, value in fitted.chosen.items()},
            seconds=time.perf_counter() - began,
        )


@dataclass(frozen=True)
class ControlSystem:
    """A prediction that knows nothing of crystals: the training mean, or permuted labels."""

    name: str
    labels: Mapping[str, int]
    n_permutations: int = 1000

    @property
    def kind(self) -> Kind:
        """A control."""
        return Kind.CONTROL

    @property
    def params(self) -> Mapping[str, Any]:
        """The number of permutations, where there are any."""
        return {"n_permutations": self.n_permutations} if self.name == "shuffled" else {}

    @cached_property
    def hash(self) -> str:
        """Content hash over the labels."""
        return content_hash("control-1", self.name, self.n_permutations, dict(self.labels))

    def evaluate(self, split: Split, seed: int, programs: ProgramCache | None) -> Evaluation:
        """Score the control."""
        from sie.models.controls import mean_control, shuffled_control

        began = time.perf_counter()
        validation = _classes(self.labels, split.validation)
        if self.name == "mean":
            scores = _picked(mean_control(_classes(self.labels, split.train), validation))
        else:
            drawn = shuffled_control(validation, self.n_permutations, seed)
            scores = _picked(drawn.mean)
            scores |= {f"{name}_sd": drawn.sd[name] for name in SCORES}
        return Evaluation(split.name, seed, scores=scores, seconds=time.perf_counter() - began)


def _classes(labels: Mapping[str, int], ids: tuple[str, ...]) -> np.ndarray:
    return np.array([labels[entry] for entry in ids], dtype=np.int8)


def _picked(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: float(scores[name]) for name in SCORES}
