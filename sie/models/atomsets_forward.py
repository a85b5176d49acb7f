"""What `AtomSets` computes without dropout, in NumPy alone; see `forward`.

Only the network's own arithmetic; chunks, members and threads live there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sie.models.config import TrialConfig
from sie.models.forward import Chunk, Member, attend, softmax
from sie.models.inputs import standard_rows


class _AtomSets(Member):
    """One network; how it pools is its own."""

    def log_odds(self, chunk: Chunk) -> np.ndarray:
        """Return the log-odds of a chunk's structures, shape (n_structures,)."""
        x = self._after_pooling(chunk)
        for i in range(1, self._config.n_layers):
            x = self._dense(x, f"rho/{i}")
        return (x @ self._weights["score/kernel"])[:, 0] + self._weights["score/bias"]

    def _after_pooling(self, chunk: Chunk) -> np.ndarray:
        """Return what the first layer of rho gives, (n_structures, n_neurons)."""
        raise NotImplementedError

    def _rows(self, chunk: Chunk) -> np.ndarray:
        """Return what phi makes of the rows, (n_rows, n_neurons)."""
        rows = standard_rows(chunk.rows, self._weights)
        for i in range(self._config.n_layers):
            rows = self._dense(rows, f"phi/{i}")
        return rows

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        x = x @ self._weights[f"{name}/kernel"]
        x += self._weights[f"{name}/bias"]
        return self._activate(x)


class _Simple(_AtomSets):
    """Attention with one query, or without one the mean; `WeightedPooling` in NumPy."""

    def attention(self, chunk: Chunk) -> np.ndarray:
        """Return the shares of a chunk's rows, shape (n_rows,)."""
        return self._shares(self._rows(chunk), chunk)

    def _shares(self, rows: np.ndarray, chunk: Chunk) -> np.ndarray:
        query = self._weights.get("readout/query", np.zeros(rows.shape[1], np.float32))
        return softmax(rows @ query, chunk)

    def _after_pooling(self, chunk: Chunk) -> np.ndarray:
        rows = self._rows(chunk)
        return self._dense(attend(self._shares(rows, chunk), rows, chunk), "rho/0")


class _Set2Set(_AtomSets):
    """Set2Set. The algebra that spares it most products is `WeightedSet2Set`'s.

    Beyond that, what does not depend on a structure is multiplied here, once: round 1, whose query
    is the same for all, and the part of rho's first layer that meets the attended memory.
    """

    def __init__(
        self, weights: Mapping[str, np.ndarray], config: TrialConfig, n_structures: int
    ) -> None:
        super().__init__(weights, config, n_structures)
        self._kernel, self._bias = weights["readout/kernel"], weights["readout/bias"]
        self._hidden = weights["readout/hidden_kernel"]
        self._gate_bias = weights["readout/gate_bias"]
        self._first_query = _lstm(self._gate_bias[np.newaxis].copy())
        self._first_asked = self._first_query @ self._kernel.T
        self._first_gates = self._first_query @ self._hidden
        read = weights["readout/read_kernel"]
        self._read: tuple[np.ndarray, ...] = (self._kernel, self._bias, read)
        if _folding_pays(config, n_structures):
            self._read = (self._kernel @ read, self._bias @ read)
        self._after_query, of_memory = np.split(weights["rho/0/kernel"], 2)
        self._after_mean = self._kernel @ of_memory
        self._after_bias = self._bias @ of_memory + weights["rho/0/bias"]

    def _after_pooling(self, chunk: Chunk) -> np.ndarray:
        query, mean, _ = self._rounds(chunk)
        x = query @ self._after_query + mean @ self._after_mean
        x += self._after_bias
        return self._activate(x)

    def attention(self, chunk: Chunk) -> np.ndarray:
        """Return the shares of a chunk's rows, shape (n_rows,)."""
        return self._rounds(chunk)[2]

    def _rounds(self, chunk: Chunk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the last round's query, attended row and shares.

        Shapes (n_structures or 1, width), (n_structures, n_neurons) and (n_rows,).
        """
        rows = self._rows(chunk)
        query, gates = self._first_query, self._first_gates
        # the first query is the same for all: one product with it serves every row
        share = softmax(rows @ self._first_asked[0], chunk)
        mean = attend(share, rows, chunk)
        for again in range(self._config.readout_steps - 1):
            if again:
                gates = query @ self._hidden
            opened = self._of_mean(mean)
            opened += gates
            query = _lstm(opened)
            asked = query @ self._kernel.T
            share = softmax(np.einsum("ij,ij->i", rows, asked[chunk.owner]), chunk)
            mean = attend(share, rows, chunk)
        return query, mean, share

    def _of_mean(self, mean: np.ndarray) -> np.ndarray:
        """Return what attended rows and the bias add to the gates, (n_structures, 3 width)."""
        gates = mean @ self._read[0]
        gates += self._read[1]
        if len(self._read) == 3:
            gates = gates @ self._read[2]
        gates += self._gate_bias
        return gates


BY_POOLING: Mapping[str, type[_AtomSets]] = {
    "set2set": _Set2Set,
    "attention": _Simple,
    "mean": _Simple,
}
"""What computes a network, by its pooling."""


def _folding_pays(config: TrialConfig, n_structures: int) -> bool:
    """Return whether to multiply the memory's kernel with that of the gates, or attended rows."""
    width, d = config.readout_width, config.n_neurons
    apart = width * d + 3 * width**2
    return n_structures * (config.readout_steps - 1) * (apart - 3 * width * d) > 3 * width**2 * d


def _lstm(gates: np.ndarray) -> np.ndarray:
    """Return the hidden state from gates (n, 3 width), which are used up; c before is 0."""
    width = gates.shape[1] // 3
    opened = gates[:, : 2 * width]
    opened *= 0.2
    opened += 0.5
    np.maximum(opened, 0, out=opened)  # half the time of np.clip
    np.minimum(opened, 1, out=opened)
    into, out, cell = gates[:, :width], gates[:, width : 2 * width], gates[:, 2 * width :]
    np.tanh(cell, out=cell)
    cell *= into
    np.tanh(cell, out=cell)
    return out * cell
