"""Scores of many members of one network shape, side by side, in NumPy alone.

What `AtomSets` computes without dropout, for whoever has no TensorFlow; nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.inputs import standard_rows
from sie.models.shapes import require_shapes, stack

__all__ = ["attention", "log_odds", "stack"]

CHUNK = 256
"""Structures at once: the gates of so many, 1.6 MB, stay in a core's cache."""

_LIMIT = Lock()
"""Held while NumPy's products are kept to one thread: two callers would undo each other's limit."""


def log_odds(
    stacked: Mapping[str, np.ndarray], config: TrialConfig, features: OrbitFeatures
) -> np.ndarray:
    """Return every member's log-odds of class 1.

    Parameters
    ----------
    stacked : Mapping
        Weights of the members, of `stack`.
    config : TrialConfig
        Gives depth, width and readout; rates are not used.
    features : OrbitFeatures
        Of the structures.

    Returns
    -------
    numpy.ndarray
        Float32, shape (n_members, n_structures).

    Raises
    ------
    InputError
        When weights, configuration and the length of the features' rows do not fit.
    """
    return _by_member(stacked, config, features, _Member.log_odds, len(features))


def attention(
    stacked: Mapping[str, np.ndarray], config: TrialConfig, features: OrbitFeatures
) -> np.ndarray:
    """Return the share of every row in its structure's last round of attention.

    A row's multiplicity is part of its share: an orbit of three sites has that of all three.

    Parameters
    ----------
    stacked, config, features
        As in `log_odds`, with the same errors.

    Returns
    -------
    numpy.ndarray
        Float32, shape (n_members, n_rows); the rows of a structure sum to 1.
    """

    def shares(member: _Member, chunk: _Chunk) -> np.ndarray:
        return member.attention(chunk)

    return _by_member(stacked, config, features, shares, len(features.rows))


@dataclass(frozen=True)
class _Chunk:
    """Some structures and their rows, which lie end to end.

    Attributes
    ----------
    rows, multiplicity : numpy.ndarray
        Shapes (n_rows, d) and (n_rows,).
    starts : numpy.ndarray
        Shape (n_structures,): first row of each structure.
    owner : numpy.ndarray
        Shape (n_rows,): the row's structure, from 0.
    """

    rows: np.ndarray
    multiplicity: np.ndarray
    starts: np.ndarray
    owner: np.ndarray


def _chunks(features: OrbitFeatures) -> Iterator[_Chunk]:
    for first in range(0, len(features), CHUNK):
        last = min(first + CHUNK, len(features))
        offsets = features.offsets[first : last + 1]
        places = slice(offsets[0], offsets[-1])
        yield _Chunk(
            features.rows[places],
            features.multiplicity[places],
            offsets[:-1] - offsets[0],
            np.repeat(np.arange(last - first), np.diff(offsets)),
        )


def _by_member(
    stacked: Mapping[str, np.ndarray],
    config: TrialConfig,
    features: OrbitFeatures,
    work: Callable[[_Member, _Chunk], np.ndarray],
    n_columns: int,
) -> np.ndarray:
    """Return for every member what `work` gives for the chunks, one after the other.

    A product here is too small to share between threads, and elementwise work NumPy does not share
    at all: members are shared instead, on as many threads as NumPy's products might have used.
    """
    from threadpoolctl import ThreadpoolController

    require_shapes(stacked, config, features.dimension, n_leading=1, with_inputs=True)
    chunks = list(_chunks(features))
    n_members = len(stacked["score/bias"])
    result = np.empty((n_members, n_columns), dtype=np.float32)

    def fill(place: int) -> None:
        weights = {name: array[place] for name, array in stacked.items()}
        member = _BY_POOLING[config.pooling](weights, config, len(features))
        parts = [work(member, chunk) for chunk in chunks]
        result[place] = np.concatenate(parts) if parts else 0

    with _LIMIT:
        blas = ThreadpoolController().select(user_api="blas")
        n_threads = max((library.num_threads for library in blas.lib_controllers), default=1)
        with blas.limit(limits=1), ThreadPoolExecutor(min(n_threads, n_members)) as threads:
            list(threads.map(fill, range(n_members)))
    return result


