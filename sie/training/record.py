"""What a trial is given and what it leaves: configuration, ending, result.

Pure records without TensorFlow; the trainer that fills them lives beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.hashing import content_hash

METRICS = (
    "train_loss",
    "val_loss",
    "val_auc_pr",
    "val_ap",
    "val_mcc",
    "val_roc_auc",
    "val_f1",
    "val_balanced_accuracy",
)
"""Curves that every trial records, one value an epoch."""


class TrialStatus(StrEnum):
    """The one state in which a trial ends."""

    COMPLETED = "completed"
    STOPPED_BY_SCHEDULER = "stopped_by_scheduler"
    EARLY_STOPPED = "early_stopped"
    DIVERGED = "diverged"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"

    @property
    def counts(self) -> bool:
        """Whether the curves of such a trial may be ranked."""
        return self in (
            TrialStatus.COMPLETED,
            TrialStatus.STOPPED_BY_SCHEDULER,
            TrialStatus.EARLY_STOPPED,
        )


@dataclass(frozen=True)
class TrialConfig:
    """Hyperparameters of one trial (article's Table S7); phi is before the readout, rho after.

    Attributes
    ----------
    init_lr, max_lr : float
        Bounds of the triangular-2 cyclical learning rate.
    batch_size : int
        Structures per step.
    dropout_phi, dropout_rho : float
        Share of units dropped after each dense layer, in [0, 1).
    l2_phi, l2_rho : float
        L2 penalty on the kernels of the dense layers.
    n_layers, n_neurons : int
        Depth and width of phi and of rho.
    readout_width, readout_steps : int
        Set2Set's n_hidden and T.
    """

    init_lr: float = 4e-5
    max_lr: float = 3e-3
    batch_size: int = 64
    dropout_phi: float = 0.1
    dropout_rho: float = 0.1
    l2_phi: float = 1e-4
    l2_rho: float = 1e-4
    n_layers: int = 3
    n_neurons: int = 64
    readout_width: int = 512
    readout_steps: int = 3

    def __post_init__(self) -> None:
        self._require(0 < self.init_lr <= self.max_lr, "0 < init_lr <= max_lr")
        self._require(min(self.l2_phi, self.l2_rho) >= 0, "l2_phi and l2_rho >= 0")
        for name in ("dropout_phi", "dropout_rho"):
            self._require(0 <= getattr(self, name) < 1, f"0 <= {name} < 1")
        for name in ("batch_size", "n_layers", "n_neurons", "readout_width", "readout_steps"):
            value = getattr(self, name)
            self._require(value == int(value) and value >= 1, f"{name} a whole number >= 1")

    def _require(self, holds: bool, rule: str) -> None:
        if not holds:
            raise InputError(f"configuration: {rule} must hold, but got {asdict(self)}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TrialConfig:
        """Build a configuration from plain values, e.g. a sampled point.

        Raises
        ------
        InputError
            When a key is unknown or a value is out of range.
        """
        known = {item.name: item.type for item in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise InputError(
                f"configuration: unknown {', '.join(unknown)}; known: {', '.join(known)}"
            )
        cast: dict[str, Any] = {
            k: int(v) if known[k] == "int" else float(v) for k, v in values.items()
        }
        return cls(**cast)

    def as_dict(self) -> dict[str, Any]:
        """Return the hyperparameters as plain values."""
        return asdict(self)

    @property
    def hash(self) -> str:
        """Content hash: equal configurations have equal hashes."""
        return content_hash("config-1", asdict(self))


@dataclass(frozen=True)
class TrialResult:
    """What one training left.

    Attributes
    ----------
    status : TrialStatus
        How it ended.
    reason : str
        Why, in a few words; empty for a completed trial.
    curves : Mapping[str, numpy.ndarray]
        For each of `METRICS` a float array of shape (n_epochs,); index 0 is epoch 1.
    seconds_training, seconds_setup : float
        Wall time inside the epoch loop, and before it (building, tracing).
    """

    status: TrialStatus
    reason: str = ""
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)
    seconds_training: float = 0.0
    seconds_setup: float = 0.0

    @property
    def n_epochs(self) -> int:
        """Epochs whose metrics were recorded."""
        return len(next(iter(self.curves.values()), ()))
