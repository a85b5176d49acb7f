"""Features of crystals as a view has them: representations side by side over shared orbits.

Orchestration only; names of views are `sie.features.views`, what is kept is `sie.features.cache`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import InputError
from sie.features.extract import levels_of_graphs, levels_of_represented, represent_all
from sie.features.graph import OrbitGraph, graphs_and_orbits
from sie.features.record import OrbitFeatures
from sie.features.views import View
from sie.features.weights import MegnetWeights, bundled_weights
from sie.structures.representations import Representation

if TYPE_CHECKING:
    from pymatgen.core import Structure

Shown = Mapping[str, tuple["Structure", ...]]
"""Crystals by id, each in every representation of a view."""


def side_by_side(parts: Sequence[OrbitFeatures]) -> OrbitFeatures:
    """Return the rows of the same orbits put side by side: shape (n_rows, sum of dimensions).

    Raises
    ------
    InputError
        When the parts are not of the same structures and orbits.
    """
    first = parts[0]
    for other in parts[1:]:
        same = other.ids == first.ids and np.array_equal(other.offsets, first.offsets)
        if not (same and np.array_equal(other.multiplicity, first.multiplicity)):
            raise InputError("features to put side by side are not of the same orbits")
    rows = np.concatenate([part.rows for part in parts], axis=1)
    return OrbitFeatures(first.ids, rows, first.multiplicity, first.offsets)


def represented(
    structures: Mapping[str, Structure], view: View
) -> dict[str, tuple[Structure, ...]]:
    """Return crystals in every representation of a view; see `represent_all`."""
    each = [represent_all(structures, representation) for representation in view.representations]
    return {entry: tuple(shown[entry] for shown in each) for entry in structures}


def features_of_represented(
    shown: Shown, view: View, weights: MegnetWeights | None = None
) -> OrbitFeatures:
    """Compute the features of crystals that are represented already.

    Of several representations all rows stand for the same sites: the orbits are those that the
    representations share. A simplified one may have fewer orbits on its own; its rows are then
    repeated, with the multiplicity in parts, and every weighted sum over rows stays what it was.

    Raises
    ------
    InputError
        Naming the id, when a crystal cannot be represented side by side, or has no features.
    """
    network = bundled_weights() if weights is None else weights
    levels: dict[Representation, list[int]] = {}
    for representation, level in view.blocks:
        levels.setdefault(representation, []).append(level)
    if len(levels) == 1:
        ((only, wanted),) = levels.items()
        alone = {entry: structures[0] for entry, structures in shown.items()}
        found = {only: levels_of_represented(alone, wanted, network)}
    else:
        if not shown:
            raise InputError(
                "no structure to compute features of; check the dataset's left-out list"
            )
        graphs = [_graphs(entry, structures, network) for entry, structures in shown.items()]
        by_kind = zip(*graphs, strict=True)
        found = {
            representation: levels_of_graphs(tuple(shown), own, wanted, network)
            for (representation, wanted), own in zip(levels.items(), by_kind, strict=True)
        }
    return side_by_side([found[representation][level] for representation, level in view.blocks])


def compute_view(
    structures: Mapping[str, Structure], view: View, weights: MegnetWeights | None = None
) -> OrbitFeatures:
    """Compute the features of crystals as a view has them; see `compute_features`."""
    return features_of_represented(represented(structures, view), view, weights)


def _graphs(
    entry: str, structures: Sequence[Structure], network: MegnetWeights
) -> tuple[OrbitGraph, ...]:
    try:
        return graphs_and_orbits(structures, network)[0]
    except InputError as error:
        raise InputError(f"structure {entry}: {error}") from None
