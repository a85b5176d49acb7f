"""The representations of a crystal: with or without Li, with elements or only their charge.

Oxidation states must be there already (`sie.structures.oxidation`); features are made elsewhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sie.errors import InputError
from sie.registered import registered
from sie.structures.shown import Rule

if TYPE_CHECKING:
    from pymatgen.core import Structure


class Representation(StrEnum):
    """Which atoms of a crystal a model sees, and how much of their chemistry.

    This is the registry, too: a new one is a file with its `sie.structures.shown.Rule` and a line
    here, the name and where the rule is.
    """

    def __new__(cls, name: str, rule: str = "") -> Representation:
        """Make a member whose value is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member._rule = rule  # type: ignore[attr-defined]
        return member

    CAMN = "CAMN", "sie.structures.shown:CAMN"
    """Cations, anions, mobile ions and neutral species: all atoms."""

    CAN = "CAN", "sie.structures.shown:CAN"
    """As CAMN, without Li."""

    CAMNS = "CAMNS", "sie.structures.shown:CAMNS"
    """As CAMN, simplified: species other than Li are replaced by the sign of their charge."""

    CANS = "CANS", "sie.structures.shown:CANS"
    """As CAMNS, without Li."""

    @property
    def rule(self) -> Rule:
        """What it shows of a species."""
        rule: Rule = registered(self._rule)  # type: ignore[attr-defined]
        return rule


def represent(structure: Structure, representation: Representation | str) -> Structure:
    """Return the crystal as the representation shows it, in plain elements without charges.

    Occupancies of species that become equal are added. Removing Li leaves the rest of a mixed
    site; a site that is left empty goes. The order of sites is kept and symmetry is not lost.

    Raises
    ------
    InputError
        When no atom is left, a simplified representation meets a species without oxidation
        state, or a site holds something that is not an element.
    """
    from pymatgen.core import Composition, Structure

    chosen = Representation(representation)
    # by identity: prepared crystals share one content between equal sites, and comparing
    # contents takes longer than everything else here (0.5 of 0.6 s for OBELiX's 32,118 sites)
    known: dict[int, tuple[Any, Composition]] = {}
    species, coordinates = [], []
    for site, position in zip(structure, structure.frac_coords, strict=True):
        content = site.species
        if id(content) not in known:
            known[id(content)] = content, Composition(_shown(content, chosen))
        if shown := known[id(content)][1]:
            species.append(shown)
            coordinates.append(position)
    if not species:
        raise InputError(f"{structure.formula}: no atom is left in representation {chosen}")
    return Structure(structure.lattice, species, coordinates)


def seen_sites(structure: Structure, representation: Representation | str) -> list[int]:
    """Return the sites of which a representation shows anything, in their order."""
    chosen = Representation(representation)
    return [i for i, site in enumerate(structure) if _shown(site.species, chosen)]


def _shown(composition: Any, representation: Representation) -> dict[str, float]:
    """Return what a site shows: amounts by element symbol; empty when nothing is left."""
    amounts: dict[str, float] = {}
    shows = representation.rule.shows
    for species, amount in composition.items():
        symbol = shows(species, _element(species))
        if symbol is not None:
            amounts[symbol] = amounts.get(symbol, 0.0) + float(amount)
    return amounts


def _element(species: Any) -> str:
    from pymatgen.core import DummySpecies, Element

    if isinstance(species, DummySpecies):
        raise InputError(f"site holds {species}, which is not an element; correct the structure")
    # deuterium has the atomic number, and the embedding, of hydrogen
    return Element.from_Z(species.Z).symbol
