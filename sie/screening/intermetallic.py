"""Flags for compounds that are no ionic crystals by their elements alone.

Flags only; whether a flagged candidate is kept is decided by who reads the list.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymatgen.core import Composition


def is_intermetallic(composition: Composition) -> bool:
    """Tell whether every element is a metal, by pymatgen's `Element.is_metal`.

    Metalloids (B, Si, Ge, As, Sb, Te, Po) are none, so LiSi2B and LiCaAs, which the article's
    Table 2 lists, are not flagged, and neither is any other silicide, boride or arsenide.

    Parameters
    ----------
    composition : Composition
        With at least one element; oxidation states are ignored.
    """
    return all(_is_metal(symbol) for symbol in composition.get_el_amt_dict())


def lacks_anion_former(composition: Composition) -> bool:
    """Tell whether there is no element that usually becomes an anion.

    Such are the nonmetals except noble gases, and the chalcogen Te: H, C, N, O, F, P, S, Cl, Se,
    Br, Te, I, At and heavier ones of groups 16 and 17. The flag is wider than
    `is_intermetallic`, whose compounds all have it: LiSi2B and LiCaAs have it, Li2Te and LiP5 do
    not.

    Parameters
    ----------
    composition : Composition
        With at least one element; oxidation states are ignored.
    """
    return not any(_is_anion_former(symbol) for symbol in composition.get_el_amt_dict())


@cache
def _is_metal(symbol: str) -> bool:
    from pymatgen.core import Element

    return Element.is_valid_symbol(symbol) and bool(Element(symbol).is_metal)


@cache
def _is_anion_former(symbol: str) -> bool:
    from pymatgen.core import Element

    if not Element.is_valid_symbol(symbol):
        return False
    element = Element(symbol)
    if element.is_metal or element.is_noble_gas:
        return False
    return bool(not element.is_metalloid or element.symbol == "Te")
