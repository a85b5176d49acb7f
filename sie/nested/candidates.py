"""The fixed list of candidates that a nested estimate chooses from, and what each of them sees.

A candidate is a view of the crystals and a configuration; trainings live beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sie.features.cache import cached_view
from sie.features.record import OrbitFeatures
from sie.features.views import parse_view
from sie.hashing import content_hash
from sie.models.config import TrialConfig
from sie.search.problem import DevelopmentData
from sie.search.space import SearchSpace

VIEWS = ("CAMN-V0", "CAMN-V1", "CAMN-V2", "CAMN-V0+V1", "CAMN-V0+V1+V2", "CAMNS-V1", "CAMNS-V2")
"""What candidates see unless it is said otherwise; levels with a plus are put side by side."""

WIDEST_READOUT = 128
"""Set2Set of drawn candidates is no wider: one of 512 costs as much as a dozen others."""

RECIPE = TrialConfig(
    optimiser="adam",
    schedule="constant",
    max_lr=1e-3,
    standardise=True,
    readout_width=64,
    n_layers=2,
)
"""Adam at 1e-3, standardised rows, a small readout: what a first look found to work."""

GIVEN = ("view", "pretrained")
"""Hyperparameters that a candidate's space may have, but a candidate has not: its view is drawn
from the list, and all start cold."""


@dataclass(frozen=True)
class Candidate:
    """One of the things to choose from.

    Attributes
    ----------
    view : str
        Representation and levels, e.g. CAMN-V0+V1.
    config : TrialConfig
        Hyperparameters.
    name : str
        What tables call it; not part of its hash.
    """

    view: str
    config: TrialConfig
    name: str = ""

    @property
    def hash(self) -> str:
        """Content hash: equal candidates have equal hashes."""
        return content_hash("candidate-1", self.view, self.config.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "view": self.view, "config": self.config.as_dict()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Candidate:
        """Build a candidate from plain values."""
        config = TrialConfig.from_mapping(values["config"])
        return cls(str(values["view"]), config, str(values.get("name", "")))


def seen(data: DevelopmentData, view: str) -> OrbitFeatures:
    """Return the development entries as a view has them."""
    return cached_view(data.crystals, parse_view(view))


def by_hand(views: Sequence[str] = VIEWS) -> list[Candidate]:
    """Return the recipe for every view, with mean pooling too, and the article's defaults."""
    averaged = replace(RECIPE, pooling="mean")
    made = [Candidate(view, RECIPE, f"recipe {view}") for view in views]
    made += [Candidate(view, averaged, f"recipe, mean, {view}") for view in views]
    made.append(Candidate(views[0], TrialConfig(), f"article {views[0]}"))
    return made


def drawn(space: SearchSpace, n: int, seed: int, views: Sequence[str] = VIEWS) -> list[Candidate]:
    """Draw n distinct candidates: a view and a configuration each, uniformly.

    Configurations with a readout wider than `WIDEST_READOUT` are drawn again.
    """
    ranges = tuple(p for p in space.parameters if p.name not in GIVEN)
    space = replace(space, parameters=ranges)
    rng = np.random.default_rng(seed)
    made: dict[str, Candidate] = {}
    while len(made) < n:
        view = views[int(rng.integers(len(views)))]
        config = space.sample(rng)
        if config.pooling == "set2set" and config.readout_width > WIDEST_READOUT:
            continue
        candidate = Candidate(view, config, f"draw {len(made)}")
        made.setdefault(candidate.hash, candidate)
    return list(made.values())
