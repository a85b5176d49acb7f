"""Models that are written down once, as layers: what they compute follows everywhere from that.

A subclass of `LayeredModel` is a whole model: searched and trained by TensorFlow
(`layered_networks`), side by side in an ensemble, and used in NumPy, which is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sie.errors import InputError
from sie.models.forward import Chunk, Member, attend, softmax
from sie.models.initial import glorot_uniform
from sie.models.inputs import standard_rows
from sie.models.model import Model, Network, Shapes, StackedNetwork

if TYPE_CHECKING:
    from sie.models.config import TrialConfig

Sizes = dict[str, tuple[int, int]]
"""Columns that a dense layer takes and gives, by its name."""


class Layers(Protocol):
    """What a model computes with; the arrays are TensorFlow's or NumPy's.

    Attributes
    ----------
    rows : array
        Rows of the structures' orbits, shape (..., n_rows, d).
    """

    rows: Any

    def dense(self, name: str, x: Any) -> Any:
        """Return x times the kernel of a layer, plus its bias; nothing else is done to it."""

    def hidden(self, part: str, x: Any) -> Any:
        """Return what the n_layers layers of a part make of x; see `hidden_sizes`."""

    def mean(self, x: Any) -> Any:
        """Return the mean of each structure's rows, weighted by multiplicity, (..., n, columns)."""


def hidden_sizes(part: str, n_inputs: int, config: TrialConfig) -> Sizes:
    """Return the sizes of n_layers dense layers of n_neurons, part/0 and so on.

    Parameters
    ----------
    part : str
        phi, for layers on rows, or rho, for layers on structures. Each is followed by the
        configuration's activation, by dropout (dropout_phi or dropout_rho), and has the L2 penalty
        l2_phi or l2_rho on its kernel.
    n_inputs : int
        Columns that the first one takes.
    config : TrialConfig
        Gives depth and width.
    """
    inputs = [n_inputs, *[config.n_neurons] * (config.n_layers - 1)]
    return {f"{part}/{i}": (n, config.n_neurons) for i, n in enumerate(inputs)}


class LayeredModel(Model):
    """A model of dense layers and means: give `sizes` and `score`, and it is complete."""

    @abstractmethod
    def sizes(self, config: TrialConfig, dimension: int) -> Sizes:
        """Return the sizes of all layers, the one that takes rows of `dimension` columns first."""

    @abstractmethod
    def score(self, layers: Layers) -> Any:
        """Return the log-odds of class 1 as one column, shape (..., n_structures, 1)."""

    def shapes(self, config: TrialConfig, dimension: int) -> Shapes:
        """Return the shapes of kernels and biases by name."""
        shapes: Shapes = {}
        for name, (n_inputs, n_outputs) in self.sizes(config, dimension).items():
            shapes[f"{name}/kernel"] = (n_inputs, n_outputs)
            shapes[f"{name}/bias"] = (n_outputs,)
        return shapes

    def initial(self, config: TrialConfig, dimension: int, seed: int) -> dict[str, np.ndarray]:
        """Draw kernels from Glorot's uniform distribution; biases are zero."""
        rng = np.random.default_rng(seed)
        weights = {}
        for name, (n_inputs, n_outputs) in self.sizes(config, dimension).items():
            weights[f"{name}/kernel"] = glorot_uniform(rng, n_inputs, n_outputs)
            weights[f"{name}/bias"] = np.zeros(n_outputs, dtype=np.float32)
        return weights

    def network(self, config: TrialConfig, dimension: int) -> Network:
        """Return the network that a trial trains."""
        from sie.models.layered_networks import LayeredNetwork

        return LayeredNetwork(self, config, dimension)

    def side_by_side(self, config: TrialConfig, dimension: int, n_members: int) -> StackedNetwork:
        """Return the networks that an ensemble trains."""
        from sie.models.layered_networks import StackedLayered

        return StackedLayered(self, config, dimension, n_members)

    def member(
        self, weights: Mapping[str, np.ndarray], config: TrialConfig, n_structures: int
    ) -> Member:
        """Return what scores structures in NumPy."""
        return _LayeredMember(self, weights, config, n_structures)


class _LayeredMember(Member):
    """One network in NumPy."""

    def __init__(self, model: LayeredModel, *given: Any) -> None:
        super().__init__(*given)
        self._model = model

    def log_odds(self, chunk: Chunk) -> np.ndarray:
        """Return the log-odds of a chunk's structures, shape (n_structures,)."""
        odds: np.ndarray = self._model.score(self._layers(chunk))[:, 0]
        return odds

    def attention(self, chunk: Chunk) -> np.ndarray:
        """Return the shares of a chunk's rows in the last mean over rows, shape (n_rows,)."""
        layers = self._layers(chunk)
        self._model.score(layers)
        if layers.shares is None:
            raise InputError(
                f"model {self._config.model} takes no mean over rows, so no row has a share of it"
            )
        return layers.shares

    def _layers(self, chunk: Chunk) -> _NumpyLayers:
        return _NumpyLayers(self._weights, self._config, self._activate, chunk)


class _NumpyLayers:
    """`Layers` on a chunk's rows."""

    def __init__(
        self, weights: Mapping[str, np.ndarray], config: TrialConfig, activate: Any, chunk: Chunk
    ) -> None:
        self._weights, self._config, self._activate = weights, config, activate
        self._chunk = chunk
        self.rows = standard_rows(chunk.rows, weights)
        self.shares: np.ndarray | None = None

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        product: np.ndarray = x @ self._weights[f"{name}/kernel"]
        product += self._weights[f"{name}/bias"]
        return product

    def hidden(self, part: str, x: np.ndarray) -> np.ndarray:
        for i in range(self._config.n_layers):
            x = self._activate(self.dense(f"{part}/{i}", x))
        return x

    def mean(self, x: np.ndarray) -> np.ndarray:
        self.shares = softmax(np.zeros(len(x), dtype=np.float32), self._chunk)
        return attend(self.shares, x, self._chunk)
