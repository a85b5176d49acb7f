"""What reading a CIF may cost: bounds on its text, its symmetry and its atoms.

The bounds do not depend on the machine, so a dataset does not either; what a crystal may look
like is decided in `cif`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sie.errors import InputError

if TYPE_CHECKING:
    from pymatgen.io.cif import CifParser

MAX_BYTES = 10_000_000
MAX_LINE = 20_000
"""The CIF standard allows 2,048; pymatgen's tokeniser takes quadratic time on a line of quotes."""

MAX_QUOTE_WORK = 100_000_000
"""Sum over lines of length times quotes: bounds that quadratic time to about a second."""

MAX_WORDS = 2_000_000
"""A token costs 150 bytes of memory and more, in a file as little as two."""

MAX_BLOCKS = 1_000
MAX_LISTED = 10_000
"""Rows of the list of atoms: two species on each site of the largest crystal."""

MAX_POSITIONS = 20_000
"""Largest product of listed atoms and symmetry operations: bounds the time of the expansion."""

MAX_PAULING_ROWS = 1_000
"""Rows such as "0.8Nb + 0.2Zr", which pymatgen takes apart in quadratic time."""

MAX_SECONDS = 60.0
"""Of processor time: a last resort; the worst files known within the bounds take 15 s."""

_OPERATIONS = (
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_pos_as_xyz_",
    "_space_group_symop_operation_xyz",
    "_space_group_symop_operation_xyz_",
)
_MAGNETIC = re.compile(r"_space_group_symop[_.]magn[_.](operation|centering)[_.]xyz")
_TRANSFORM = re.compile(r"transform[_.]BNS[_.]Pp[_.]abc|transform_to_standard[_.]Pp[_.]abc")
_PLAIN_TRANSFORM = re.compile(r"[-+\d/.abc, ]{1,60};[-+\d/., ]{1,60}")
_LONG_NUMBER = re.compile(r"[\d.]{21}")
_MAX_OPERATION = 200


class UnusableCif(InputError):
    """A CIF that gives no usable crystal; `reason` says why in a few words."""

    def __init__(self, reason: str, file: str = "") -> None:
        self.reason = reason
        self.file = file
        super().__init__(f"CIF {file}: {reason}" if file else f"CIF: {reason}")


def bounded_text(text: str) -> str:
    """Return a text that can be taken apart in a second or two, without its blank lines.

    Blank lines mean nothing in a CIF, and pymatgen's search for blocks takes quadratic time on
    them: a megabyte of them would take hours.

    Raises
    ------
    UnusableCif
        When it is too long, or too much in it has to be taken apart.
    """
    if len(text) > MAX_BYTES:
        raise UnusableCif(f"larger than {MAX_BYTES // 1_000_000} MB")
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    longest = max(map(len, lines), default=0)
    if longest > MAX_LINE and max(map(len, text.splitlines())) > MAX_LINE:
        raise UnusableCif(f"a line is longer than {MAX_LINE} characters")
    if longest * len(text) > MAX_QUOTE_WORK:
        work = sum(len(line) * (line.count("'") + line.count('"')) for line in lines)
        if work > MAX_QUOTE_WORK:
            raise UnusableCif("too many quotation marks on long lines")
    if len(text) > MAX_WORDS and len(text.split()) > MAX_WORDS:
        raise UnusableCif(f"more than {MAX_WORDS} words")
    if text.count("data_") > MAX_BLOCKS and _n_blocks(lines) > MAX_BLOCKS:
        raise UnusableCif(f"more than {MAX_BLOCKS} blocks")
    return "\n".join(lines)


def parser_of(text: str, occupancy_tolerance: float) -> CifParser:
    """Return pymatgen's parser of a text, whose blocks are judged before it works on them.

    Raises
    ------
    UnusableCif
        When a block lists too much.
    """
    # its check compares with the stated formula, and only warns
    return _bounded_parser().from_str(
        text, occupancy_tolerance=occupancy_tolerance, check_cif=False
    )


def check_positions(block: Mapping[str, Any], n_operations: int) -> None:
    """Refuse a crystal whose expansion would take minutes.

    Raises
    ------
    UnusableCif
        With the number of positions.
    """
    n_positions = len(block["_atom_site_label"]) * max(n_operations, _n_magnetic(block))
    if n_positions > MAX_POSITIONS:
        raise UnusableCif(f"{n_positions} positions, more than {MAX_POSITIONS}")


@functools.cache
def _bounded_parser() -> type[CifParser]:
    from pymatgen.io.cif import CifParser

    class BoundedParser(CifParser):
        """Looks at every block before anything is done with it; finds symmetry once."""

        def _sanitize_data(self, data: Any) -> Any:
            _check_block(data.data)
            return super()._sanitize_data(data)

        def get_symops(self, data: Any) -> list[Any]:
            known = self.__dict__.setdefault("_known_symops", {})
            if id(data) not in known:
                known[id(data)] = super().get_symops(data)
            return list(known[id(data)])

    return BoundedParser


def _check_block(data: Mapping[str, Any]) -> None:
    """Bound what is done with a block: rows, operations, and expressions that are evaluated."""
    for key, value in data.items():
        if key.startswith("_atom_") and len(value) > MAX_LISTED and isinstance(value, list):
            raise UnusableCif(f"{len(value)} rows of atoms, more than {MAX_LISTED}")
        if key in _OPERATIONS or _MAGNETIC.fullmatch(key):
            _check_operations([value] if isinstance(value, str) else value)
        if _TRANSFORM.search(key) and not _PLAIN_TRANSFORM.fullmatch(str(value)):
            # pymatgen lets sympy evaluate it: 9**9**9**9 takes for ever
            raise UnusableCif("a magnetic setting that cannot be read")
    symbols = data.get("_atom_site_type_symbol", ())
    if sum(" + " in symbol for symbol in symbols) > MAX_PAULING_ROWS:
        raise UnusableCif(f"more than {MAX_PAULING_ROWS} rows of several elements")


def _check_operations(operations: list[str]) -> None:
    if len(operations) > MAX_POSITIONS:
        raise UnusableCif(f"{len(operations)} symmetry operations")
    for text in operations:
        # pymatgen's expression takes cubic time on a long number
        if len(text) > _MAX_OPERATION or _LONG_NUMBER.search(text.replace(" ", "")):
            raise UnusableCif(f"symmetry operation '{text[:20]}' cannot be read")


def _n_magnetic(block: Mapping[str, Any]) -> int:
    """Return how many magnetic operations a block lists, with its centrings."""
    n = {"operation": 1, "centering": 1}
    for key in list(getattr(block, "data", block)):
        if (found := _MAGNETIC.fullmatch(key)) and isinstance(block[key], list):
            n[found[1]] = max(n[found[1]], len(block[key]))
    return n["operation"] * n["centering"]


def _n_blocks(lines: list[str]) -> int:
    return sum(line.lstrip().startswith("data_") for line in lines)
