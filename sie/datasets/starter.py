"""The starter dataset: curated Li compounds inside the package, for a first run without download.

Reading and checking its two data files and building crystals; what the rows claim: docs/starter.md.
"""

from __future__ import annotations

import csv
import functools
import logging
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from sie.bounded_yaml import load_bounded
from sie.datasets.record import COLUMNS, SUPERIONIC_SIGMA_S_PER_CM, Database, Source
from sie.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from pymatgen.symmetry.groups import SpaceGroup

logger = logging.getLogger(__name__)

NAME = "starter"
FORMAT_VERSION = 1
PROTOTYPES_FILE = "starter_prototypes.yaml"
MEMBERS_FILE = "starter_members.csv"

LATTICE_COLUMNS = ("a_A", "b_A", "c_A", "alpha_deg", "beta_deg", "gamma_deg")
MEMBER_COLUMNS = (
    "id",
    "family",
    "prototype",
    "formula",
    "occupancies",
    *LATTICE_COLUMNS,
    "sigma_S_per_cm",
    "censored",
    "doi",
    "evidence",
    "note",
)
EVIDENCE = ("independent", "confirmed", "adopted")
VACANT = "vacant"

_SLUG = re.compile(r"[a-z0-9][a-z0-9.-]*")
_DOI = re.compile(r"10\.\d{4,9}/[^\s;,]+")
_SUM_TOLERANCE = 1e-6
MAX_MESSAGE = 500

# first space group number of each crystal system, and the lattice constants that are free in it
_SYSTEMS = (
    (195, "cubic", ("a_A",)),
    (143, "hexagonal", ("a_A", "c_A")),
    (75, "tetragonal", ("a_A", "c_A")),
    (16, "orthorhombic", ("a_A", "b_A", "c_A")),
    (3, "monoclinic", ("a_A", "b_A", "c_A", "beta_deg")),
    (1, "triclinic", LATTICE_COLUMNS),
)


@dataclass(frozen=True)
class Site:
    """One orbit of a prototype: a representative position and what fills it by default."""

    label: str
    position: tuple[float, float, float]
    default: str = ""


@dataclass(frozen=True)
class Prototype:
    """A structure type in the setting of `Structure.from_spacegroup`."""

    key: str
    space_group: int
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class Member:
    """One checked row of the table of members.

    Attributes
    ----------
    where : str
        File, line and id, for messages.
    formula : str
        The composition that the row states; crystals are built from `occupancies` alone.
    occupancies : Mapping
        Amounts by element symbol for every occupied site label.
    lattice : tuple of float
        a, b, c in Å; alpha, beta, gamma in degrees.
    """

    where: str
    id: str
    family: str
    prototype: Prototype
    formula: str
    occupancies: Mapping[str, Mapping[str, float]]
    lattice: tuple[float, ...]
    sigma_S_per_cm: float  # noqa: N815 - the unit's symbol is a capital S
    censored: bool
    doi: str
    evidence: str
    note: str


def from_source(source: Source) -> Database:
    """Load the dataset for the registry; it needs nothing."""
    return load()


def load(folder: Traversable | None = None) -> Database:
    """Load the starter dataset, built from its prototypes and table of members.

    Parameters
    ----------
    folder : Path or Traversable, optional
        Where the two data files lie; default: inside the package.

    Returns
    -------
    Database
        With the further column `family`; `source` names the prototype.

    Raises
    ------
    InputError
        When a data file is broken; the message names file and line.
    """
    members = read_members(folder)
    structures = {member.id: build(member) for member in members}
    table = pd.DataFrame.from_dict(
        {member.id: _row(member, structures[member.id]) for member in members},
        orient="index",
        columns=[*COLUMNS, "family"],
    )
    table.index.name = "id"
    logger.info("dataset %s: %d entries", NAME, len(table))
    return Database(NAME, table, structures)


