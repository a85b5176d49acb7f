"""Judging single cells of a table: conductivity, class, temperature.

Plain text in, a value or a refusal out; no files and no crystals here.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from sie.datasets.arrhenius import ROOM_K
from sie.datasets.record import SUPERIONIC_SIGMA_S_PER_CM
from sie.errors import InputError

ROOM_TEMPERATURE_K = (288.0, 308.0)
MEASURED_K = (10.0, 2000.0)
"""Temperatures outside are in another unit, or slips."""
MAX_SIGMA_S_PER_CM = 10.0
"""Above any known Li conductor by orders of magnitude: such a cell is in another unit."""

MAX_CELL = 200
"""Characters of a value, with its unit."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_POWER = re.compile(r"(?:([^x*·]+?)\s*[x*·]\s*)?10\s*\^?\s*([+-]\d{1,3})", re.ASCII)
_EMPTY = frozenset({"", "-", "--", "?", "na", "n/a", "nan", "none", "null"})
_POSITIVE = frozenset({"1", "1.0", "true", "yes", "y", "superionic", "si", "positive"})
_NEGATIVE = frozenset(
    {"0", "0.0", "false", "no", "n", "nonsuperionic", "notsuperionic", "nsi", "negative"}
)


class UnusableValue(InputError):
    """A cell that cannot be used; the message is the reason in a few words."""


@dataclass(frozen=True)
class Conductivity:
    """A room-temperature conductivity, or an upper bound of it where `censored`."""

    sigma_S_per_cm: float  # noqa: N815 - the unit's symbol is a capital S
    censored: bool = False

    @property
    def label(self) -> int:
        """Class 1 from `SUPERIONIC_SIGMA_S_PER_CM` on; an upper bound is class 0."""
        return int(not self.censored and self.sigma_S_per_cm >= SUPERIONIC_SIGMA_S_PER_CM)


def is_empty(text: str) -> bool:
    """Return whether a cell holds nothing, or one of the usual marks for nothing."""
    return text.strip().lower() in _EMPTY


def parse_number(text: str) -> float:
    """Parse a finite number: "1.2e-4", "1,2e-4", "1.2×10⁻⁴", "3.4(2)".

    Raises
    ------
    UnusableValue
        When the text is anything else.
    """
    plain = unicodedata.normalize("NFKC", _short(text)).replace("−", "-").replace("×", "x").strip()
    plain = re.sub(r"\(\d+\)", "", plain)
    if plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    if power := _POWER.fullmatch(plain):
        plain = f"{(power[1] or '1').strip()}e{power[2]}"
    if not _NUMBER.fullmatch(plain) or not math.isfinite(value := float(plain)):
        raise UnusableValue(f"{_quoted(text)} is not a number")
    return value


def parse_conductivity(text: str, *, log10: bool = False) -> Conductivity:
    """Parse a conductivity in S/cm, or its decimal logarithm; "<1e-10" is an upper bound.

    Raises
    ------
    UnusableValue
        When it is no number, out of range, a lower bound, or an upper bound above the threshold,
        which does not decide the class.
    """
    bound, plain = _split_bound(text)
    value = parse_number(plain)
    if log10:
        if abs(value) > 300:
            raise UnusableValue(f"log10 of a conductivity cannot be {value:g}")
        value = 10.0**value
    if not 0 < value <= MAX_SIGMA_S_PER_CM:
        raise UnusableValue(
            f"conductivity {value:g} S/cm is not between 0 and {MAX_SIGMA_S_PER_CM:g}"
        )
    if bound == ">":
        raise UnusableValue("a lower bound of the conductivity cannot be used")
    if bound == "<" and value > SUPERIONIC_SIGMA_S_PER_CM:
        raise UnusableValue(f"upper bound {value:g} S/cm does not decide the class")
    return Conductivity(value, censored=bound == "<")


def parse_class(text: str) -> int:
    """Parse a class: 1, yes, true, superionic; or 0, no, false, non-superionic.

    Raises
    ------
    UnusableValue
        When the text names no class.
    """
    plain = re.sub(r"[\s_-]", "", _short(text).lower())
    if plain in _POSITIVE:
        return 1
    if plain in _NEGATIVE:
        return 0
    raise UnusableValue(f"{_quoted(text)} is not a class; 0 or 1 is")


def parse_temperature(text: str, *, celsius: bool = False) -> float:
    """Parse a temperature and return it in K; "RT" is 298.15 K.

    Raises
    ------
    UnusableValue
        When the text is no temperature, or none at which a solid is measured.
    """
    plain = _short(text).strip()
    if plain.lower() in ("rt", "room", "room temperature", "ambient"):
        return ROOM_K
    if unit := re.fullmatch(r"(.*?)\s*(?:°?\s*C|(K))", plain):
        plain, celsius = unit[1], unit[2] is None
    kelvin = parse_number(plain) + (273.15 if celsius else 0.0)
    low, high = MEASURED_K
    if not low <= kelvin <= high:
        raise UnusableValue(f"{kelvin:g} K is not between {low:g} and {high:g} K")
    return kelvin


def is_room_temperature(kelvin: float) -> bool:
    """Return whether a temperature in K is within `ROOM_TEMPERATURE_K`."""
    low, high = ROOM_TEMPERATURE_K
    return low <= kelvin <= high


def _split_bound(text: str) -> tuple[str, str]:
    match = re.match(r"\s*([<>≤≥])?=?\s*(.*)", text, re.DOTALL)
    bound = (match[1] or "") if match else ""
    return {"≤": "<", "≥": ">"}.get(bound, bound), match[2] if match else text


def _short(text: str) -> str:
    """Refuse a cell of a page: patterns of numbers and units take cubic time on it."""
    if len(text) > MAX_CELL:
        raise UnusableValue(f"{_quoted(text)}... is too long for a value")
    return text


def _quoted(text: str) -> str:
    """Return the begin of a cell on one line."""
    return f"'{' '.join(text.split())[:30]}'"
