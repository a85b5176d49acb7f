"""When a trial ends and how that is called: looked at after every chunk of epochs.

Shared by local trainings and by the search's workers, so that both end trials alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sie.training.early_stopping import EarlyStopping
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    from sie.training.trainer import Trainer


@dataclass(frozen=True)
class Ending:
    """How a trial ended.

    Attributes
    ----------
    status : TrialStatus
        The one state it ended in.
    reason : str
        Why, in a few words; empty for a completed trial.
    n_epochs : int
        Epochs that count; later ones of the last chunk are dropped.
    """

    status: TrialStatus
    reason: str
    n_epochs: int


def judge(
    trainer: Trainer,
    early_stopping: EarlyStopping | None,
    elapsed_s: float,
    time_limit_s: float | None,
) -> Ending | None:
    """Return how the trial ended, or None while it goes on.

    Parameters
    ----------
    trainer : Trainer
        After a chunk of epochs.
    early_stopping : EarlyStopping or None
        Rule that may end the trial before its last epoch.
    elapsed_s, time_limit_s : float
        Wall time of the trial so far, and the most it may take (None: no limit).
    """
    if trainer.diverged:
        return Ending(TrialStatus.DIVERGED, trainer.diverged, trainer.epoch)
    stop = early_stopping and early_stopping.stop_epoch(trainer.curves[early_stopping.metric])
    if early_stopping and stop:
        reason = (
            f"no gain of {early_stopping.min_gain:g} in {early_stopping.metric} "
            f"for {early_stopping.patience} epochs"
        )
        return Ending(TrialStatus.EARLY_STOPPED, reason, stop)
    if trainer.done:
        return Ending(TrialStatus.COMPLETED, "", trainer.epoch)
    if time_limit_s is not None and elapsed_s > time_limit_s:
        return Ending(TrialStatus.TIMED_OUT, f"over {time_limit_s:g} s", trainer.epoch)
    return None


def one_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message."""
    message = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {message}"[:300]
