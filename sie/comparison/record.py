"""`Evaluation`: what one system scored on one split with one seed.

Records only; how they are made lives in `systems`, where they are kept in `recording`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from sie.training.record import TrialStatus

SCORES = ("auc_pr", "mcc", "roc_auc", "f1", "balanced_accuracy", "ap")
"""What every system is scored by, as `sie.training.metrics` defines it."""


class Kind(StrEnum):
    """What a system is; the tag `phase` of its runs."""

    NETWORK = "network"
    BASELINE = "baseline"
    CONTROL = "control"


@dataclass(frozen=True)
class Evaluation:
    """One system, trained on the training part of a split and scored on its validation part.

    Attributes
    ----------
    split : str
        Name of the split.
    seed : int
        Number of the repeat, from 0; what a system draws follows from it.
    status : TrialStatus
        How it ended.
    reason : str
        Why, where it did not complete.
    scores : Mapping[str, float]
        `SCORES`, and spreads named `<score>_sd` where the evaluation is itself a mean over draws.
    curves : Mapping[str, numpy.ndarray]
        Shape (n_epochs,) each; empty for systems without epochs.
    probabilities : Mapping[str, float]
        Last predictions for the validation ids; empty where there is no single prediction.
    settings : Mapping
        Plain values that were chosen on the training part, such as a penalty.
    seconds : float
        Wall time.
    """

    split: str
    seed: int
    status: TrialStatus = TrialStatus.COMPLETED
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_plain(self) -> dict[str, Any]:
        """Return values that JSON can hold."""
        return {
            "split": self.split,
            "seed": self.seed,
            "status": str(self.status),
            "reason": self.reason,
            "scores": dict(self.scores),
            "curves": {name: [float(v) for v in curve] for name, curve in self.curves.items()},
            "probabilities": {entry: float(p) for entry, p in self.probabilities.items()},
            "settings": dict(self.settings),
            "seconds": self.seconds,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Evaluation:
        """Return the evaluation that `to_plain` wrote down."""
        curves = {name: np.array(curve, float) for name, curve in plain["curves"].items()}
        status = TrialStatus(plain["status"])
        return cls(**{**plain, "curves": curves, "status": status})


@dataclass(frozen=True)
class SystemResults:
    """All evaluations of one system.

    Attributes
    ----------
    name, kind : str, Kind
        Of the system.
    run_id : str
        Its parent run in MLflow.
    evaluations : tuple of Evaluation
        In the order of splits and seeds.
    """

    name: str
    kind: Kind
    run_id: str
    evaluations: tuple[Evaluation, ...]
