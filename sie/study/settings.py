"""How much each step of a study does: the presets quick and full.

Numbers only; the steps live beside this module.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sie.models.config import TrialConfig
from sie.search.plan import Budget
from sie.structures.ordering import OrderingLimits
from sie.structures.representations import Representation

Pair = tuple[Representation, int]
"""A representation and a MEGNet level."""

ALL_PAIRS: tuple[Pair, ...] = tuple((r, level) for r in Representation for level in range(4))

FIXED_CONFIG = TrialConfig(
    n_layers=2,
    n_neurons=64,
    batch_size=64,
    init_lr=1e-4,
    max_lr=7e-3,
    dropout_phi=0.1,
    dropout_rho=0.1,
    l2_phi=1e-4,
    l2_rho=1e-4,
)
"""For comparisons without a search: inside the article's space, with its highest rates, weakest
dropout and weakest penalties. Set by hand before any comparison was run, and tuned on none."""


@dataclass(frozen=True)
class StudySettings:
    """Sizes of all steps.

    Attributes
    ----------
    pairs : tuple of Pair
        Representations and levels of the k-fold grid.
    epochs : int
        Length of a training with `config`.
    network_seeds, baseline_seeds : int
        Repeats on every split.
    loco_pairs : tuple of Pair
        Representations and levels that are searched cluster by cluster.
    loco_space : str
        Search space.
    loco_budget : Budget
        Of every cluster's search.
    ordered_limits : OrderingLimits
        Of the ordering of one crystal.
    transfer_seeds, transfer_epochs : int
        Repeats of cold and pre-trained starts, and their length.
    config : TrialConfig
        For everything that is not searched.
    """

    pairs: tuple[Pair, ...] = ALL_PAIRS
    epochs: int = 150
    network_seeds: int = 3
    baseline_seeds: int = 10
    loco_pairs: tuple[Pair, ...] = (
        (Representation.CAMN, 0),
        (Representation.CAMN, 1),
        (Representation.CAMNS, 1),
    )
    loco_space: str = "paper"
    loco_budget: Budget = field(
        default_factory=lambda: Budget(trials=12, top=2, repeats=4, max_epochs=80, startup_trials=8)
    )
    ordered_limits: OrderingLimits = field(default_factory=OrderingLimits)
    transfer_seeds: int = 10
    transfer_epochs: int = 40
    config: TrialConfig = FIXED_CONFIG

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            **plain,
            "pairs": [pair_name(pair) for pair in self.pairs],
            "loco_pairs": [pair_name(pair) for pair in self.loco_pairs],
            "loco_budget": asdict(self.loco_budget),
            "ordered_limits": asdict(self.ordered_limits),
            "config": self.config.as_dict(),
        }


STUDY_PRESETS: dict[str, StudySettings] = {
    "quick": StudySettings(
        epochs=60,
        network_seeds=1,
        baseline_seeds=3,
        loco_pairs=((Representation.CAMN, 0), (Representation.CAMNS, 1)),
        loco_space="quick",
        loco_budget=Budget(trials=4, top=2, repeats=2, max_epochs=60, startup_trials=4),
        ordered_limits=OrderingLimits(seconds=10.0),
        transfer_seeds=2,
    ),
    "full": StudySettings(),
}


def pair_name(pair: Pair) -> str:
    """Return such as CAMNS-V1."""
    return f"{pair[0]}-V{pair[1]}"
