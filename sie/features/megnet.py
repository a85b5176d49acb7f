"""MEGNet's graph convolutions over quotient graphs, in numpy.

One forward pass for many crystals at a time; weights and graphs come from their own modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.sparse import csr_matrix

from sie.features.graph import OrbitGraph
from sie.features.weights import Dense, MegnetWeights

Parts = dict[str, np.ndarray]
"""Vectors of the atoms' and the bonds' rows and of the crystals ("state"), float32."""


@dataclass(frozen=True)
class Batch:
    """Many graphs side by side, with the means over bonds and atoms as sparse matrices.

    Attributes
    ----------
    centre, neighbour : numpy.ndarray
        Int64, shape (n_bonds,): rows of atoms at the ends of each bond row.
    atom_graph, bond_graph : numpy.ndarray
        Int64, shapes (n_atoms,) and (n_bonds,): graph of each row, rising.
    atom_count, bond_count : numpy.ndarray
        Float64, of the same shapes: atoms and bonds of the cell that each row stands for.
    bonds_to_atom, bonds_to_state, atoms_to_state : scipy.sparse.csr_matrix
        Weighted means.
    """

    centre: np.ndarray
    neighbour: np.ndarray
    atom_graph: np.ndarray
    bond_graph: np.ndarray
    atom_count: np.ndarray
    bond_count: np.ndarray
    bonds_to_atom: csr_matrix
    bonds_to_state: csr_matrix
    atoms_to_state: csr_matrix


def atom_vectors(
    graphs: Sequence[OrbitGraph], weights: MegnetWeights, level: int
) -> list[np.ndarray]:
    """Return the atom vectors of levels 0 to `level`, the graphs' orbits one after the other.

    Level 0 is the embedding, shape (n_rows, 16); level k is what the graph convolution of block
    k gives for the atoms, shape (n_rows, 32), before the block's input is added to it: the
    quantity that megnet's descriptor calls meg_net_layer_k. All float32.
    """
    levels = [np.concatenate([graph.atoms for graph in graphs])]
    if level:
        batch = side_by_side(graphs)
        passes = islice(_passes(graphs, batch, weights), level)
        levels += [updated["atom"] for updated, _ in passes]
    return levels


def last_parts(graphs: Sequence[OrbitGraph], batch: Batch, weights: MegnetWeights) -> Parts:
    """Return what leaves the last block, its input added: what the network reads out."""
    *_, (_, parts) = _passes(graphs, batch, weights)
    return parts


def _passes(
    graphs: Sequence[OrbitGraph], batch: Batch, weights: MegnetWeights
) -> Iterator[tuple[Parts, Parts]]:
    """Yield for every block what its convolution gives, and that with the block's input added."""
    parts = {
        "atom": np.concatenate([graph.atoms for graph in graphs]),
        "bond": np.concatenate([expand_distances(graph, weights) for graph in graphs]),
        "state": np.zeros((len(graphs), 2), np.float32),
    }
    for k, block in enumerate(weights.blocks):
        hidden = {part: _feed_forward(x, block.feed_forward[part]) for part, x in parts.items()}
        updated = _convolve(hidden, block.update, batch)
        # the first block is skipped from its dense layers' output, later ones from their input
        skipped = hidden if k == 0 else parts
        parts = {part: skipped[part] + updated[part] for part in updated}
        yield updated, parts


def expand_distances(graph: OrbitGraph, weights: MegnetWeights) -> np.ndarray:
    """Return the Gaussian expansion of the bonds' lengths, float32, shape (n_bonds, n_centres).

    The grid of centres reaches 1 Å beyond the cutoff. With a larger cutoff the same number of
    centres is stretched over it, because the network takes that many numbers.
    """
    last = weights.last_centre_angstrom + graph.cutoff_angstrom - weights.cutoff_angstrom
    centres = np.linspace(0, last, weights.n_centres)
    offset = graph.distance_angstrom[:, None] - centres
    return np.exp((-(offset**2) / weights.width_angstrom**2).astype(np.float32))


