"""Ordered stand-ins of disordered crystals: Li removed, every site full, lowest Ewald energy.

One crystal at a time and without a clock; `sie.structures.ordering_batch` does many, with limits.
"""

from __future__ import annotations

import math
import string
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.errors import InputError
from sie.structures.discretised import (
    SiteGroup,
    Supercell,
    repeated,
    site_groups,
    smallest_supercell,
)
from sie.structures.orbits import SYMPREC_A

if TYPE_CHECKING:
    from pymatgen.core import Structure

FULL = 1e-3
"""A site is full from an occupancy of 1 - FULL; thirds in files add up to 0.999."""

CHARGE_DIGITS = 6
PLACE = "place"
SAME_ENERGY = "species of equal charge share sites; the Ewald energy does not tell them apart"


class Outcome(StrEnum):
    """How the ordering of a crystal ended."""

    ORDERED = "ordered"
    """The lowest Ewald energy was found."""

    ALREADY_ORDERED = "already ordered"
    """No site is mixed or partly occupied once Li is removed; the crystal stays as it is."""

    TOO_LARGE = "too large"
    """No supercell within the size limit is close to the occupancies."""

    TIMED_OUT = "timed out"
    """Not done within the time limit."""

    OUT_OF_MEMORY = "out of memory"
    """Not done within the memory limit."""

    NO_OXIDATION_STATES = "no oxidation states"
    """A species carries no oxidation state, so that there is no Ewald energy."""

    NO_ATOMS = "only lithium"
    """Nothing is left without Li."""

    FAILED = "failed"
    """An error, named in the result's detail."""

    CRASHED = "crashed"
    """The process that worked on it died."""


@dataclass(frozen=True)
class OrderingLimits:
    """What the ordering of one crystal may cost and change.

    Attributes
    ----------
    seconds : float
        Wall time; kept by `sie.structures.ordering_batch`.
    max_sites : int
        Sites of the supercell, those left vacant included.
    max_occupancy_error : float
        Largest change of any occupancy, 0 to 1.
    memory_gb : float
        Gigabytes beyond the process's own; kept by `sie.structures.ordering_batch` on Linux.
    """

    seconds: float = 60.0
    max_sites: int = 200
    max_occupancy_error: float = 0.05
    memory_gb: float = 2.0

    def __post_init__(self) -> None:
        for name in ("seconds", "max_sites", "memory_gb"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"ordering: {name} is {getattr(self, name)}; give a number above 0"
                )
        if not 0 <= self.max_occupancy_error <= 0.5:
            raise InputError(
                f"ordering: max_occupancy_error is {self.max_occupancy_error}; give 0 to 0.5"
            )


@dataclass(frozen=True)
class OrderedResult:
    """The ordered crystal, or why there is none.

    Attributes
    ----------
    outcome : Outcome
        How it ended.
    structure : Structure or None
        Without Li, with oxidation states, every site full; None unless the outcome is `ORDERED`
        or `ALREADY_ORDERED`.
    seconds : float
        Wall time.
    supercell : tuple of int
        Repetitions of the Li-free primitive cell; (1, 1, 1) for a crystal that stays as it is.
    composition_error : float
        Share of the atoms that are of another element than in the disordered crystal, 0 to 1
        (half the sum of the absolute differences of atomic fractions); NaN without a structure.
    detail : str
        A few words more.
    """

    outcome: Outcome
    structure: Structure | None = None
    seconds: float = 0.0
    supercell: tuple[int, int, int] = (1, 1, 1)
    composition_error: float = math.nan
    detail: str = ""


