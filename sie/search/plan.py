"""What a search is going to do: budget, presets, and the plan whose hash names it.

Records only; the plan is carried out by `sie.search.loco`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

from sie.errors import InputError
from sie.hashing import content_hash
from sie.models.config import TrialConfig
from sie.search.choices import Sampler, Scheduler
from sie.search.selection import SelectionRule
from sie.search.space import SearchSpace


class Mode(StrEnum):
    """How trials are scheduled: as fast as they come, or the same on every run."""

    FAST = "fast"
    REPEATABLE = "repeatable"


REPEATABLE_BATCH = 4
"""Trials that are suggested together in repeatable mode, whatever the number of workers."""


@dataclass(frozen=True)
class Budget:
    """How much is tried; the defaults are the article's.

    Attributes
    ----------
    trials : int
        Configurations drawn in the search.
    top, repeats : int
        Configurations that are repeated, and seeds of each.
    max_epochs, grace_epochs, reduction_factor : int
        ASHA: longest trial, epochs before the first rung, and one in how many survives a rung.
    startup_trials : int
        Random configurations before TPE takes over (HyperOpt's own default).
    patience, min_gain, patience_from
        Early stop: epochs without a gain of `min_gain`, counted from epoch `patience_from`.
    trial_time_limit_s : float or None
        Wall time after which a trial ends as timed out.
    """

    trials: int = 250
    top: int = 10
    repeats: int = 10
    max_epochs: int = 500
    grace_epochs: int = 40
    reduction_factor: int = 4
    startup_trials: int = 20
    patience: int = 100
    min_gain: float = 0.001
    patience_from: int = 30
    trial_time_limit_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("trials", "max_epochs", "grace_epochs", "startup_trials", "patience"):
            self._require(getattr(self, name) >= 1, name, ">= 1")
        for name in ("top", "repeats"):
            self._require(getattr(self, name) >= 0, name, ">= 0")
        self._require(self.reduction_factor >= 2, "reduction_factor", ">= 2")
        limit = self.trial_time_limit_s
        self._require(limit is None or limit > 0, "trial_time_limit_s", "> 0")

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            option = name.replace("_", "-")
            raise InputError(f"--{option} must be {rule}, but got {getattr(self, name)}")

    def with_options(self, options: Mapping[str, Any]) -> Budget:
        """Return the budget with every given (not None) option of the same name replaced."""
        known = {item.name for item in fields(self)}
        given = {k: v for k, v in options.items() if k in known and v is not None}
        return Budget(**{**asdict(self), **given})

    @property
    def grace(self) -> int:
        """First rung: `grace_epochs`, or the whole trial where that is shorter."""
        return min(self.grace_epochs, self.max_epochs)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which a trial may be stopped."""
        rungs, epoch = [], self.grace
        while epoch < self.max_epochs:
            rungs.append(epoch)
            epoch *= self.reduction_factor
        return tuple(rungs)

    @property
    def chunk(self) -> int:
        """Epochs between two reports to Ray: the largest divisor of the first rung up to 10."""
        return max(n for n in range(1, 11) if self.grace % n == 0)

    @property
    def n_repeats(self) -> int:
        """Trainings of the repeat phase."""
        return min(self.top, self.trials) * self.repeats


PRESETS: dict[str, Budget] = {
    "paper": Budget(),
    "quick": Budget(trials=16, top=3, repeats=3, max_epochs=80, startup_trials=8),
}


ONLY_IF_CHOSEN = ("sampler", "scheduler", "points")
"""Later choices of a plan: their defaults leave the hashes of earlier searches as they are."""


@dataclass(frozen=True)
class SearchPlan:
    """Everything that determines one cluster's search.

    Attributes
    ----------
    dataset, representation, level : str
        Names of the database, of the representation (CAMNS ...) and of the features (V0 ... V3).
    cluster : int
        The cluster that is left out for validation.
    dataset_hash, features_hash, split_hash, hold_out_hash : str
        Content hashes of what the trials are trained on, and of the test set kept away.
    space, budget, rule : SearchSpace, Budget, SelectionRule
        What is searched, how much of it, and how it is ranked.
    seed : int
        Master seed.
    mode : Mode
        Scheduling.
    pretrained : str
        Hash of the weights that trials start from; empty for cold starts.
    sampler, scheduler : Sampler, Scheduler
        What draws configurations, and what stops them; the article's are HyperOpt's TPE and ASHA.
    points : tuple of TrialConfig
        Configurations that are tried first.

    Raises
    ------
    InputError
        When there are more points than trials.
    """

    dataset: str
    representation: str
    level: str
    cluster: int
    dataset_hash: str
    features_hash: str
    split_hash: str
    hold_out_hash: str
    space: SearchSpace
    budget: Budget = field(default_factory=Budget)
    rule: SelectionRule = field(default_factory=SelectionRule)
    seed: int = 42
    mode: Mode = Mode.FAST
    pretrained: str = ""
    sampler: Sampler = Sampler.HYPEROPT
    scheduler: Scheduler = Scheduler.ASHA
    points: tuple[TrialConfig, ...] = ()

    def __post_init__(self) -> None:
        if len(self.points) > self.budget.trials:
            raise InputError(
                f"--points gives {len(self.points)} configurations to try first, but --trials is "
                f"{self.budget.trials}; give fewer points or more trials"
            )

    @cached_property
    def hash(self) -> str:
        """Content hash: two plans with equal hashes are the same search."""
        return content_hash("plan-1", self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain values; the space enters by its hash.

        What `ONLY_IF_CHOSEN` names is absent where it is the default.
        """
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        defaults = {item.name: item.default for item in fields(self)}
        for name in ONLY_IF_CHOSEN:
            value = plain.pop(name)
            if name == "points":
                value = " ".join(config.hash for config in self.points)
            if getattr(self, name) != defaults[name]:
                plain[name] = str(value)
        return {
            **plain,
            "space": self.space.hash,
            "budget": asdict(self.budget),
            "rule": asdict(self.rule),
            "mode": str(self.mode),
        }
