"""Records of a search: one ended trial, one ended search.

What observers, figures and tracking share; filled by `sie.search.tuning` and `sie.search.loco`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sie.search.selection import RankedTrial, RepeatedConfig
from sie.training.record import TrialConfig, TrialResult


class Phase(StrEnum):
    """What a training was for; the tag `phase` of its run."""

    SEARCH = "search"
    REPEAT = "repeat"
    RERUN = "rerun"


@dataclass(frozen=True)
class TrialTask:
    """One training that is to be done.

    Attributes
    ----------
    key : str
        Name within the search, e.g. ``trial-0007`` or ``repeat-<configuration>-02``.
    number : int
        Position in its phase, from 0.
    """

    key: str
    phase: Phase
    number: int
    config: TrialConfig
    seed: int


@dataclass(frozen=True)
class EndedTrial:
    """One training that ended, with its objective."""

    task: TrialTask
    result: TrialResult
    objective: float


@dataclass(frozen=True)
class TimeUse:
    """Where a search's wall time went, in seconds.

    Attributes
    ----------
    wall : float
        From the start of Ray to the last closed run.
    training : float
        Time inside epoch loops, summed over workers.
    setup : float
        Time for building and tracing networks, summed over workers.
    tracking : float
        Time of the driver inside MLflow calls.
    workers : int
        Trainings that could run at once.
    """

    wall: float
    training: float
    setup: float
    tracking: float
    workers: int

    @property
    def efficiency(self) -> float:
        """Share of the workers' wall time that was spent training."""
        return self.training / (self.wall * self.workers) if self.wall else 0.0

    @property
    def tracking_share(self) -> float:
        """Share of the wall time that the driver spent in MLflow calls."""
        return self.tracking / self.wall if self.wall else 0.0


@dataclass(frozen=True)
class SearchOutcome:
    """What a cluster's search found.

    Attributes
    ----------
    run_id : str
        The parent run in MLflow.
    searched, repeated : tuple of EndedTrial
        Every training of the two phases, in order of their numbers.
    top : tuple of RankedTrial
        Configurations that were chosen to be repeated.
    judged : tuple of RepeatedConfig
        The same after their repeats, best first.
    winner : RepeatedConfig or None
        The cluster's winner; None where nothing could be judged.
    interrupted : bool
        Whether the user stopped the search early.
    time : TimeUse
        Where the wall time went.
    """

    run_id: str
    searched: tuple[EndedTrial, ...]
    repeated: tuple[EndedTrial, ...]
    top: tuple[RankedTrial, ...]
    judged: tuple[RepeatedConfig, ...]
    winner: RepeatedConfig | None
    interrupted: bool
    time: TimeUse
