"""What draws configurations and what stops trials, by name; light, so that --help can list them.

The samplers' registry is here; they themselves live in `samplers`, the schedulers in `schedule`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sie.registered import registered


class Sampler(StrEnum):
    """What draws configurations, and where the function is that builds it.

    This is the registry, too: a new one is a file with a function as `sie.search.samplers` has
    them, and a line here.
    """

    def __new__(cls, name: str, maker: str = "") -> Sampler:
        """Make a member whose value is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member._maker = maker  # type: ignore[attr-defined]
        return member

    HYPEROPT = "hyperopt", "sie.search.samplers:hyperopt"
    RANDOM = "random", "sie.search.samplers:at_random"
    OPTUNA = "optuna", "sie.search.samplers:optuna_tpe"

    @property
    def maker(self) -> Any:
        """The function that builds Ray's searcher; its parameters are `make_sampler`'s."""
        return registered(self._maker)  # type: ignore[attr-defined]


class Scheduler(StrEnum):
    """What stops trials that fall behind; built by `sie.search.schedule`."""

    ASHA = "asha"
    MEDIAN = "median"
    NONE = "none"
