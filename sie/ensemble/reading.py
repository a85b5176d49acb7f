"""What users call a structure: pymatgen objects, CIF files, CIF texts; one, several or named.

Reading and naming only; a CIF's own rules are those of `sie.datasets.cif`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sie.datasets.cif import UnusableCif, check_cell, parse_cif, read_cif
from sie.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

OnError = Literal["raise", "nan"]

Crystals = Any
"""A pymatgen Structure, the path of a CIF or the text of one; a sequence of them, or a mapping
from id."""


@dataclass(frozen=True)
class Reading:
    """Structures as they were given, and those of them that can be scored.

    Attributes
    ----------
    ids : tuple of str
        Of all that was given, in its order.
    structures : Mapping[str, Structure]
        Those that could be read, by id.
    refused : Mapping[str, str]
        Why the others could not, in one line, by id.
    """

    ids: tuple[str, ...]
    structures: Mapping[str, Structure]
    refused: Mapping[str, str]


def read_structures(given: Crystals, errors: OnError = "raise") -> Reading:
    """Read structures and name them.

    Parameters
    ----------
    given : Crystals
        Files are named by their stem, everything else in a sequence by its place from 0; a
        mapping names its values.
    errors : {"raise", "nan"}
        Whether a structure that cannot be used ends the reading, or is listed as refused.

    Raises
    ------
    InputError
        Naming the structure, when it cannot be read, has no Li, or is no structure.
    """
    check_on_error(errors)
    named = _named(given)
    structures, refused = {}, {}
    for entry, item in named.items():
        try:
            structures[entry] = _usable(_read_one(item))
        except InputError as error:
            refused[entry] = str(error)
            if errors == "raise":
                raise InputError(f"structure {entry}: {error}") from error
    return Reading(tuple(named), structures, refused)


def check_on_error(errors: str) -> None:
    """Refuse anything but "raise" and "nan".

    Raises
    ------
    InputError
        When it is neither.
    """
    if errors not in ("raise", "nan"):
        raise InputError(f"errors is {errors!r}; choose 'raise' or 'nan'")


def _named(given: Crystals) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return {str(key): value for key, value in given.items()}
    if _is_one(given):
        return {_name(given, 0): given}
    if not isinstance(given, Sequence | Iterable) or isinstance(given, bytes):
        raise InputError(
            f"{type(given).__name__} is no structure; give pymatgen Structures, paths of CIFs or "
            "their text"
        )
    named: dict[str, Any] = {}
    for place, item in enumerate(given):
        named[_unused(_name(item, place), named)] = item
    return named


def _is_one(given: Crystals) -> bool:
    # a Structure is a sequence of sites
    return isinstance(given, str | PathLike) or _is_structure(given)


def _is_structure(item: Any) -> bool:
    from pymatgen.core import IStructure

    return isinstance(item, IStructure)


def _is_text(item: str) -> bool:
    return "\n" in item or item.lstrip().startswith("data_")


def _name(item: Any, place: int) -> str:
    if isinstance(item, PathLike) or (isinstance(item, str) and not _is_text(item)):
        return Path(item).stem or str(place)
    return str(place)


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _read_one(item: Any) -> Structure:
    if _is_structure(item):
        return item
    if isinstance(item, str) and _is_text(item):
        return parse_cif(item)
    if isinstance(item, str | PathLike):
        if not str(item):
            raise InputError("an empty text is no CIF")
        return read_cif(Path(item))
    raise InputError(
        f"{type(item).__name__} is no structure; give a pymatgen Structure, the path of a CIF or "
        "its text"
    )


def _usable(structure: Structure) -> Structure:
    """Refuse what the model says nothing about; objects did not pass the rules for CIFs."""
    lithium = any(
        getattr(kind, "symbol", "") == "Li" and amount > 0
        for kind, amount in structure.composition.items()
    )
    if not lithium:
        raise InputError(f"no Li in {structure.formula or 'it'}; the model knows Li conductors")
    try:
        check_cell(structure)
    except UnusableCif as error:
        raise InputError(error.reason) from error
    return structure
