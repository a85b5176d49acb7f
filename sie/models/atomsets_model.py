"""AtomSets as a registered model: which parts of this room are its own.

The parts themselves are `atomsets`, `stacked` and `atomsets_forward`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sie.models.model import Model, Network, Shapes, StackedNetwork
from sie.models.readout_weights import pooled_width, pooling_shapes

if TYPE_CHECKING:
    from sie.models.config import TrialConfig
    from sie.models.forward import Member


class AtomSetsModel(Model):
    """phi on every orbit row, pooling over the rows of a structure, rho on the result."""

    def shapes(self, config: TrialConfig, dimension: int) -> Shapes:
        """Return the shapes of the weights, in the order of `AtomSets.named_variables`."""
        shapes: Shapes = {}
        for part, n_inputs in (("phi", dimension), ("rho", pooled_width(config))):
            for i in range(config.n_layers):
                shapes[f"{part}/{i}/kernel"] = (n_inputs, config.n_neurons)
                shapes[f"{part}/{i}/bias"] = (config.n_neurons,)
                n_inputs = config.n_neurons
        shapes |= {f"readout/{name}": shape for name, shape in pooling_shapes(config).items()}
        return {**shapes, "score/kernel": (config.n_neurons, 1), "score/bias": (1,)}

    def initial(self, config: TrialConfig, dimension: int, seed: int) -> dict[str, np.ndarray]:
        """Draw the weights of a fresh network."""
        from sie.models.atomsets import initial_weights

        return initial_weights(config, dimension, seed)

    def network(self, config: TrialConfig, dimension: int) -> Network:
        """Return the network that a trial trains."""
        from sie.models.atomsets import AtomSets

        network: Network = AtomSets(config, dimension)
        return network

    def side_by_side(self, config: TrialConfig, dimension: int, n_members: int) -> StackedNetwork:
        """Return the networks that an ensemble trains."""
        from sie.models.stacked import StackedAtomSets

        return StackedAtomSets(config, dimension, n_members)

    def member(
        self, weights: Mapping[str, np.ndarray], config: TrialConfig, n_structures: int
    ) -> Member:
        """Return what scores structures in NumPy."""
        from sie.models.atomsets_forward import BY_POOLING

        return BY_POOLING[config.pooling](weights, config, n_structures)
