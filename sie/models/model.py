"""What a model must offer to be searched, trained side by side in an ensemble, and used in NumPy.

The interface only; `layered` offers all of it for networks that are written down as layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from sie.models.config import TrialConfig
    from sie.models.forward import Member

Shapes = dict[str, tuple[int, ...]]


class Network(Protocol):
    """A network in TensorFlow, as `sie.training.program` trains it; `AtomSets` explains each."""

    dimension: int

    def logits(
        self, rows: Any, multiplicity: Any, owner: Any, draws: Any = None, shared: Any = None
    ) -> Any:
        """Return the log-odds of class 1, shape (n_structures,)."""

    def penalty(self) -> Any:
        """Return the L2 penalty, a scalar."""

    def shared_kernels(self) -> dict[str, Any]:
        """Return the kernels whose gradients are taken from their products; often none."""

    def norm_groups(self) -> list[list[Any]]:
        """Return all trained variables, those together whose norm LAMB takes as one."""

    def set_hyperparameters(self, config: TrialConfig) -> None:
        """Take rates and penalties from a configuration of the same shape."""

    def named_weights(self) -> dict[str, np.ndarray]:
        """Return copies of the trained weights by name, float32."""

    def assign_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take over weights by name."""


class StackedNetwork(Protocol):
    """Several networks of one shape side by side; `StackedAtomSets` explains each."""

    config: TrialConfig
    dimension: int
    n_members: int
    variables: dict[str, Any]

    def logits(
        self, rows: Any, multiplicity: Any, owner: Any, parts: Any, draws: Any, shared: Any
    ) -> Any:
        """Return the log-odds of class 1, shape (n_members, n_structures)."""

    def penalties(self) -> Any:
        """Return each member's L2 penalty, shape (n_members,)."""

    def shared_kernels(self) -> dict[str, Any]:
        """Return the kernels whose gradients are taken from their products; often none."""

    def norm_groups(self) -> list[list[Any]]:
        """Return all variables, those together whose norm LAMB takes as one."""

    def set_hyperparameters(self, configs: Sequence[TrialConfig]) -> None:
        """Take each member's rates and penalties."""


class Model(ABC):
    """One kind of network: its weights, and who computes with them.

    Attributes
    ----------
    ignores : tuple of str
        Hyperparameters that mean nothing to it: they are set to their defaults, and left out of
        tables and records.
    """

    ignores: tuple[str, ...] = ()

    @abstractmethod
    def shapes(self, config: TrialConfig, dimension: int) -> Shapes:
        """Return the shape of every trained weight by name, for rows of `dimension` columns."""

    @abstractmethod
    def initial(self, config: TrialConfig, dimension: int, seed: int) -> dict[str, np.ndarray]:
        """Draw the weights of a fresh network, float32; equal seeds give equal weights."""

    @abstractmethod
    def network(self, config: TrialConfig, dimension: int) -> Network:
        """Return the network that a trial trains; it may import TensorFlow."""

    @abstractmethod
    def side_by_side(self, config: TrialConfig, dimension: int, n_members: int) -> StackedNetwork:
        """Return the networks that an ensemble trains; it may import TensorFlow."""

    @abstractmethod
    def member(
        self, weights: Mapping[str, np.ndarray], config: TrialConfig, n_structures: int
    ) -> Member:
        """Return what scores `n_structures` structures in NumPy, for whoever has no TensorFlow."""