def softplus2(x: np.ndarray) -> np.ndarray:
    """Return log(exp(x) + 1) - log(2) without overflow, in float32."""
    half = np.float32(0.5)
    return np.maximum(x, 0) + np.log(half * np.exp(-np.abs(x)) + half)


def side_by_side(graphs: Sequence[OrbitGraph]) -> Batch:
    """Join graphs: their atoms are numbered through, their means prepared."""
    n_atoms = np.array([len(graph.atoms) for graph in graphs])
    n_bonds = np.array([len(graph.centre) for graph in graphs])
    first_atom = np.repeat(np.cumsum(n_atoms) - n_atoms, n_bonds)
    centre = np.concatenate([graph.centre for graph in graphs]) + first_atom
    neighbour = np.concatenate([graph.neighbour for graph in graphs]) + first_atom
    weight = np.concatenate([graph.weight for graph in graphs]).astype(float)
    multiplicity = np.concatenate([graph.multiplicity for graph in graphs]).astype(float)
    atom_graph = np.repeat(np.arange(len(graphs)), n_atoms)
    bond_graph = np.repeat(np.arange(len(graphs)), n_bonds)
    bond_count = weight * multiplicity[centre]
    return Batch(
        centre,
        neighbour,
        atom_graph,
        bond_graph,
        multiplicity,
        bond_count,
        _mean_matrix(centre, weight, len(multiplicity)),
        _mean_matrix(bond_graph, bond_count, len(graphs)),
        _mean_matrix(atom_graph, multiplicity, len(graphs)),
    )


def _mean_matrix(group: np.ndarray, weight: np.ndarray, n_groups: int) -> csr_matrix:
    """Return the matrix of weighted means over groups (0 for an empty one), n_groups x n_items.

    `group` must rise.
    """
    total = np.bincount(group, weight, n_groups)
    starts = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=n_groups))])
    share = (weight / total[group]).astype(np.float32)
    return csr_matrix((share, np.arange(len(group)), starts), shape=(n_groups, len(group)))


def _convolve(parts: Parts, update: Mapping[str, tuple[Dense, ...]], batch: Batch) -> Parts:
    """Apply one MEGNet layer: bonds from their ends and the state, then atoms, then the state."""
    atom, bond, state = parts["atom"], parts["bond"], parts["state"]
    kernel, bias = update["bond"][0]
    first, second, own, shared = np.split(kernel, np.cumsum([atom.shape[1]] * 2 + [bond.shape[1]]))
    # the first layer is linear in each end's vector: multiply once per orbit, not per bond
    hidden = bond @ own
    hidden += (atom @ first + (state @ shared + bias)[batch.atom_graph])[batch.centre]
    hidden += (atom @ second)[batch.neighbour]
    new_bond = _rest(hidden, update["bond"])
    gathered = [batch.bonds_to_atom @ new_bond, atom, state[batch.atom_graph]]
    new_atom = _perceptron(np.concatenate(gathered, axis=1), update["atom"])
    gathered = [batch.bonds_to_state @ new_bond, batch.atoms_to_state @ new_atom, state]
    new_state = _perceptron(np.concatenate(gathered, axis=1), update["state"])
    return {"atom": new_atom, "bond": new_bond, "state": new_state}


def _perceptron(x: np.ndarray, layers: Sequence[Dense]) -> np.ndarray:
    """Apply the layers of an update network, the last one without activation."""
    kernel, bias = layers[0]
    return _rest(x @ kernel + bias, layers)


def _rest(first_output: np.ndarray, layers: Sequence[Dense]) -> np.ndarray:
    output = first_output
    for kernel, bias in layers[1:]:
        output = softplus2(output) @ kernel + bias
    return output


def _feed_forward(x: np.ndarray, layers: Sequence[Dense]) -> np.ndarray:
    for kernel, bias in layers:
        x = softplus2(x @ kernel + bias)
    return x
