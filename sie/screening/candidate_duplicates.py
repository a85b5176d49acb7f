"""Duplicates among candidates: which of them are the same crystal.

Duplicates of training compounds are no matter here: the filter for novelty removes them by their
composition. What makes two crystals the same is decided in `sie.structures.matching`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from sie.structures.matching import COMPOSITION_TOLERANCE, matching_groups

if TYPE_CHECKING:
    from pymatgen.core import Structure


def duplicate_groups(structures: Mapping[str, Structure]) -> dict[str, int]:
    """Return the group numbers of crystals, as `matching_groups` does, at less cost.

    A crystal that is alone in its composition is not reduced to a primitive cell, which is most of
    the work for the others. Groups are the same; memory is that of one composition at a time.

    Parameters
    ----------
    structures : Mapping[str, Structure]
        Crystals by id.

    Returns
    -------
    dict
        Group number of every id, from 0, in the order of the smallest id of each group.
    """
    label: dict[str, str] = {}
    for members in of_equal_composition(structures):
        if len(members) == 1:
            label[members[0]] = members[0]
            continue
        first: dict[int, str] = {}
        groups = matching_groups({entry: structures[entry] for entry in members})
        for entry in members:
            label[entry] = first.setdefault(groups[entry], entry)
    numbers: dict[str, int] = {}
    for entry in sorted(structures):
        numbers.setdefault(label[entry], len(numbers))
    return {entry: numbers[label[entry]] for entry in structures}


def of_equal_composition(structures: Mapping[str, Structure]) -> Iterator[list[str]]:
    """Yield the ids of every composition, sorted; together they are all ids.

    Compositions whose fractions are as near as `matching_groups` would compare are one, and so are
    those that a chain of such pairs connects.
    """
    systems: dict[tuple[str, ...], list[tuple[str, np.ndarray]]] = defaultdict(list)
    for entry in sorted(structures):
        amounts = structures[entry].composition.fractional_composition.get_el_amt_dict()
        elements = tuple(sorted(amounts))
        systems[elements].append((entry, np.array([amounts[symbol] for symbol in elements])))
    for members in systems.values():
        fractions = np.array([row for _, row in members])
        for rows in _chains(fractions):
            yield [members[row][0] for row in rows]


def _chains(fractions: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows that chains of near compositions connect."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    # a little wider than the pairs that are compared: too many together cost time, too few groups
    pairs = cKDTree(fractions).query_pairs(2 * COMPOSITION_TOLERANCE, np.inf, output_type="ndarray")
    n = len(fractions)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, chain = connected_components(links, directed=False)
    order = np.argsort(chain, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(chain[order])) + 1)
