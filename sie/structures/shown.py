"""The article's rules of what a representation shows of a species (10.1039/d5dd00052a).

One `Rule` for each line of `sie.structures.representations.Representation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sie.errors import InputError

POSITIVE, NEGATIVE, NEUTRAL = "Al", "S", "Mg"
"""Elements that stand for cations, anions and uncharged species."""


@dataclass(frozen=True)
class Rule:
    """What is seen of a crystal, species by species.

    Attributes
    ----------
    shows : callable
        From a pymatgen species and the symbol of its element to the symbol that is shown; None
        leaves the species out.
    needs_charges : bool
        Whether species must have oxidation states.
    """

    shows: Callable[[Any, str], str | None]
    needs_charges: bool = False


def _element(species: Any, symbol: str) -> str | None:
    return symbol


def _element_but_lithium(species: Any, symbol: str) -> str | None:
    return None if symbol == "Li" else symbol


def _sign(species: Any, symbol: str) -> str | None:
    return symbol if symbol == "Li" else _stand_in(species)


def _sign_but_lithium(species: Any, symbol: str) -> str | None:
    return None if symbol == "Li" else _stand_in(species)


def _stand_in(species: Any) -> str:
    state = getattr(species, "oxi_state", None)
    if state is None:
        raise InputError(
            f"{species} has no oxidation state; pass the structures through "
            "sie.structures.oxidation.prepare first"
        )
    return POSITIVE if state > 0 else NEGATIVE if state < 0 else NEUTRAL


CAMN = Rule(_element)
CAN = Rule(_element_but_lithium)
CAMNS = Rule(_sign, needs_charges=True)
CANS = Rule(_sign_but_lithium, needs_charges=True)
