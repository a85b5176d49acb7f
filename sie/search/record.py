"""Records of a search: one ended trial, one ended search.

What observers, figures and tracking share; filled by `sie.search.tuning` and `sie.search.loco`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from sie.models.config import TrialConfig
from sie.search.selection import RankedTrial, RepeatedConfig
from sie.training.record import TrialResult, TrialStatus


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


def trial_to_plain(ended: EndedTrial) -> dict[str, Any]:
    """Return an ended trial as values that JSON can hold."""
    task, result = ended.task, ended.result
    return {
        "task": {**asdict(task), "config": task.config.as_dict()},
        "status": str(result.status),
        "reason": result.reason,
        "curves": {name: curve.tolist() for name, curve in result.curves.items()},
        "seconds_training": result.seconds_training,
        "seconds_setup": result.seconds_setup,
        "objective": ended.objective,
    }


def trial_from_plain(plain: Mapping[str, Any]) -> EndedTrial:
    """Return the trial that `trial_to_plain` wrote down."""
    task = dict(plain["task"])
    config = TrialConfig.from_mapping(task.pop("config"))
    result = TrialResult(
        TrialStatus(plain["status"]),
        plain["reason"],
        {name: np.array(curve, dtype=float) for name, curve in plain["curves"].items()},
        plain["seconds_training"],
        plain["seconds_setup"],
    )
    phase = Phase(task.pop("phase"))
    return EndedTrial(TrialTask(phase=phase, config=config, **task), result, plain["objective"])


@dataclass(frozen=True)
class PhaseTime:
    """Time of one phase in seconds: `wall`, and what workers spent, summed over them.

    Attributes
    ----------
    wall : float
        From the call that starts the phase to its return.
    training : float
        Inside epoch loops: gradients, updates and the scores of every epoch.
    setup : float
        Starting TensorFlow in new workers, building and tracing networks, drawing weights.
    """

    wall: float
    training: float
    setup: float


@dataclass(frozen=True)
class TimeUse:
    """Where a search's wall time went, in seconds.

    Attributes
    ----------
    starting : float
        Start of Ray, or joining a cluster; 0 where an earlier cluster's search had started it.
    wall : float
        All of it: the start, both phases, judging, and waiting for the last record.
    search, repeats : PhaseTime
        The two phases; only what this start of the search has trained.
    tracking : float
        Time that the search waited for MLflow.
    workers : int
        Trainings that could run at once.
    """

    starting: float
    wall: float
    search: PhaseTime
    repeats: PhaseTime
    tracking: float
    workers: int

    @property
    def efficiency(self) -> float:
        """Share of the workers' wall time that was spent training."""
        return self._share(self.search.training + self.repeats.training)

    @property
    def search_efficiency(self) -> float:
        """The same of the search phase alone, with the start of Ray counted to it."""
        wall = self.starting + self.search.wall
        return self.search.training / (wall * self.workers) if wall else 0.0

    @property
    def starting_share(self) -> float:
        """Share of the workers' wall time before Ray ran."""
        return self._share(self.starting * self.workers)

    @property
    def setup_share(self) -> float:
        """Share of the workers' wall time that went into starting TensorFlow and networks."""
        return self._share(self.search.setup + self.repeats.setup)

    @property
    def tracking_share(self) -> float:
        """Share of the wall time that the search waited for MLflow."""
        return self.tracking / self.wall if self.wall else 0.0

    @property
    def idle_share(self) -> float:
        """The rest: Ray starting workers, decisions, waiting for a phase's last trial, judging."""
        known = self.efficiency + self.starting_share + self.setup_share
        return 1.0 - known if self.wall else 0.0

    def _share(self, seconds: float) -> float:
        return seconds / (self.wall * self.workers) if self.wall else 0.0


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
