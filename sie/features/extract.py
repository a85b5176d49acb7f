"""From crystals to `OrbitFeatures`: represent, group by symmetry, convolve.

Orchestration only; results are kept on disk by `sie.features.cache`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import InputError
from sie.features.graph import OrbitGraph, orbit_graph
from sie.features.megnet import atom_vectors
from sie.features.record import OrbitFeatures
from sie.features.weights import MegnetWeights, bundled_weights
from sie.structures.representations import Representation, represent

if TYPE_CHECKING:
    from pymatgen.core import Structure

LEVELS = (0, 1, 2, 3)
BONDS_PER_BATCH = 4_000
"""Bond rows convolved at once: 4,000 x 64 float32 stay in a core's cache (1 MB)."""


def level_label(level: int) -> str:
    """Return "V0" to "V3"."""
    return f"V{check_level(level)}"


def check_level(level: int) -> int:
    """Return the level, refused unless it is one of `LEVELS`.

    Raises
    ------
    InputError
        When there is no such level.
    """
    if level not in LEVELS:
        raise InputError(f"feature level is {level!r}; choose one of {LEVELS}")
    return int(level)


def compute_features(
    structures: Mapping[str, Structure],
    representation: Representation | str,
    level: int,
    weights: MegnetWeights | None = None,
) -> OrbitFeatures:
    """Compute MEGNet vectors, one row per symmetry orbit.

    Parameters
    ----------
    structures : Mapping[str, Structure]
        Crystals by id; with oxidation states (`sie.structures.oxidation.prepare`) where the
        representation is CAMNS or CANS.
    representation : Representation or str
        What of the crystal is shown.
    level : int
        0 for element embeddings (16 columns), 1 to 3 for vectors after as many blocks (32).
    weights : MegnetWeights, optional
        Of the parent network; by default those that maml ships.

    Raises
    ------
    InputError
        Naming the id, when a crystal cannot be represented or holds an unknown element.
    """
    return compute_levels(structures, representation, (level,), weights)[level]


def compute_levels(
    structures: Mapping[str, Structure],
    representation: Representation | str,
    levels: Sequence[int] = LEVELS,
    weights: MegnetWeights | None = None,
) -> dict[int, OrbitFeatures]:
    """Compute several levels in one pass; see `compute_features`."""
    shown = represent_all(structures, representation)
    return levels_of_represented(shown, levels, weights)


def represent_all(
    structures: Mapping[str, Structure], representation: Representation | str
) -> dict[str, Structure]:
    """Represent many crystals; an error names the id it belongs to.

    Raises
    ------
    InputError
        See `sie.structures.representations.represent`.
    """
    try:
        chosen = Representation(representation)
    except ValueError:
        known = ", ".join(Representation)
        raise InputError(f"representation {representation!r} is unknown; known: {known}") from None
    shown = {}
    for entry, structure in structures.items():
        try:
            shown[entry] = represent(structure, chosen)
        except InputError as error:
            raise InputError(f"structure {entry}: {error}") from None
    return shown


def levels_of_represented(
    shown: Mapping[str, Structure],
    levels: Sequence[int],
    weights: MegnetWeights | None = None,
) -> dict[int, OrbitFeatures]:
    """Compute levels of crystals that are represented already."""
    if not shown:
        raise InputError("no structure to compute features of; check the dataset's left-out list")
    network = bundled_weights() if weights is None else weights
    return levels_of_graphs(tuple(shown), _graphs(shown, network), levels, network)


def levels_of_graphs(
    ids: tuple[str, ...],
    graphs: Iterable[OrbitGraph],
    levels: Sequence[int],
    network: MegnetWeights,
) -> dict[int, OrbitFeatures]:
    """Compute levels of crystals whose graphs are at hand, in the order of their ids."""
    deepest = max(check_level(level) for level in levels)
    parts: dict[int, list[np.ndarray]] = {level: [] for level in levels}
    multiplicity, counts = [], []
    for batch in in_batches(graphs):
        vectors = atom_vectors(batch, network, deepest)
        for level in levels:
            parts[level].append(vectors[level])
        multiplicity += [graph.multiplicity for graph in batch]
        counts += [len(graph.atoms) for graph in batch]
    shares = np.concatenate(multiplicity).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return {
        level: OrbitFeatures(ids, np.concatenate(rows), shares, offsets)
        for level, rows in parts.items()
    }


def in_batches(graphs: Iterable[OrbitGraph]) -> Iterator[list[OrbitGraph]]:
    """Yield graphs in groups of about `BONDS_PER_BATCH` bond rows, in their order."""
    batch: list[OrbitGraph] = []
    bonds = 0
    for graph in graphs:
        if batch and bonds + len(graph.centre) > BONDS_PER_BATCH:
            yield batch
            batch, bonds = [], 0
        batch.append(graph)
        bonds += len(graph.centre)
    if batch:
        yield batch


def _graphs(shown: Mapping[str, Structure], network: MegnetWeights) -> Iterator[OrbitGraph]:
    for entry, structure in shown.items():
        try:
            yield orbit_graph(structure, network)
        except InputError as error:
            raise InputError(f"structure {entry}: {error}") from None
