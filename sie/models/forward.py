"""Scores of many members of one network shape, side by side, in NumPy alone.

For whoever has no TensorFlow: chunks of structures, threads, what every network needs. What a
network computes is its model's business (`atomsets_forward`); nothing is trained here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.registry import find_model
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

    def odds(member: Member, chunk: Chunk) -> np.ndarray:
        return member.log_odds(chunk)

    return _by_member(stacked, config, features, odds, len(features))


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

    def shares(member: Member, chunk: Chunk) -> np.ndarray:
        return member.attention(chunk)

    return _by_member(stacked, config, features, shares, len(features.rows))


@dataclass(frozen=True)
class Chunk:
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


def _chunks(features: OrbitFeatures) -> Iterator[Chunk]:
    for first in range(0, len(features), CHUNK):
        last = min(first + CHUNK, len(features))
        offsets = features.offsets[first : last + 1]
        places = slice(offsets[0], offsets[-1])
        yield Chunk(
            features.rows[places],
            features.multiplicity[places],
            offsets[:-1] - offsets[0],
            np.repeat(np.arange(last - first), np.diff(offsets)),
        )


def _by_member(
    stacked: Mapping[str, np.ndarray],
    config: TrialConfig,
    features: OrbitFeatures,
    work: Callable[[Member, Chunk], np.ndarray],
    n_columns: int,
) -> np.ndarray:
    """Return for every member what `work` gives for the chunks, one after the other.

    A product here is too small to share between threads, and elementwise work NumPy does not share
    at all: members are shared instead, on as many threads as NumPy's products might have used.
    """
    from threadpoolctl import ThreadpoolController

    require_shapes(stacked, config, features.dimension, n_leading=1, with_inputs=True)
    chunks, model = list(_chunks(features)), find_model(config.model)
    n_members = len(stacked["score/bias"])
    result = np.empty((n_members, n_columns), dtype=np.float32)

    def fill(place: int) -> None:
        weights = {name: array[place] for name, array in stacked.items()}
        member = model.member(weights, config, len(features))
        parts = [work(member, chunk) for chunk in chunks]
        result[place] = np.concatenate(parts) if parts else 0

    with _LIMIT:
        blas = ThreadpoolController().select(user_api="blas")
        n_threads = max((library.num_threads for library in blas.lib_controllers), default=1)
        with blas.limit(limits=1), ThreadPoolExecutor(min(n_threads, n_members)) as threads:
            list(threads.map(fill, range(n_members)))
    return result


class Member(ABC):
    """One network; what it computes is its own."""

    def __init__(
        self, weights: Mapping[str, np.ndarray], config: TrialConfig, n_structures: int
    ) -> None:
        self._weights, self._config = weights, config
        self._activate = ACTIVATIONS[config.activation]

    @abstractmethod
    def log_odds(self, chunk: Chunk) -> np.ndarray:
        """Return the log-odds of a chunk's structures, shape (n_structures,)."""

    @abstractmethod
    def attention(self, chunk: Chunk) -> np.ndarray:
        """Return the shares of a chunk's rows, shape (n_rows,)."""


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0, out=x)


def _silu(x: np.ndarray) -> np.ndarray:
    return x * (0.5 * (1 + np.tanh(0.5 * x)))


def _tanh(x: np.ndarray) -> np.ndarray:
    return np.tanh(x, out=x)


ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": _relu,
    "silu": _silu,
    "tanh": _tanh,
}
"""Functions of the dense layers; they may use up what they are given."""


def softmax(scores: np.ndarray, chunk: Chunk) -> np.ndarray:
    """Return each row's share: multiplicity times exp(score), over the sum of its structure."""
    scores = np.where(chunk.multiplicity > 0, scores, -np.float32(np.inf))
    scores -= np.maximum.reduceat(scores, chunk.starts)[chunk.owner]
    share = np.exp(scores, out=scores)
    share *= chunk.multiplicity
    share /= np.add.reduceat(share, chunk.starts)[chunk.owner]
    return share


def attend(share: np.ndarray, rows: np.ndarray, chunk: Chunk) -> np.ndarray:
    """Return the mean row of every structure, shape (n_structures, d)."""
    return np.add.reduceat(share[:, np.newaxis] * rows, chunk.starts, axis=0)
