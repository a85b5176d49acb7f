"""One training from start to end in this process, always ending in one recorded status.

The local counterpart of a search's trial: no Ray, no tracking; both are hooked in by `on_chunk`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.splits.record import Split
from sie.training.early_stopping import EarlyStopping
from sie.training.ending import Ending, judge, one_line
from sie.training.record import TrialResult, TrialStatus

if TYPE_CHECKING:
    from sie.training.program import ProgramCache
    from sie.training.trainer import Trainer

CHUNK_EPOCHS = 10
"""Epochs between two looks at the clock, the early stopping and the caller's hook."""

LOGGER = logging.getLogger(__name__)


def train(
    features: OrbitFeatures,
    labels: Mapping[str, int] | np.ndarray,
    split: Split,
    config: TrialConfig,
    seed: int,
    max_epochs: int,
    early_stopping: EarlyStopping | None = None,
    on_chunk: Callable[[Trainer], None] | None = None,
    time_limit_s: float | None = None,
    weights: Mapping[str, np.ndarray] | None = None,
    programs: ProgramCache | None = None,
) -> TrialResult:
    """Train one network and return its record; see `Trainer` for features, labels and seed.

    Parameters
    ----------
    split : Split
        Ids of training and validation.
    max_epochs : int
        Epochs of a trial that nothing ends earlier.
    early_stopping : EarlyStopping, optional
        Curves end at the epoch in which it bites.
    on_chunk : callable, optional
        Called with the trainer after every `CHUNK_EPOCHS` epochs and after the last: to log its
        curves or save its weights.
    time_limit_s : float, optional
        Wall time in seconds, looked at after every chunk.
    weights : Mapping, optional
        Pre-trained weights to start from.
    programs : ProgramCache, optional
        Give the same one to many calls, and each shape of network is compiled once.

    Returns
    -------
    TrialResult
        Completed, early stopped, diverged, timed out, interrupted (Ctrl-C) or failed (any other
        exception; its message is the reason, its traceback is logged).

    Raises
    ------
    InputError
        When the split does not fit features and labels.
    """
    from sie.training.trainer import Trainer

    began = time.monotonic()
    trainer = Trainer(features, labels, split.train, split.validation, programs)
    try:
        trainer.start(config, seed, max_epochs, weights)
        ending = judge(trainer, early_stopping, 0.0, time_limit_s)
        while ending is None:
            trainer.run_epochs(CHUNK_EPOCHS)
            if on_chunk is not None:
                on_chunk(trainer)
            ending = judge(trainer, early_stopping, time.monotonic() - began, time_limit_s)
    except KeyboardInterrupt:
        ending = Ending(TrialStatus.INTERRUPTED, "stopped by the user", trainer.epoch)
    except Exception as error:
        LOGGER.exception("trial failed")
        ending = Ending(TrialStatus.FAILED, one_line(error), trainer.epoch)
    return trainer.finish(ending)