class _Member:
    """One network; how it pools is its own."""

    def __init__(
        self, weights: Mapping[str, np.ndarray], config: TrialConfig, n_structures: int
    ) -> None:
        self._weights, self._config = weights, config
        self._activate = _ACTIVATIONS[config.activation]

    def log_odds(self, chunk: _Chunk) -> np.ndarray:
        """Return the log-odds of a chunk's structures, shape (n_structures,)."""
        x = self._after_pooling(chunk)
        for i in range(1, self._config.n_layers):
            x = self._dense(x, f"rho/{i}")
        return (x @ self._weights["score/kernel"])[:, 0] + self._weights["score/bias"]

    def attention(self, chunk: _Chunk) -> np.ndarray:
        """Return the shares of a chunk's rows, shape (n_rows,)."""
        raise NotImplementedError

    def _after_pooling(self, chunk: _Chunk) -> np.ndarray:
        """Return what the first layer of rho gives, (n_structures, n_neurons)."""
        raise NotImplementedError

    def _rows(self, chunk: _Chunk) -> np.ndarray:
        """Return what phi makes of the rows, (n_rows, n_neurons)."""
        rows = standard_rows(chunk.rows, self._weights)
        for i in range(self._config.n_layers):
            rows = self._dense(rows, f"phi/{i}")
        return rows

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        x = x @ self._weights[f"{name}/kernel"]
        x += self._weights[f"{name}/bias"]
        return self._activate(x)


class _Simple(_Member):
    """Attention with one query, or without one the mean; `WeightedPooling` in NumPy."""

    def attention(self, chunk: _Chunk) -> np.ndarray:
        """Return the shares of a chunk's rows, shape (n_rows,)."""
        return self._shares(self._rows(chunk), chunk)

    def _shares(self, rows: np.ndarray, chunk: _Chunk) -> np.ndarray:
        query = self._weights.get("readout/query", np.zeros(rows.shape[1], np.float32))
        return _softmax(rows @ query, chunk)

    def _after_pooling(self, chunk: _Chunk) -> np.ndarray:
        rows = self._rows(chunk)
        return self._dense(_attend(self._shares(rows, chunk), rows, chunk), "rho/0")


class _Set2Set(_Member):
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

    def _after_pooling(self, chunk: _Chunk) -> np.ndarray:
        query, mean, _ = self._rounds(chunk)
        x = query @ self._after_query + mean @ self._after_mean
        x += self._after_bias
        return self._activate(x)

    def attention(self, chunk: _Chunk) -> np.ndarray:
        """Return the shares of a chunk's rows, shape (n_rows,)."""
        return self._rounds(chunk)[2]

    def _rounds(self, chunk: _Chunk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the last round's query, attended row and shares.

        Shapes (n_structures or 1, width), (n_structures, n_neurons) and (n_rows,).
        """
        rows = self._rows(chunk)
        query, gates = self._first_query, self._first_gates
        # the first query is the same for all: one product with it serves every row
        share = _softmax(rows @ self._first_asked[0], chunk)
        mean = _attend(share, rows, chunk)
        for again in range(self._config.readout_steps - 1):
            if again:
                gates = query @ self._hidden
            opened = self._of_mean(mean)
            opened += gates
            query = _lstm(opened)
            asked = query @ self._kernel.T
            share = _softmax(np.einsum("ij,ij->i", rows, asked[chunk.owner]), chunk)
            mean = _attend(share, rows, chunk)
        return query, mean, share

    def _of_mean(self, mean: np.ndarray) -> np.ndarray:
        """Return what attended rows and the bias add to the gates, (n_structures, 3 width)."""
        gates = mean @ self._read[0]
        gates += self._read[1]
        if len(self._read) == 3:
            gates = gates @ self._read[2]
        gates += self._gate_bias
        return gates


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0, out=x)


def _silu(x: np.ndarray) -> np.ndarray:
    return x * (0.5 * (1 + np.tanh(0.5 * x)))


def _tanh(x: np.ndarray) -> np.ndarray:
    return np.tanh(x, out=x)


_ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": _relu,
    "silu": _silu,
    "tanh": _tanh,
}

_BY_POOLING: Mapping[str, type[_Member]] = {
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


def _softmax(scores: np.ndarray, chunk: _Chunk) -> np.ndarray:
    """Return each row's share: multiplicity times exp(score), over the sum of its structure."""
    scores = np.where(chunk.multiplicity > 0, scores, -np.float32(np.inf))
    scores -= np.maximum.reduceat(scores, chunk.starts)[chunk.owner]
    share = np.exp(scores, out=scores)
    share *= chunk.multiplicity
    share /= np.add.reduceat(share, chunk.starts)[chunk.owner]
    return share


def _attend(share: np.ndarray, rows: np.ndarray, chunk: _Chunk) -> np.ndarray:
    """Return the mean row of every structure, shape (n_structures, d)."""
    return np.add.reduceat(share[:, np.newaxis] * rows, chunk.starts, axis=0)
