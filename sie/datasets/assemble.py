"""From measurements and crystals to a `Database`: the step that all sources share.

Sources know their own files and columns; what a row of the record holds is decided here.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from sie.datasets.cif import UnusableCif
from sie.datasets.record import COLUMNS, Database, LeftOut

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

logger = logging.getLogger(__name__)

SYMPREC_A = 0.01
"""Symmetry tolerance in Å for the space group; 1e-3 gives the same orbits on OBELiX."""

MAX_ANCHOR_AMOUNT = 24
"""Covers the usual formula units (12 O in a garnet) without inflating rounded occupancies."""


@dataclass(frozen=True)
class Measurement:
    """What a source says of one entry, without its crystal.

    Attributes
    ----------
    id : str
        Unique in the source.
    label : int
        1 where superionic.
    sigma_S_per_cm : float
        NaN where only the class is known.
    censored : bool
        True where sigma is an upper bound.
    doi, where : str
        Origin of the value; file and line of the row.
    extra : Mapping
        Further columns of the source that are kept.
    """

    id: str
    label: int
    sigma_S_per_cm: float = math.nan  # noqa: N815 - the unit's symbol is a capital S
    censored: bool = False
    doi: str = ""
    where: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def assemble(
    name: str,
    measurements: Iterable[Measurement],
    crystal_of: Callable[[str], tuple[Structure, str]],
    left_out: Iterable[LeftOut] = (),
    *,
    require_lithium: bool = True,
) -> Database:
    """Join measurements with their crystals; what does not fit is left out with its reason.

    Parameters
    ----------
    name : str
        Name of the dataset.
    measurements : iterable of Measurement
        Rows of the source; of rows with equal ids the first that is usable stays.
    crystal_of : callable
        From id to (structure, name of its file); raises `UnusableCif`.
    left_out : iterable of LeftOut
        Rows that the source has refused already.
    require_lithium : bool
        Leave out crystals without a Li site.

    Raises
    ------
    InputError
        When nothing usable is left.
    """
    rows: dict[str, dict[str, Any]] = {}
    structures: dict[str, Structure] = {}
    refused = list(left_out)
    for item in measurements:
        if item.id in rows:
            refused.append(LeftOut(item.id, "id occurs more than once", item.where))
            continue
        try:
            structure, source = crystal_of(item.id)
            if require_lithium and not has_lithium(structure):
                raise UnusableCif("no Li in the structure", source)
            rows[item.id] = _row(item, structure, source)
            structures[item.id] = structure
        except UnusableCif as refusal:
            refused.append(LeftOut(item.id, refusal.reason, refusal.file or item.where))
    extra = list(dict.fromkeys(key for row in rows.values() for key in row if key not in COLUMNS))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[*COLUMNS, *extra])
    table.index.name = "id"
    logger.info("dataset %s: %d entries, %d left out", name, len(table), len(refused))
    return Database(name, table, structures, tuple(refused))


def has_lithium(structure: Structure) -> bool:
    """Return whether any site holds Li."""
    return any(element.symbol == "Li" for element in structure.composition.elements)


def scale_free_formula(composition: Composition) -> str:
    """Return a reduced formula that does not depend on the size of the cell.

    pymatgen reduces only whole amounts, so a disordered crystal would have one formula per choice
    of cell. Here the most abundant element besides Li gets the whole amount up to
    `MAX_ANCHOR_AMOUNT` that leaves the fewest decimals: Li52.8La24Zr12.8Ta3.2O96 becomes
    Li6.6La3Zr1.6Ta0.4O12.
    """
    elements = composition.element_composition
    if all(abs(amount - round(amount)) < 1e-4 for amount in elements.values()):
        return elements.reduced_formula
    others = {str(e): amount for e, amount in elements.items() if str(e) != "Li"}
    anchor = max(others.values(), default=elements["Li"])
    candidates = [
        {element: round(k * amount / anchor, 4) for element, amount in elements.items()}
        for k in range(1, MAX_ANCHOR_AMOUNT + 1)
    ]
    best = type(elements)(min(candidates, key=_count_decimals))
    if all(amount == round(amount) for amount in best.values()):
        return best.reduced_formula
    return best.formula.replace(" ", "")


def space_group_number(structure: Structure) -> int:
    """Return the international space group number; 1 where spglib finds no symmetry at all."""
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    try:
        return int(SpacegroupAnalyzer(structure, symprec=SYMPREC_A).get_space_group_number())
    except (SymmetryUndeterminedError, TypeError, ValueError):
        return 1  # spglib gives up where partly occupied sites nearly coincide


def _row(item: Measurement, structure: Structure, source: str) -> dict[str, Any]:
    sigma = item.sigma_S_per_cm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen's own deprecations, one a crystal
        formula = scale_free_formula(structure.composition)
        space_group = space_group_number(structure)
    return {
        "formula": formula,
        "sigma_S_per_cm": sigma,
        "log10_sigma": math.nan if math.isnan(sigma) else math.log10(sigma),
        "label": item.label,
        "censored": item.censored,
        "ordered": bool(structure.is_ordered),
        "space_group": space_group,
        "source": source,
        "doi": item.doi,
        **item.extra,
    }


def _count_decimals(amounts: Mapping[Any, float]) -> int:
    return sum(len(f"{amount:.4f}".rstrip("0").partition(".")[2]) for amount in amounts.values())
