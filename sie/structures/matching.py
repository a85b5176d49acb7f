"""Groups of crystals that are the same structure, for counts of unique entries and for leakage.

Only the grouping lives here; which entry of a group stays is decided where data are cleaned.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure

COMPOSITION_TOLERANCE = 1e-4
"""Atomic fractions that differ by more cannot match: the matcher compares occupancies to 1e-8."""


def matching_groups(structures: Mapping[str, Structure]) -> dict[str, int]:
    """Return the group numbers of crystals that pymatgen's StructureMatcher calls equal.

    Default tolerances, primitive cells, oxidation states stripped, as in 10.1039/d5dd00052a. A
    match is not transitive; a group is everything that a chain of matching pairs connects, so
    that the result does not depend on the order of the entries.

    Parameters
    ----------
    structures : Mapping[str, Structure]
        Crystals by id.

    Returns
    -------
    dict
        Group number of every id, from 0, in the order of the smallest id of each group.
    """
    from pymatgen.analysis.structure_matcher import StructureMatcher

    ids = sorted(structures)
    parent = {entry: entry for entry in ids}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reduced = {entry: _reduced(structures[entry]) for entry in ids}
        matcher = StructureMatcher()
        for first, second in _candidate_pairs(reduced):
            root, other = _root(parent, first), _root(parent, second)
            if root != other and matcher.fit(
                reduced[first], reduced[second], skip_structure_reduction=True
            ):
                parent[max(root, other)] = min(root, other)
    numbers: dict[str, int] = {}
    for entry in ids:
        numbers.setdefault(_root(parent, entry), len(numbers))
    return {entry: numbers[_root(parent, entry)] for entry in structures}


def _reduced(structure: Structure) -> Structure:
    """Return the Niggli-reduced primitive cell without oxidation states."""
    bare = structure.copy()
    bare.remove_oxidation_states()
    return bare.get_primitive_structure().get_reduced_structure("niggli")


def _candidate_pairs(structures: Mapping[str, Structure]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of equal reduced formula, which alone can match."""
    systems: dict[tuple[str, ...], list[tuple[str, np.ndarray]]] = defaultdict(list)
    for entry, structure in structures.items():
        amounts = structure.composition.fractional_composition.get_el_amt_dict()
        system = tuple(sorted(amounts))
        systems[system].append((entry, np.array([amounts[element] for element in system])))
    for members in systems.values():
        for (first, ours), (second, theirs) in combinations(members, 2):
            if np.abs(ours - theirs).max() <= COMPOSITION_TOLERANCE:
                yield first, second


def _root(parent: dict[str, str], entry: str) -> str:
    while parent[entry] != entry:
        entry = parent[entry]
    return entry
