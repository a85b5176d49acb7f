from __future__ import annotations

from itertools import combinations, pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sie.datasets import obelix
from sie.structures.matching import matching_groups


def rock_salt(anion="Cl", a: float = 5.13) -> Structure:
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    coords = np.vstack([corners, corners + np.array([0.5, 0, 0])])
    return Structure(Lattice.cubic(a), ["Li"] * 4 + [anion] * 4, coords)


@pytest.fixture
def crystals() -> dict[str, Structure]:
    base = rock_salt()
    moved = base.copy()
    moved.translate_sites(range(len(moved)), [0.1, 0.2, 0.3])
    charged = base.copy()
    charged.add_oxidation_state_by_element({"Li": 1, "Cl": -1})
    overcharged = base.copy()  # the matcher itself tells this from `charged`, not from `base`
    overcharged.add_oxidation_state_by_element({"Li": 2, "Cl": -2})
    noisy = base.copy()
    noisy.perturb(0.01)
    return {
        "base": base,
        "primitive": base.get_primitive_structure(),
        "supercell": base * (2, 1, 1),
        "moved": moved,
        "charged": charged,
        "overcharged": overcharged,
        "noisy": noisy,
        "stretched": rock_salt(a=5.4),
        "caesium": Structure(Lattice.cubic(3.0), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "bromide": rock_salt("Br", a=5.5),
        "mixed": rock_salt({"Cl": 0.5, "Br": 0.5}),
        "other_mix": rock_salt({"Cl": 0.6, "Br": 0.4}),
    }


def test_what_is_the_same_crystal_is_one_group(crystals):
    groups = matching_groups(crystals)
    same = ("base", "primitive", "supercell", "moved", "charged", "noisy", "stretched")
    assert len({groups[name] for name in same}) == 1
    two = {name: crystals[name] for name in ("charged", "overcharged")}
    assert set(matching_groups(two).values()) == {0}
    assert len(set(groups.values())) == 5
    assert sorted(set(groups.values())) == list(range(5))


def test_order_does_not_matter(crystals):
    names = ["base", "caesium", "bromide", "moved"]
    for order in permutations(names):
        assert matching_groups({name: crystals[name] for name in order}) == matching_groups(
            {name: crystals[name] for name in names}
        )


def test_input_is_left_alone(crystals):
    before = {name: item.copy() for name, item in crystals.items()}
    matching_groups(crystals)
    assert before == crystals


def test_a_chain_of_matches_is_one_group():
    # the ends of the chain differ by more than the matcher's tolerance, neighbours do not
    def shifted(step: float) -> Structure:
        coords = [[0, 0, 0], [0.5, 0.5, 0.5 + step], [0.5, 0, 0.25], [0, 0.5, 0.75]]
        return Structure(Lattice.tetragonal(4, 9), ["Li", "P", "S", "S"], coords)

    matcher = StructureMatcher()
    chain = {f"c{i}": shifted(i * 0.05) for i in range(4)}
    names = list(chain)
    assert all(matcher.fit(chain[a], chain[b]) for a, b in pairwise(names))
    assert not all(matcher.fit(chain[a], chain[b]) for a, b in combinations(names, 2))
    for order in permutations(names):
        renamed = dict(zip(order, chain.values(), strict=True))
        assert set(matching_groups(renamed).values()) == {0}


@pytest.mark.parametrize("a", [1.5, 5.0, 50.0])
def test_volume_decides_nothing(a):
    # the matcher scales volumes; whoever adds a filter by volume splits this group
    crystals = {"normal": rock_salt(), "scaled": rock_salt(a=a)}
    assert StructureMatcher().fit(*crystals.values())
    assert set(matching_groups(crystals).values()) == {0}


def test_pairs_that_are_not_compared_do_not_match(crystals):
    bare = {}
    for name, crystal in crystals.items():
        bare[name] = crystal.copy()
        bare[name].remove_oxidation_states()
    groups = matching_groups(bare)
    matcher = StructureMatcher()
    for first, second in combinations(bare, 2):
        assert matcher.fit(bare[first], bare[second]) == (groups[first] == groups[second])


def test_nothing_has_no_groups():
    assert matching_groups({}) == {}


def connected(ids: list[str], pairs: list[tuple[str, str]]) -> dict[str, int]:
    """Number the connected components with SciPy."""
    at = {entry: i for i, entry in enumerate(ids)}
    rows, columns = [at[a] for a, _ in pairs], [at[b] for _, b in pairs]
    graph = coo_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(ids),) * 2)
    return dict(zip(ids, connected_components(graph, directed=False)[1].tolist(), strict=True))


@pytest.mark.shared
def test_obelix_agrees_with_the_matcher_on_every_pair_of_equal_elements(shared_data: Path):
    # pairs of unequal elements are refused by the matcher's first line: all 49,141 pairs were
    # compared once by hand, with the same groups
    structures = dict(obelix.load(shared_data).structures)
    matcher, matches = StructureMatcher(), []
    bare = {name: structures[name].copy() for name in sorted(structures)}
    for crystal in bare.values():
        crystal.remove_oxidation_states()
    for (a, first), (b, second) in combinations(bare.items(), 2):
        if first.composition.chemical_system != second.composition.chemical_system:
            continue
        if matcher.fit(first, second):  # reduces both anew
            matches.append((a, b))
    assert matching_groups(structures) == connected(list(bare), matches)
