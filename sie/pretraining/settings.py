"""How a network is pre-trained: its shape, its cycles of learning rate, when it ends.

Plain values and the rule of ending; the training itself is `sie.pretraining.training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.models.config import TrialConfig


@dataclass(frozen=True)
class Settings:
    """Settings of one pre-training.

    A cycle is `cycle_epochs` epochs in which the learning rate climbs and falls once; each cycle
    starts the optimiser anew with a `decay` times lower peak. So the weights at the end of a cycle
    are all that the next one needs, and a training that was interrupted goes on as if it had not.

    Attributes
    ----------
    n_layers, n_neurons, readout_width, readout_steps : int
        Shape of the network.
    max_epochs, cycle_epochs : int
        Longest training, and epochs of a cycle.
    patience : int
        Cycles in a row without a gain of `min_gain` in validation AUC-PR that end the training.
    min_gain : float
        See `patience`.
    batch_size : int
        Crystals of a step.
    init_lr, max_lr, decay : float
        Learning rate at the ends of a cycle and at the peak of the first; what the peak is
        multiplied by from cycle to cycle.
    dropout, l2 : float
        Before and after the readout alike.
    seed : int
        Of initial weights, order and dropout.
    """

    n_layers: int = 2
    n_neurons: int = 64
    readout_width: int = 512
    readout_steps: int = 3
    max_epochs: int = 40
    cycle_epochs: int = 4
    patience: int = 2
    min_gain: float = 0.001
    batch_size: int = 256
    init_lr: float = 1e-4
    max_lr: float = 2e-2
    decay: float = 0.8
    dropout: float = 0.05
    l2: float = 1e-6
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("max_epochs", "cycle_epochs", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"pre-training: {name} must be 1 or more, got {asdict(self)}")
        if not 0 < self.decay <= 1:
            raise InputError(f"pre-training: 0 < decay <= 1 must hold, but got {self.decay}")
        if not 0 < self.init_lr <= self.max_lr:
            raise InputError(
                f"pre-training: 0 < init_lr <= max_lr must hold, but got {self.init_lr:g} "
                f"and {self.max_lr:g} (--max-lr)"
            )
        self.config(0)  # checks the rest

    @property
    def shape(self) -> str:
        """The network's shape as the command line writes it: 2x64."""
        return f"{self.n_layers}x{self.n_neurons}"

    @property
    def max_cycles(self) -> int:
        """Cycles of the longest training; the last may be shorter."""
        return -(-self.max_epochs // self.cycle_epochs)

    def epochs_of(self, cycle: int) -> range:
        """Return the epochs of a cycle, both counted from 0."""
        first = cycle * self.cycle_epochs
        return range(first, min(first + self.cycle_epochs, self.max_epochs))

    def config(self, cycle: int) -> TrialConfig:
        """Return the hyperparameters of a cycle."""
        return TrialConfig(
            init_lr=self.init_lr,
            max_lr=max(self.max_lr * self.decay**cycle, self.init_lr),
            batch_size=self.batch_size,
            dropout_phi=self.dropout,
            dropout_rho=self.dropout,
            l2_phi=self.l2,
            l2_rho=self.l2,
            n_layers=self.n_layers,
            n_neurons=self.n_neurons,
            readout_width=self.readout_width,
            readout_steps=self.readout_steps,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return asdict(self)

    def why_ended(self, scores: Sequence[float]) -> str:
        """Return why the training ends after these cycles, or "" while it goes on.

        Parameters
        ----------
        scores : sequence of float
            Validation AUC-PR at the end of each cycle so far.
        """
        if len(scores) >= self.max_cycles:
            return f"all {self.max_epochs} epochs done"
        best, waited = -np.inf, 0
        for score in scores:
            if score - self.min_gain > best:
                best, waited = score, 0
            else:
                waited += 1
            if waited >= self.patience:
                return f"no gain of {self.min_gain:g} for {self.patience} cycles"
        return ""


def parse_shapes(text: str) -> list[tuple[int, int]]:
    """Parse "2x64,3x64" into (n_layers, n_neurons) pairs.

    Raises
    ------
    InputError
        When it is written otherwise, or a number is 0.
    """
    shapes = []
    for item in text.lower().split(","):
        layers, _, neurons = item.strip().partition("x")
        if not (layers.isdecimal() and neurons.isdecimal() and int(layers) and int(neurons)):
            raise InputError(f"--shapes {text}: give layers x neurons, such as 2x64,3x64")
        shapes.append((int(layers), int(neurons)))
    return list(dict.fromkeys(shapes))
