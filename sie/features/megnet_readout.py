"""From a crystal's atoms, bonds and state to one number, as MEGNet does it, in numpy.

What the vectors are before the readout is computed in `sie.features.megnet`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sie.features.graph import OrbitGraph
from sie.features.megnet import last_parts, side_by_side, softplus2
from sie.features.weights import Dense, MegnetWeights, ReadoutWeights, Set2SetWeights


def crystal_values(
    graphs: Sequence[OrbitGraph], weights: MegnetWeights, readout: ReadoutWeights
) -> np.ndarray:
    """Return the network's output for every graph, float32, shape (n_graphs,).

    An orbit counts as many times as it has sites in the cell, a bond row as often as there are such
    bonds in the cell: the output is that of all sites and bonds one by one, and the same for a
    cell and its supercells (Chen et al. 2019, 10.1021/acs.chemmater.9b01294).
    """
    batch = side_by_side(graphs)
    parts = last_parts(graphs, batch, weights)
    joined = [
        set2set(parts["atom"], batch.atom_count, batch.atom_graph, readout.atom),
        set2set(parts["bond"], batch.bond_count, batch.bond_graph, readout.bond),
        parts["state"],
    ]
    x = np.concatenate(joined, axis=1)
    *hidden, (kernel, bias) = readout.dense
    for layer in hidden:
        x = softplus2(_affine(x, layer))
    return (x @ kernel + bias)[:, 0]


def set2set(
    rows: np.ndarray, count: np.ndarray, group: np.ndarray, weights: Set2SetWeights
) -> np.ndarray:
    """Return one vector for each set of rows.

    The rows of a set stand for `count` members each, whose shares in the attention's softmax are
    equal. megnet's layer is reproduced with its habit of beginning every round from a cell state of
    0, and with the gates in the order input, forget, candidate, output.

    Parameters
    ----------
    rows : numpy.ndarray
        Float32, shape (n_rows, d).
    count : numpy.ndarray
        Shape (n_rows,), positive.
    group : numpy.ndarray
        Integers, shape (n_rows,): number of each row's set, rising from 0 without a gap.
    weights : Set2SetWeights
        With h units.

    Returns
    -------
    numpy.ndarray
        Float32, shape (n_sets, 2 h): the last query and what it read.
    """
    memory = _affine(rows, weights.memory)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    count = count.astype(np.float32)
    state = np.zeros((len(starts), 2 * memory.shape[1]), np.float32)
    for _ in range(weights.steps):
        query = _lstm(state, weights.recurrent)
        match = np.einsum("ij,ij->i", memory, query[group])
        share = count * np.exp(match - np.maximum.reduceat(match, starts)[group])
        share /= np.add.reduceat(share, starts)[group]
        read = np.add.reduceat(share[:, None] * memory, starts)
        state = np.concatenate([query, read], axis=1)
    return state


def _lstm(state: np.ndarray, layer: Dense) -> np.ndarray:
    """Return the output of an LSTM cell without past; the forget gate has nothing to forget."""
    given, _, candidate, shown = np.split(_affine(state, layer), 4, axis=1)
    return _hard_sigmoid(shown) * np.tanh(_hard_sigmoid(given) * np.tanh(candidate))


def _hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(np.float32(0.2) * x + np.float32(0.5), 0, 1)


def _affine(x: np.ndarray, layer: Dense) -> np.ndarray:
    kernel, bias = layer
    return x @ kernel + bias
