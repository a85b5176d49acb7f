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
    that the result does not depend on the order of the entries. Pairs that cannot match for their
    composition or number of sites are not compared; the outcome is that of all pairs.

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
    """Return the cell that the matcher itself would reduce to, without oxidation states."""
    bare = structure.copy()
    bare.remove_oxidation_states()
    return bare.get_reduced_structure("niggli").get_primitive_structure()


def _candidate_pairs(structures: Mapping[str, Structure]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of equal reduced formula and number of sites, which alone can match.

    The matcher compares fractional compositions first and, without supercells or subsets, gives up
    on cells of unequal numbers of sites. Volume is no such condition: by default the matcher scales
    both cells to their mean volume, so a crystal matches itself blown up to any size, and a filter
    by volume would split groups.
    """
    systems: dict[tuple[object, ...], list[tuple[str, np.ndarray]]] = defaultdict(list)
    for entry, structure in structures.items():
        amounts = structure.composition.fractional_composition.get_el_amt_dict()
        elements = sorted(amounts)
        fractions = np.array([amounts[element] for element in elements])
        systems[(len(structure), *elements)].append((entry, fractions))
    for members in systems.values():
        for (first, ours), (second, theirs) in combinations(members, 2):
            if np.abs(ours - theirs).max() <= COMPOSITION_TOLERANCE:
                yield first, second


def _root(parent: dict[str, str], entry: str) -> str:
    while parent[entry] != entry:
        entry = parent[entry]
    return entry