def order_structure(structure: Structure, limits: OrderingLimits) -> OrderedResult:
    """Order a disordered crystal for the comparison of ordered and weighted features.

    1. Li is removed; what remains of a mixed site stays.
    2. The Li-free crystal is reduced to its primitive cell. Its sites are grouped by content, and
       in each supercell the places of a group are apportioned to its species and to vacancies by
       the method of largest remainders. The smallest supercell is taken in which no occupancy
       changes by more than `max_occupancy_error`. (pymatgen's DiscretizeOccupanciesTransformation
       rounds every species for itself, so that a site may hold more than one atom, and it does
       not look at the supercell.)
    3. pymatgen's OrderDisorderedStructureTransformation distributes the charges over the places
       of each group with the lowest Ewald energy. Species of equal charge are one to it, which
       does not change the energy and saves the search; they are then mixed evenly in the order of
       the places. The search has no time limit of its own and grows exponentially.

    Parameters
    ----------
    structure : Structure
        With oxidation states (`sie.structures.oxidation.prepare`).
    limits : OrderingLimits
        Size and occupancy limits; time and memory are not watched here.

    Raises
    ------
    Exception
        Whatever pymatgen or spglib raise on a broken crystal.

    References
    ----------
    10.1039/d5dd00052a (ordered comparison); S. P. Ong et al., Comput. Mater. Sci. 2013, 68, 314.
    """
    began = time.perf_counter()
    result = _order(structure, limits)
    return replace(result, seconds=time.perf_counter() - began)


def without_lithium(structure: Structure) -> Structure | None:
    """Return the crystal without Li, oxidation states kept; None when no atom is left.

    Occupancies within `FULL` of a full site with one species become 1.
    """
    from pymatgen.core import Structure

    contents, coordinates = [], []
    for site in structure:
        rest = {s: float(a) for s, a in site.species.items() if s.symbol != "Li"}
        if len(rest) == 1 and abs(sum(rest.values()) - 1) <= FULL:
            rest = dict.fromkeys(rest, 1.0)
        if rest:
            contents.append(rest)
            coordinates.append(site.frac_coords)
    return Structure(structure.lattice, contents, coordinates) if contents else None


def primitive_cell(structure: Structure) -> Structure:
    """Return the primitive cell of a crystal, disordered or not, with short lattice vectors.

    Positions are not idealised. Where spglib finds no symmetry the cell is only reduced.
    """
    import spglib
    from pymatgen.core import Structure

    kinds = {site: n for n, group in enumerate(site_groups(structure)) for site in group.sites}
    types = [kinds[index] for index in range(len(structure))]
    cell = (structure.lattice.matrix, structure.frac_coords, types)
    found = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=SYMPREC_A)
    if found is not None:
        lattice, positions, kept = found
        contents = [structure[types.index(kind)].species for kind in kept]
        structure = Structure(lattice, contents, positions)
    return structure.get_reduced_structure("LLL")


def _order(structure: Structure, limits: OrderingLimits) -> OrderedResult:
    bare = without_lithium(structure)
    if bare is None:
        return OrderedResult(Outcome.NO_ATOMS)
    if bare.is_ordered:
        return OrderedResult(Outcome.ALREADY_ORDERED, bare, composition_error=0.0)
    if bad := sorted(str(s) for s in bare.composition if getattr(s, "oxi_state", None) is None):
        return OrderedResult(Outcome.NO_OXIDATION_STATES, detail=", ".join(bad))
    cell = primitive_cell(bare)
    groups = site_groups(cell)
    supercell = smallest_supercell(cell, groups, limits.max_sites, limits.max_occupancy_error)
    if supercell is None:
        return OrderedResult(
            Outcome.TOO_LARGE, detail=f"{len(cell)} sites in the Li-free primitive cell"
        )
    ordered = _lowest_energy(cell, groups, supercell)
    shared = any(
        len(members) > 1
        for group, counts in zip(groups, supercell.counts, strict=True)
        for members in _by_charge(group, counts).values()
    )
    return OrderedResult(
        Outcome.ORDERED,
        ordered,
        supercell=supercell.factors,
        composition_error=composition_distance(bare, ordered),
        detail=SAME_ENERGY if shared else "",
    )


