"""The four representations of a crystal: with or without Li, with elements or only their charge.

Oxidation states must be there already (`sie.structures.oxidation`); features are made elsewhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sie.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

POSITIVE, NEGATIVE, NEUTRAL = "Al", "S", "Mg"
"""Elements that stand for cations, anions and uncharged species (10.1039/d5dd00052a)."""


class Representation(StrEnum):
    """Which atoms of a crystal a model sees, and how much of their chemistry."""

    CAMN = "CAMN"
    """Cations, anions, mobile ions and neutral species: all atoms."""

    CAN = "CAN"
    """As CAMN, without Li."""

    CAMNS = "CAMNS"
    """As CAMN, simplified: species other than Li are replaced by the sign of their charge."""

    CANS = "CANS"
    """As CAMNS, without Li."""

    @property
    def keeps_lithium(self) -> bool:
        """Whether Li stays in the crystal."""
        return self in (Representation.CAMN, Representation.CAMNS)

    @property
    def simplified(self) -> bool:
        """Whether elements are replaced by the sign of their oxidation state."""
        return self in (Representation.CAMNS, Representation.CANS)


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


def _shown(composition: Any, representation: Representation) -> dict[str, float]:
    """Return what a site shows: amounts by element symbol; empty when nothing is left."""
    amounts: dict[str, float] = {}
    for species, amount in composition.items():
        symbol = _element(species)
        if symbol == "Li" and not representation.keeps_lithium:
            continue
        if symbol != "Li" and representation.simplified:
            symbol = _stand_in(species)
        amounts[symbol] = amounts.get(symbol, 0.0) + float(amount)
    return amounts


def _element(species: Any) -> str:
    from pymatgen.core import DummySpecies, Element

    if isinstance(species, DummySpecies):
        raise InputError(f"site holds {species}, which is not an element; correct the structure")
    # deuterium has the atomic number, and the embedding, of hydrogen
    return Element.from_Z(species.Z).symbol


def _stand_in(species: Any) -> str:
    state = getattr(species, "oxi_state", None)
    if state is None:
        raise InputError(
            f"{species} has no oxidation state; pass the structures through "
            "sie.structures.oxidation.prepare first"
        )
    return POSITIVE if state > 0 else NEGATIVE if state < 0 else NEUTRAL
