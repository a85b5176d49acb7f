"""What a trial leaves: its ending, its curves, where the time went.

Pure records without TensorFlow; the trainer that fills them lives beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

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
