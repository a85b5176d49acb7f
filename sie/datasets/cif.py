"""Reading one CIF into a pymatgen `Structure`, or refusing it with a short reason.

Occupancies, species names and sizes are judged here; labels and tables are not.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.datasets.cif_limits import (
    MAX_BYTES,
    MAX_SECONDS,
    UnusableCif,
    bounded_text,
    check_positions,
    parser_of,
)
from sie.reading import TooLarge, lines_of, read_bytes
from sie.time_limits import TimeOver, time_limit

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifParser

OCCUPANCY_TOLERANCE = 2.0
"""Occupancies of one site that sum to more than 1 and at most this are rescaled to 1.

Refinements often leave sums such as 1.02; the archived code of 10.1039/d5dd00052a lets sums up to
2.0 through, and the same entries must pass here for its results to be comparable.
"""

MAX_SPECIES_OCCUPANCY = 1.1
"""One species alone may exceed 1 by rounding or refinement; above this it is a mistyped value."""

MAX_SITES = 5_000
MIN_REPEAT_A = 0.5
"""Shortest lattice vector: atoms of a thinner cell have millions of neighbours (graphene: 2.5)."""

MAX_SITES_IN_A3 = 200
"""Sites in a cube of 1 Å: split sites crowd, but a hundred thousand pairs a site take minutes."""

VOLUME_PER_ATOM_A3 = (1.0, 1000.0)
"""Cells outside this range are a broken cell line (diamond: 5.7, caesium: 115)."""

_ISOTOPE = re.compile(r"[DT](?![A-Za-z])")
_VACANCY_NAMES = frozenset({"va", "vac", "vc", "vacancy"})  # pymatgen would read vanadium
_CHARGED_SYMBOL = re.compile(r"([A-Z][a-z]?)(\d*)([+-])")


def read_cif(path: Path) -> Structure:
    """Read the one crystal of a CIF file, in the cell that the file gives.

    Parameters
    ----------
    path : Path
        The file, at most `MAX_BYTES` long.

    Returns
    -------
    Structure
        See `parse_cif`.

    Raises
    ------
    UnusableCif
        When the file cannot be read or its content is refused.
    """
    try:
        text = lines_of(read_bytes(path, MAX_BYTES), errors="replace")
    except TooLarge as error:
        raise UnusableCif(str(error), str(path)) from error
    except OSError as error:
        raise UnusableCif(f"cannot be read: {error.strerror}", str(path)) from error
    return parse_cif(text, str(path))


def parse_cif(text: str, file: str = "") -> Structure:
    """Build the one crystal of a CIF text, in the cell that the text gives.

    Deuterium and tritium become hydrogen. Oxidation states are kept where the CIF declares them,
    in its type loop or in its type symbols ("Li1+"), unless all of them are zero.

    Parameters
    ----------
    text : str
        Content of the CIF, with exactly one data block that lists atoms.
    file : str
        Name for messages.

    Returns
    -------
    Structure
        Occupancies of each site sum to at most 1.

    Raises
    ------
    UnusableCif
        When no crystal can be built, or occupancies are impossible, or it is too large or takes
        too long (`cif_limits`).
    """
    try:
        with warnings.catch_warnings(), time_limit(MAX_SECONDS):
            warnings.simplefilter("ignore")
            return _build(text)
    except UnusableCif as refusal:
        raise UnusableCif(refusal.reason, file) from refusal.__cause__
    except TimeOver as error:
        raise UnusableCif(f"{error} to read", file) from error
    except Exception as error:  # pymatgen raises a dozen kinds on malformed text
        raise UnusableCif(_short_reason(error), file) from error


def _build(text: str) -> Structure:
    bounded = bounded_text(text)
    if "_atom_site_fract_x" not in bounded:
        raise UnusableCif("no atom positions")
    parser = parser_of(bounded, OCCUPANCY_TOLERANCE)
    block = _only_block_with_atoms(parser)
    _check_occupancies(block)
    _check_symbols(block)
    _rename_isotopes(block)
    _declare_oxidation_states(block)
    check_positions(block, len(parser.get_symops(block)))
    structure = parser.parse_structures(primitive=False, on_error="raise")[0]
    cleaned = _clean(structure)
    check_cell(cleaned)
    return cleaned


def _only_block_with_atoms(parser: CifParser) -> Any:
    """Return the block that lists atoms and drop the others, which need not be crystals."""
    blocks = parser._cif.data  # the public as_dict() is a copy, and blocks must be dropped
    with_atoms = [name for name, block in blocks.items() if "_atom_site_fract_x" in block.data]
    if len(with_atoms) != 1:
        raise UnusableCif(f"{len(with_atoms)} blocks with atoms; exactly one is needed")
    block = blocks[with_atoms[0]]
    if not isinstance(block.data["_atom_site_fract_x"], list):
        raise UnusableCif("the atoms are not listed in a loop")
    if "_atom_site_label" not in block.data:
        block.data["_atom_site_label"] = block.data["_atom_site_type_symbol"]
    parser._cif.data = {with_atoms[0]: block}
    return block


def _check_occupancies(block: Any) -> None:
    """Refuse impossible occupancies, which pymatgen drops or takes for 1 without a word."""
    occupancies = block.data.get("_atom_site_occupancy", [])
    for index, text in enumerate(occupancies):
        if text.strip() in (".", "?", ""):
            occupancies[index] = "1"  # the CIF dictionary's default; pymatgen reads "." as 0
            continue
        try:
            value = float(re.sub(r"\(.*", "", text))
        except ValueError:
            raise UnusableCif(f"occupancy {_quote(text)} is not a number") from None
        if not 0 <= value <= MAX_SPECIES_OCCUPANCY:
            raise UnusableCif(f"impossible occupancy {value:g}")


def _check_symbols(block: Any) -> None:
    for symbol in block.data.get("_atom_site_type_symbol", []):
        if re.sub(r"[^A-Za-z]", "", symbol).lower() in _VACANCY_NAMES:
            raise UnusableCif(f"species {_quote(symbol)} is no element")


def _rename_isotopes(block: Any) -> None:
    """Call D and T hydrogen beforehand: pymatgen adds D and H on one site to a wrong sum."""
    by_type = "_atom_site_type_symbol" in block.data
    for key in ("_atom_site_type_symbol" if by_type else "_atom_site_label", "_atom_type_symbol"):
        if isinstance(symbols := block.data.get(key), list):
            symbols[:] = [
                f"H{symbol[1:]}" if _ISOTOPE.match(symbol) else symbol for symbol in symbols
            ]


def _declare_oxidation_states(block: Any) -> None:
    """Turn charges that stand only in the type symbols of the sites into a declared type loop."""
    try:
        [float(text) for text in block.data["_atom_type_oxidation_number"]]
    except (KeyError, ValueError):
        symbols = sorted(set(block.data.get("_atom_site_type_symbol", [])))
        matches = [_CHARGED_SYMBOL.fullmatch(symbol) for symbol in symbols]
        found = [match for match in matches if match]
        block.data.pop("_atom_type_oxidation_number", None)
        if found and len(found) == len(symbols):
            block.data["_atom_type_symbol"] = symbols
            block.data["_atom_type_oxidation_number"] = [
                match[3] + (match[2] or "1") for match in found
            ]


def _clean(structure: Structure) -> Structure:
    """Rebuild with elements only, or species where a charge is declared; no site properties."""
    from pymatgen.core import DummySpecies, Element, Species, Structure

    kinds = {kind for site in structure for kind in site.species}
    if dummies := sorted(str(kind) for kind in kinds if isinstance(kind, DummySpecies)):
        raise UnusableCif(f"species {_quote(dummies[0])} is no element")
    charged = any(getattr(kind, "oxi_state", None) for kind in kinds)
    species = []
    for site in structure:
        amounts: Counter[Any] = Counter()
        for kind, amount in site.species.items():
            state = getattr(kind, "oxi_state", None)
            bare = not charged or state is None
            amounts[Element(kind.symbol) if bare else Species(kind.symbol, state)] += amount
        species.append(dict(amounts))
    return Structure(structure.lattice, species, structure.frac_coords)


def check_cell(structure: Structure) -> None:
    """Refuse a crystal that is too large, or whose cell is broken.

    Raises
    ------
    UnusableCif
        With the reason.
    """
    if not len(structure):
        raise UnusableCif("no atoms")
    if len(structure) > MAX_SITES:
        raise UnusableCif(f"{len(structure)} sites, more than {MAX_SITES}")
    if not (
        np.isfinite(structure.lattice.matrix).all() and np.isfinite(structure.frac_coords).all()
    ):
        raise UnusableCif("a cell length or a coordinate is not finite")
    low, high = VOLUME_PER_ATOM_A3
    volume = structure.volume / structure.composition.num_atoms
    if not low <= volume <= high:
        raise UnusableCif(f"impossible cell: {volume:.3g} Å³ per atom")
    _check_density(structure)


def _check_density(structure: Structure) -> None:
    """Refuse what fills its volume so unevenly that finding neighbours takes minutes."""
    lattice = structure.lattice
    # no lattice vector is shorter than the least distance between lattice planes
    if np.linalg.norm(lattice.inv_matrix, axis=0).max() > 1 / MIN_REPEAT_A:
        repeat = min(lattice.get_lll_reduced_lattice().abc)
        if not repeat >= MIN_REPEAT_A:
            raise UnusableCif(f"impossible cell: it repeats every {repeat:.2g} Å")
    if len(structure) > MAX_SITES_IN_A3:
        cubes = np.floor(structure.frac_coords % 1 @ lattice.matrix).astype(int)
        n_most = np.unique(cubes, axis=0, return_counts=True)[1].max()
        if n_most > MAX_SITES_IN_A3:
            raise UnusableCif(f"{n_most} sites within 1 Å, more than {MAX_SITES_IN_A3}")


def _short_reason(error: Exception) -> str:
    """Reduce an error of the parser to one short line."""
    if found := re.search(r"Occupancy ([\d.]+) exceeded tolerance", str(error)):
        return f"occupancies of a site sum to {float(found[1]):g}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    detail = lines[-1] if lines else type(error).__name__
    return f"cannot be parsed: {detail[:80]}"


def _quote(text: str) -> str:
    return f"'{text[:20]}'"
