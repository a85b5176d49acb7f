"""Ordered crystals: what they are made of, and their energy against every possible ordering."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ordering_examples import rock_salt, scattered
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Composition, Lattice, Structure

from sie.errors import InputError
from sie.structures import ordering
from sie.structures.discretised import repeated, site_groups, smallest_supercell
from sie.structures.ordering import (
    OrderingLimits,
    Outcome,
    composition_distance,
    order_structure,
    primitive_cell,
    without_lithium,
)
from sie.structures.oxidation import assign_oxidation_states
from sie.structures.representations import represent

LIMITS = OrderingLimits()
EXACT = OrderingLimits(max_occupancy_error=0.0)


def energy(structure: Structure) -> float:
    return EwaldSummation(structure, acc_factor=8).total_energy


def orderings(structure: Structure, numbers: dict[str | None, int], mixed: list[int]):
    """Yield every crystal with so many of each species (None: vacancy) on the mixed sites."""
    kinds = [kind for kind, number in numbers.items() for _ in range(number)]
    for content in sorted(set(itertools.permutations(map(str, kinds)))):
        taken = dict(zip(mixed, content, strict=True))
        kept = [i for i in range(len(structure)) if taken.get(i) != "None"]
        species = [taken.get(i) or structure[i].specie for i in kept]
        yield Structure(structure.lattice, species, structure.frac_coords[kept])


def lowest(structure, numbers, mixed) -> tuple[float, float]:
    energies = [energy(ordered) for ordered in orderings(structure, numbers, mixed)]
    return min(energies), max(energies)


def test_rock_salt_with_vacancies_has_the_lowest_of_all_energies():
    crystal = rock_salt({"Li+": 0.5, "Ti3+": 0.375})
    result = order_structure(crystal, EXACT)
    assert result.outcome is Outcome.ORDERED
    assert result.supercell == (2, 2, 2)
    # the same 16 sites, made by pymatgen from a cell of its own
    primitive = rock_salt({"Ti3+": 1}).get_primitive_structure()
    cell = (primitive * (2, 2, 2)).get_sorted_structure(key=lambda site: site.species_string)
    titanium = [i for i, site in enumerate(cell) if site.specie.symbol == "Ti"]
    best, worst = float("inf"), -float("inf")
    for empty in itertools.combinations(titanium, 5):
        value = energy(Structure.from_sites([s for i, s in enumerate(cell) if i not in empty]))
        best, worst = min(best, value), max(worst, value)
    assert energy(result.structure) == pytest.approx(best, abs=1e-4)
    assert worst - best > 1


@pytest.mark.parametrize("seed", range(3))
def test_two_kinds_and_a_vacancy_without_symmetry(seed):
    mixed = [{"Al3+": 0.4, "Mg2+": 0.4}] * 5
    crystal = scattered([*mixed, "O2-", "O2-", "O2-", "S2-"], seed)
    result = order_structure(crystal, EXACT)
    best, worst = lowest(crystal, {"Al3+": 2, "Mg2+": 2, None: 1}, list(range(5)))
    assert result.supercell == (1, 1, 1)
    assert energy(result.structure) == pytest.approx(best, abs=1e-4)
    assert worst - best > 1


def test_equal_charges_are_one_to_the_energy_and_the_rest_is_still_the_lowest():
    mixed = [{"Ti4+": 1 / 3, "Zr4+": 1 / 3, "Al3+": 1 / 3}] * 6
    crystal = scattered([*mixed, "O2-", "O2-", "O2-"], 4)
    result = order_structure(crystal, EXACT)
    best, _ = lowest(crystal, {"Ti4+": 4, "Al3+": 2}, list(range(6)))
    assert energy(result.structure) == pytest.approx(best, abs=1e-4)
    assert result.structure.composition == Composition({"Ti4+": 2, "Zr4+": 2, "Al3+": 2, "O2-": 3})
    assert result.detail == ordering.SAME_ENERGY


def test_halides_of_equal_charge_need_no_energy_at_all():
    crystal = rock_salt({"Li+": 1}, "Cl-")
    crystal.replace_species({"Cl-": {"Cl-": 0.5, "Br-": 0.5}})
    result = order_structure(crystal, LIMITS)
    assert result.structure.composition.reduced_formula in ("BrCl", "ClBr")
    assert len(result.structure) == 2
    assert result.detail == ordering.SAME_ENERGY


def test_groups_with_nearly_equal_occupancies_keep_their_own_amounts():
    # pymatgen alone would take the two for one group of 22 sites
    crystal = scattered([*[{"Na+": 0.5}] * 2, *[{"Na+": 0.45}] * 20, "Cl-"], 1, edge=12.0)
    result = order_structure(crystal, EXACT)
    cell = primitive_cell(crystal)
    taken = {tuple(position) for position in result.structure.frac_coords}
    groups = {len(group.sites): group for group in site_groups(cell)}
    held = {n: sum(tuple(cell.frac_coords[i]) in taken for i in g.sites) for n, g in groups.items()}
    assert held == {2: 1, 20: 9, 1: 1}


SPECIES = ["Li+", "Na+", "K+", "Mg2+", "Al3+", "Ti4+"]
CONTENT = st.lists(
    st.tuples(st.sampled_from(SPECIES), st.integers(1, 6)),
    min_size=1,
    max_size=3,
    unique_by=lambda t: t[0],
).filter(lambda items: sum(n for _, n in items) <= 6)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(CONTENT, st.integers(1, 2)), min_size=1, max_size=3))
def test_what_comes_out_is_what_was_apportioned(drawn):
    contents = [{s: n / 6 for s, n in items} for items, times in drawn for _ in range(times)]
    crystal = scattered([*contents, "O2-", "S2-"], 2)
    limits = OrderingLimits(max_sites=20, max_occupancy_error=0.1)
    result = order_structure(crystal, limits)
    bare = without_lithium(crystal)
    if result.outcome is Outcome.ALREADY_ORDERED:
        assert all(s.specie.symbol != "Li" for s in result.structure)
        return
    cell = primitive_cell(bare)
    groups = site_groups(cell)
    supercell = smallest_supercell(cell, groups, 20, 0.1)
    if supercell is None:
        assert result.outcome is Outcome.TOO_LARGE
        return
    expected: dict = {}
    for group, counts in zip(groups, supercell.counts, strict=True):
        for species, count in zip(group.species, counts, strict=True):
            if species is not None and count:
                expected[species] = expected.get(species, 0) + int(count)
    assert result.structure.composition == Composition(expected)
    assert result.structure.is_ordered
    assert "Li" not in {site.specie.symbol for site in result.structure}
    places = repeated(cell, supercell.factors)[1].reshape(-1, 3)
    assert {tuple(p) for p in result.structure.frac_coords.round(9)} <= {
        tuple(p) for p in places.round(9)
    }
    assert len({tuple(p) for p in result.structure.frac_coords.round(9)}) == len(result.structure)
    for species, amount in bare.composition.items():
        change = result.structure.composition[species] / supercell.size - amount
        assert abs(change) <= 0.1 * len(bare) + 1e-6


def test_the_rest_of_a_mixed_site_stays():
    bare = without_lithium(scattered([{"Li+": 0.5, "Na+": 0.25}, {"Li+": 0.5}, "Li+", "Cl-"]))
    assert [site.species.as_dict() for site in bare] == [{"Na+": 0.25}, {"Cl-": 1.0}]


def test_an_ordered_crystal_stays_as_it_is_and_shows_what_its_can_shows():
    crystal = scattered([{"Li+": 0.3}, "P5+", "S2-", "S2-", {"S2-": 0.9999}])
    result = order_structure(crystal, LIMITS)
    assert result.outcome is Outcome.ALREADY_ORDERED
    assert result.composition_error == 0.0
    shown = represent(result.structure, "CAN")
    assert shown.composition == Composition("PS3")
    np.testing.assert_allclose(shown.frac_coords, crystal.frac_coords[1:])


def test_an_occupancy_close_to_one_needs_no_supercell_but_counts_as_an_error():
    result = order_structure(scattered(["Li+", {"Na+": 0.97, "K+": 0.03}, "Cl-"]), LIMITS)
    assert result.outcome is Outcome.ORDERED
    assert result.supercell == (1, 1, 1)
    assert result.composition_error == pytest.approx(0.03 / 2)


def test_composition_distance_by_hand():
    one = scattered([{"Na+": 0.5, "K+": 0.5}, "Cl-"])
    assert composition_distance(one, scattered(["Na+", "Cl-"])) == pytest.approx(0.25)
    assert composition_distance(one, scattered(["Mg2+", "O2-"])) == pytest.approx(1.0)
    assert composition_distance(one, one) == 0.0


def test_reasons():
    large = scattered([{"Na+": 0.5}, *["Cl-"] * 7])
    outcomes = {
        "too large": order_structure(large, OrderingLimits(max_sites=15)),
        "no oxidation states": order_structure(scattered([{"Na": 0.5}, "Cl"]), LIMITS),
        "only lithium": order_structure(scattered(["Li+", {"Li+": 0.5}]), LIMITS),
    }
    for reason, result in outcomes.items():
        assert (result.outcome, result.structure) == (reason, None)
        assert np.isnan(result.composition_error)
    assert "8 sites" in outcomes["too large"].detail
    assert outcomes["no oxidation states"].detail == "Cl, Na"
    assert order_structure(large, OrderingLimits(max_sites=16)).outcome is Outcome.ORDERED


def test_the_file_s_conventional_cell_makes_no_difference():
    garnet = Structure.from_spacegroup(
        "Ia-3d",
        Lattice.cubic(12.9),
        [{"La": 1}, {"Zr": 0.5, "Ta": 0.5}, "O", {"Li": 0.5}],
        [[0.125, 0, 0.25], [0, 0, 0], [0.1, 0.195, 0.28], [0.375, 0, 0.25]],
    )
    decorated, _ = assign_oxidation_states(garnet)
    assert len(decorated) == 24 + 16 + 96 + 24
    assert len(primitive_cell(without_lithium(decorated))) == (24 + 16 + 96) / 2
    result = order_structure(decorated.copy(), OrderingLimits(max_sites=100, seconds=5))
    assert result.supercell == (1, 1, 1)
    assert result.structure.composition.reduced_formula == "La3ZrTaO12"


def test_the_same_crystal_is_ordered_in_the_same_way_again():
    crystal = rock_salt({"Ti3+": 0.25, "Mg2+": 0.5})
    one, other = (order_structure(crystal, LIMITS).structure for _ in range(2))
    assert one == other
    assert np.array_equal(one.frac_coords, other.frac_coords)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_members_are_mixed_evenly(numbers):
    mixed = np.array(ordering._evenly(list(enumerate(numbers))))
    total = sum(numbers)
    for member, number in enumerate(numbers):
        given_so_far = np.cumsum(mixed == member)
        assert given_so_far[-1] == number
        assert np.abs(given_so_far - number * np.arange(1, total + 1) / total).max() < len(numbers)


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"max_sites": -1}, {"memory_gb": 0}, {"max_occupancy_error": 0.7}]
)
def test_limits_without_sense_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        OrderingLimits(**wrong)
