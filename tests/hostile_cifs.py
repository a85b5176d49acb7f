"""CIFs made to cost as much as they can, each by one weakness of a parser, as large as is let in.

Written with the parser's sources at hand. `python tests/hostile_cifs.py` reads them all and says
what each costs; the tests read those that take a second.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from sie.datasets.cif_limits import MAX_BYTES, MAX_LISTED, MAX_POSITIONS

CELL = (
    "data_x\n_cell_length_a 40\n_cell_length_b 40\n_cell_length_c 40\n"
    "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
)
COLUMNS = "label type_symbol fract_x fract_y fract_z occupancy"
OPERATIONS = "loop_\n_symmetry_equiv_pos_as_xyz\n"


def atoms(rows: list[str]) -> str:
    heads = "\n".join(f"_atom_site_{name}" for name in COLUMNS.split())
    return f"loop_\n{heads}\n" + "\n".join(rows) + "\n"


TWO = atoms(["Li1 Li 0 0 0 1", "Cl1 Cl .5 .5 .5 1"])


def spread(n: int, symbols: tuple[str, ...] = ("Li", "Cl"), seed: int = 0) -> list[str]:
    random.seed(seed)
    return [
        f"A{i} {symbols[i % len(symbols)]} {random.random():.6f} {random.random():.6f} "
        f"{random.random():.6f} 1"
        for i in range(n)
    ]


def cubed(n: int) -> list[str]:
    """Different operations without symmetry: every position counts."""
    random.seed(1)
    return [f"'x+{random.random():.4f},y+{random.random():.4f},z'" for _ in range(n)]


def fill(line: str, head: str = CELL + TWO) -> str:
    return head + line * ((MAX_BYTES - len(head) - 10) // len(line))


HOSTILE: Mapping[str, Callable[[], str]] = {
    "blank lines": lambda: fill("\n"),
    "blank lines before a block": lambda: "\n \n" * 3_000_000 + CELL + TWO,
    "lines of spaces": lambda: fill(" " * 9_999 + "\n"),
    "comments": lambda: fill("#\n"),
    "comments without end": lambda: fill("# # # # \n"),
    "quotes": lambda: fill("'" * 9_999 + "x\n"),
    "quotes, both kinds": lambda: fill("'\"" * 900 + "x\n"),
    "quotes on short lines": lambda: fill("'" * 9 + "x\n"),
    "words": lambda: fill("ab "[:2] + "\n"),
    "words on few lines": lambda: fill("a " * 9_000 + "\n"),
    "half as many words": lambda: CELL + TWO + "loop_\n_b\n" + "a " * 9_000 + "a\n" * 1_900_000,
    "blocks": lambda: fill("data_y\n"),
    "blocks, on one line": lambda: fill("data_y " * 1_000 + "\n"),
    "loops": lambda: fill("loop_\n_a\n1\n"),
    "columns": lambda: (
        CELL + TWO + "loop_\n" + "".join(f"_k{i}\n" for i in range(500_000)) + "1 " * 9
    ),
    "a text without end": lambda: fill("text text text text\n", CELL + TWO + "_note\n;\n"),
    "texts": lambda: fill(";\n;\n", CELL + TWO + "_note\n"),
    "atoms": lambda: CELL + atoms(spread(MAX_LISTED)),
    "most atoms": lambda: CELL + atoms(spread(5_000)),
    "atoms, all kinds of species": lambda: (
        CELL + atoms([f"A{i} Li .{i:05d} 0 0 {0.1 + i / 12_000:.6f}" for i in range(5_000)])
    ),
    "atoms, a row more": lambda: CELL + atoms(spread(MAX_LISTED + 1)),
    "atoms, 10 MB": lambda: CELL + atoms(spread(250_000)),
    "atoms on one place": lambda: CELL + atoms(["A Li 0 0 0 .0001"] * MAX_LISTED),
    "positions": lambda: (
        CELL + OPERATIONS + "\n".join(cubed(MAX_POSITIONS // 20)) + "\n" + atoms(spread(20))
    ),
    "positions of two atoms": lambda: (
        CELL + OPERATIONS + "\n".join(cubed(MAX_POSITIONS // 2)) + "\n" + TWO
    ),
    "positions, half and half": lambda: (
        CELL + OPERATIONS + "\n".join(cubed(100)) + "\n" + atoms(spread(200))
    ),
    "operations": lambda: CELL + OPERATIONS + "'x,y,z'\n" * 1_000_000 + TWO,
    "a long number in an operation": lambda: CELL + OPERATIONS + f"'{'1' * 9_000},y,z'\n" + TWO,
    "a long number, spaced": lambda: CELL + OPERATIONS + f"'{'1 ' * 9_000},y,z'\n" + TWO,
    "long numbers in operations": lambda: (
        CELL + OPERATIONS + f"'{'1' * 20},{'1' * 20},{'1' * 20}x'\n" * 10_000 + TWO
    ),
    "an operation as a text": lambda: (
        CELL + "_symmetry_equiv_pos_as_xyz\n;\n" + ("1" * 9_000 + "\n") * 1_000 + ";\n" + TWO
    ),
    "unknown space groups": lambda: (
        CELL
        + "".join(
            f"{name} nonsense\n"
            for name in (
                "_symmetry_space_group_name_H-M",
                "_symmetry_space_group_name_H_M",
                "_symmetry_space_group_name_H-M_",
                "_symmetry_space_group_name_H_M_",
                "_space_group_name_Hall",
                "_space_group_name_Hall_",
                "_space_group_name_H-M_alt",
                "_space_group_name_H-M_alt_",
            )
        )
        + TWO
    ),
    "a long space group": lambda: (
        CELL + "_symmetry_space_group_name_H-M\n;\n" + "a b\n" * 2_000_000 + ";\n" + TWO
    ),
    "a cell setting that calls itself": lambda: (
        CELL.replace("_cell_length_a 40\n", "") + "_symmetry_cell_setting cubic\n" + TWO
    ),
    "magnetic tower": lambda: (
        CELL
        + '_space_group_magn.name_BNS "P 1"\n'
        + "_space_group_magn.transform_BNS_Pp_abc '9**9**9**9a,b,c;0,0,0'\n"
        + TWO
    ),
    "magnetic origin": lambda: (
        CELL
        + "_space_group_magn.number_BNS 1.1\n"
        + "_space_group_magn_transform_BNS_Pp_abc 'a,b,c;1e999999999,0,0'\n"
        + TWO
    ),
    "magnetic, other name": lambda: (
        CELL
        + "_space_group_magn.number_BNS 1.1\n"
        + "_magnetic_space_group.transform_to_standard_Pp_abc '9**9**9**9a,b,c;0,0,0'\n"
        + TWO
    ),
    "magnetic operations": lambda: (
        CELL
        + "loop_\n_space_group_symop_magn_operation.xyz\n"
        + "x,y,z,+1\n" * 5_000
        + "loop_\n_space_group_symop_magn_centering.xyz\n"
        + "x,y,z,+1\n" * 5_000
        + TWO
    ),
    "magnetic operations, underscored": lambda: (
        CELL
        + "loop_\n_space_group_symop_magn_operation_xyz\n"
        + "x,y,z,+1\n" * 15_000
        + "loop_\n_space_group_symop_magn_centering_xyz\n"
        + "x,y,z,+1\n" * 15_000
        + TWO
    ),
    "rows of several elements": lambda: (
        CELL + atoms([f"A{i} '0.8Nb + 0.2Zr' 0 0 .{i:05d} 1" for i in range(MAX_LISTED)])
    ),
    "a row of many elements": lambda: (
        CELL + atoms(["A\n;"]) + "0.8Nb0.1 + \n" * 700_000 + "0.2Zr0.1\n;\n0 0 0 1\n"
    ),
    "a formula of brackets": lambda: (
        CELL + "_chemical_formula_sum '" + "(" * 9_000 + ")" * 9_000 + "'\n" + TWO
    ),
    "a needle": lambda: (
        CELL.replace("_a 40", "_a .02").replace("_b 40", "_b .02").replace("_c 40", "_c 9e5") + TWO
    ),
    "a number of ten thousand digits": lambda: (
        CELL + TWO.replace(".5 .5 .5", "." + "5" * 9_999 + " .5 .5")
    ),
    "an infinite coordinate": lambda: CELL + TWO.replace(".5 .5 .5", "1e999 nan .5"),
    "zero bytes": lambda: fill("\0"),
}


def main() -> None:
    """Read every one in a process of its own, and print what it cost."""
    for name in HOSTILE:
        subprocess.run([sys.executable, __file__, name], check=False)


def read_one(name: str) -> None:
    from pymatgen.io.cif import CifParser  # noqa: F401 - its import is not the reader's cost

    from sie.datasets.cif import UnusableCif, parse_cif

    text = HOSTILE[name]()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    try:
        said = f"{len(parse_cif(text))} sites"
    except UnusableCif as refusal:
        said = refusal.reason
    spent = time.process_time() - begin
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    line = f"{name:38} {len(text) / 1e6:6.2f} MB {spent:6.2f} s +{more / 1000:4.0f} MB  {said}"
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    read_one(sys.argv[1]) if sys.argv[1:] else main()