def read_prototypes(folder: Traversable | None = None) -> Mapping[str, Prototype]:
    """Read the structure types by key.

    Raises
    ------
    InputError
        When the file cannot be read, has another format version, or a type is malformed.
    """
    try:
        content, _ = load_bounded(_read(folder, PROTOTYPES_FILE))
    except (yaml.YAMLError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise _refusal(f"{PROTOTYPES_FILE} is not readable YAML: {line}") from error
    version = content.get("version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise _refusal(
            f"{PROTOTYPES_FILE} has format version {version}, this sie reads {FORMAT_VERSION}; "
            "use the files that came with it"
        )
    prototypes = content.get("prototypes")
    if not isinstance(prototypes, dict):
        raise _refusal(f"{PROTOTYPES_FILE} has no mapping 'prototypes'; reinstall sie")
    return {str(key): _prototype(str(key), entry) for key, entry in prototypes.items()}


def read_members(folder: Traversable | None = None) -> tuple[Member, ...]:
    """Read and check the table of members.

    Raises
    ------
    InputError
        When a row is broken; the message names file, line and id.
    """
    prototypes = read_prototypes(folder)
    reader = csv.DictReader(_read(folder, MEMBERS_FILE).splitlines())
    members: dict[str, Member] = {}
    try:
        if tuple(reader.fieldnames or ()) != MEMBER_COLUMNS:
            raise _refusal(f"{MEMBERS_FILE}: the columns must be {', '.join(MEMBER_COLUMNS)}")
        for row in reader:
            where = f"{MEMBERS_FILE} line {reader.line_num} ({row['id']})"
            if None in row or None in row.values():
                n = len(MEMBER_COLUMNS)
                raise _refusal(f"{where}: a row has {n} fields; check its commas")
            member = _member(row, where, prototypes)
            if member.id in members:
                raise _refusal(f"{where}: this id occurs already; ids must be unique")
            members[member.id] = member
    except csv.Error as error:
        raise _refusal(f"{MEMBERS_FILE} line {reader.line_num}: {error}; reinstall sie") from error
    return tuple(members.values())


def build(member: Member) -> Structure:
    """Build the crystal of a row in the conventional cell of its prototype."""
    from pymatgen.core import Lattice, Structure

    positions = orbits(member.prototype)
    species = [amounts for label, amounts in member.occupancies.items() for _ in positions[label]]
    coords = np.concatenate([positions[label] for label in member.occupancies])
    return Structure(Lattice.from_parameters(*member.lattice), species, coords)


@functools.cache
def orbits(prototype: Prototype) -> Mapping[str, np.ndarray]:
    """Return the fractional coordinates of every orbit, shape (multiplicity, 3), by site label.

    As in `Structure.from_spacegroup`, but once a prototype: orbits do not depend on the member,
    and finding them takes most of the time of building a crystal.
    """
    group = _space_group(prototype.space_group)
    return {site.label: np.array(group.get_orbit(site.position)) for site in prototype.sites}


@functools.cache
def _space_group(number: int) -> SpaceGroup:
    """Keep the group, because generating its 192 operations takes 0.3 s for number 227."""
    from pymatgen.symmetry.groups import SpaceGroup

    return SpaceGroup.from_int_number(number)


def parse_occupancies(text: str, where: str) -> dict[str, dict[str, float]]:
    """Read occupancies such as "Li1=Li:0.55; A=La:2/3+Ba:1/3; B=Ta; Li2=vacant".

    Returns
    -------
    dict
        Amounts by element symbol for every site label; a vacant site has none.

    Raises
    ------
    InputError
        When a part cannot be read, a label repeats, or a site holds nothing or more than 1.
    """
    occupancies: dict[str, dict[str, float]] = {}
    for part in text.split(";"):
        label, equals, species = (piece.strip() for piece in part.partition("="))
        if not (label and equals and species):
            raise _refusal(f"{where}: cannot read {part.strip()!r}; write Site=Element:amount")
        if label in occupancies:
            raise _refusal(f"{where}: site {label} is given twice; join its elements with +")
        occupancies[label] = {} if species == VACANT else _amounts(species, label, where)
    return occupancies


def _read(folder: Traversable | None, name: str) -> str:
    home = folder if folder is not None else resources.files("sie.datasets") / "data"
    try:
        return (home / name).read_text(encoding="utf-8")
    except OSError as error:
        raise _refusal(f"cannot read {home / name}: {error.strerror}; reinstall sie") from error
    except UnicodeDecodeError as error:
        raise _refusal(f"{home / name} is not UTF-8 text; reinstall sie") from error


def _prototype(key: str, entry: Any) -> Prototype:
    try:
        sites = tuple(
            Site(str(label), (float(x), float(y), float(z)), _default(species))
            for label, (x, y, z, *species) in entry["sites"].items()
        )
        space_group = int(entry["space_group"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _refusal(
            f"{PROTOTYPES_FILE}, {key}: needs space_group and sites of 'label: [x, y, z]' "
            f"or 'label: [x, y, z, Element]' ({error})"
        ) from error
    if not 1 <= space_group <= 230:
        raise _refusal(f"{PROTOTYPES_FILE}, {key}: no space group {space_group}; give 1 to 230")
    return Prototype(key, space_group, sites)


def _default(species: Sequence[Any]) -> str:
    """Return the element that fills a site where nothing else is stated."""
    from pymatgen.core import Element

    if not species:
        return ""
    if len(species) > 1 or not Element.is_valid_symbol(str(species[0])):
        raise ValueError("no element")
    return str(species[0])


def _member(row: Mapping[str, str], where: str, prototypes: Mapping[str, Prototype]) -> Member:
    key = row["prototype"]
    if key not in prototypes:
        raise _refusal(f"{where}: unknown prototype {key!r}; known: {', '.join(prototypes)}")
    _expect(_SLUG.fullmatch(row["id"]), where, "id", row["id"], "a-z, 0-9, dots and hyphens")
    _expect(row["family"] and row["formula"], where, "family and formula", "", "both")
    _expect(_DOI.fullmatch(row["doi"]), where, "doi", row["doi"], "10.prefix/suffix")
    _expect(row["evidence"] in EVIDENCE, where, "evidence", row["evidence"], ", ".join(EVIDENCE))
    _expect(row["censored"] in ("yes", "no"), where, "censored", row["censored"], "yes or no")
    return Member(
        where=where,
        id=row["id"],
        family=row["family"],
        prototype=prototypes[key],
        formula=row["formula"],
        occupancies=_fill(parse_occupancies(row["occupancies"], where), prototypes[key], where),
        lattice=_lattice(row, prototypes[key].space_group, where),
        sigma_S_per_cm=_positive(row, "sigma_S_per_cm", where),
        censored=row["censored"] == "yes",
        doi=row["doi"],
        evidence=row["evidence"],
        note=row["note"],
    )


def _expect(holds: object, where: str, what: str, came: str, wanted: str) -> None:
    if not holds:
        raise _refusal(f"{where}: {what} is {came!r}; expected {wanted}")


def _refusal(message: str) -> InputError:
    """Return an error of one line, whatever stands in the cells that it quotes."""
    line = " ".join(message.split())
    return InputError(line if len(line) <= MAX_MESSAGE else f"{line[:MAX_MESSAGE]}...")


def _positive(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    _expect(math.isfinite(value) and value > 0, where, column, row[column], "a positive number")
    return value


def _lattice(row: Mapping[str, str], space_group: int, where: str) -> tuple[float, ...]:
    """Complete the free lattice constants of a crystal system; refuse the dependent ones."""
    system, free = next((name, free) for first, name, free in _SYSTEMS if space_group >= first)
    if superfluous := [name for name in LATTICE_COLUMNS if row[name] and name not in free]:
        raise _refusal(f"{where}: {superfluous[0]} follows from the {system} cell; leave it empty")
    given = {name: _positive(row, name, where) for name in free}
    a = given["a_A"]
    gamma = 120.0 if system == "hexagonal" else 90.0
    lattice = dict(zip(LATTICE_COLUMNS, (a, a, a, 90.0, 90.0, gamma), strict=True))
    return tuple((lattice | given).values())


def _fill(
    stated: Mapping[str, Mapping[str, float]], prototype: Prototype, where: str
) -> dict[str, Mapping[str, float]]:
    """Merge what a row states with the defaults of its prototype; vacant sites are dropped."""
    labels = {site.label for site in prototype.sites}
    if unknown := [label for label in stated if label not in labels]:
        raise _refusal(
            f"{where}: prototype {prototype.key} has no site {unknown[0]!r}; "
            f"it has {', '.join(site.label for site in prototype.sites)}"
        )
    filled: dict[str, Mapping[str, float]] = {}
    for site in prototype.sites:
        if site.label not in stated and not site.default:
            raise _refusal(
                f"{where}: site {site.label} of prototype {prototype.key} is not stated; "
                f"give its elements or {site.label}={VACANT}"
            )
        amounts = stated.get(site.label, {site.default: 1.0})
        if amounts:
            filled[site.label] = amounts
    return filled


def _amounts(species: str, label: str, where: str) -> dict[str, float]:
    from pymatgen.core import Element

    amounts: dict[str, float] = {}
    for item in species.split("+"):
        symbol, colon, number = (piece.strip() for piece in item.partition(":"))
        if not Element.is_valid_symbol(symbol) or symbol in amounts:
            raise _refusal(f"{where}: site {label}: {symbol!r} is no element or stands twice")
        try:
            amounts[symbol] = _fraction(number) if colon else 1.0
        except (ValueError, ZeroDivisionError, OverflowError) as error:
            raise _refusal(f"{where}: site {label}: {number!r} is not a number") from error
    total = sum(amounts.values())
    if min(amounts.values()) <= 0 or total > 1 + _SUM_TOLERANCE:
        raise _refusal(
            f"{where}: the occupancies of site {label} sum to {total:g}; "
            "each must be positive and their sum at most 1"
        )
    return amounts


def _fraction(text: str) -> float:
    # a Fraction of "1e999999999" is a whole number of a billion digits
    if len(text) > 40 or "e" in text.lower():
        raise ValueError(text)
    return float(Fraction(text))


def _row(member: Member, structure: Structure) -> dict[str, Any]:
    from sie.datasets.assemble import scale_free_formula

    sigma = member.sigma_S_per_cm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen's own deprecations, one a crystal
        formula = scale_free_formula(structure.composition)
    return {
        "formula": formula,
        "sigma_S_per_cm": sigma,
        "log10_sigma": math.log10(sigma),
        "label": int(sigma >= SUPERIONIC_SIGMA_S_PER_CM and not member.censored),
        "censored": member.censored,
        "ordered": bool(structure.is_ordered),
        "space_group": member.prototype.space_group,
        "source": member.prototype.key,
        "doi": member.doi,
        "family": member.family,
    }