def composition_distance(one: Structure, other: Structure) -> float:
    """Return half the sum of the absolute differences of two crystals' atomic fractions."""
    fractions = []
    for structure in (one, other):
        amounts: Counter[str] = Counter()
        for species, amount in structure.composition.items():
            amounts[species.symbol] += float(amount) / structure.composition.num_atoms
        fractions.append(amounts)
    symbols = fractions[0].keys() | fractions[1].keys()
    return sum(abs(fractions[0][s] - fractions[1][s]) for s in sorted(symbols)) / 2


def _lowest_energy(cell: Structure, groups: Sequence[SiteGroup], supercell: Supercell) -> Structure:
    """Fill the places of the supercell; place = site of the cell * number of cells + image."""
    from pymatgen.core import Structure

    lattice, images = repeated(cell, supercell.factors)
    coordinates = images.reshape(-1, 3)
    places = [
        [site * supercell.size + k for site in group.sites for k in range(supercell.size)]
        for group in groups
    ]
    charge_at = _charges(lattice, coordinates, places, groups, supercell.counts)
    filled: dict[int, Any] = {}
    for taken, group, counts in zip(places, groups, supercell.counts, strict=True):
        for charge, members in _by_charge(group, counts).items():
            alike = [place for place in taken if charge_at.get(place, 0.0) == charge]
            filled.update(zip(alike, _evenly(members), strict=True))
    kept = sorted(place for place, species in filled.items() if species is not None)
    return Structure(lattice, [filled[place] for place in kept], coordinates[kept])


def _by_charge(group: SiteGroup, counts: np.ndarray) -> dict[float, list[tuple[Any, int]]]:
    """Return species and their numbers by charge; vacancies count among the uncharged."""
    charges: dict[float, list[tuple[Any, int]]] = {}
    for species, count in zip(group.species, counts, strict=True):
        charge = 0.0 if species is None else round(float(species.oxi_state), CHARGE_DIGITS)
        if count:
            charges.setdefault(charge, []).append((species, int(count)))
    return charges


def _charges(
    lattice: np.ndarray,
    coordinates: np.ndarray,
    places: Sequence[Sequence[int]],
    groups: Sequence[SiteGroup],
    counts: Sequence[np.ndarray],
) -> dict[int, float]:
    """Return the charge on every place that has one, for the lowest Ewald energy.

    Every charge of every group gets a dummy species of its own: pymatgen would merge groups whose
    occupancies differ by less than 10 %, and its result is sorted, hence the property `PLACE`.
    """
    from pymatgen.core import DummySpecies, Structure
    from pymatgen.transformations.standard_transformations import (
        OrderDisorderedStructureTransformation,
    )

    names = _dummy_names()
    contents: list[dict[Any, float]] = []
    charged: list[int] = []
    for taken, group, count in zip(places, groups, counts, strict=True):
        numbers = {q: sum(n for _, n in kinds) for q, kinds in _by_charge(group, count).items()}
        content = {
            DummySpecies(next(names), charge): number / len(taken)
            for charge, number in numbers.items()
            if charge
        }
        if content:
            contents += [content] * len(taken)
            charged += taken
    if not charged:
        return {}
    crystal = Structure(lattice, contents, coordinates[charged], site_properties={PLACE: charged})
    if not crystal.is_ordered:
        crystal = OrderDisorderedStructureTransformation().apply_transformation(crystal)
    return {site.properties[PLACE]: float(site.specie.oxi_state) for site in crystal}


def _dummy_names() -> Iterator[str]:
    """Yield symbols of no element; none of them begins with Q."""
    for first in string.ascii_lowercase:
        for second in string.ascii_lowercase:
            yield f"Q{first}{second}"


def _evenly(members: Sequence[tuple[Any, int]]) -> list[Any]:
    """Return every member as often as its number says, mixed as evenly as can be."""
    numbers = np.array([number for _, number in members])
    given = np.zeros_like(numbers)
    total, mixed = int(numbers.sum()), []
    for step in range(1, total + 1):
        behind = np.where(given < numbers, numbers * step / total - given, -np.inf)
        chosen = int(np.argmax(behind))
        given[chosen] += 1
        mixed.append(members[chosen][0])
    return mixed
