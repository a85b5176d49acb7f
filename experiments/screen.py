"""Screen crystals that nobody has measured: scores, band gaps, novelty, a ranked list, a report.

Try these:
  python experiments/screen.py --ensemble results/ensemble --source cifs/ --dry-run
  python experiments/screen.py --ensemble results/ensemble --source cifs/ --out results/mine
  python experiments/screen.py --ensemble models:/superionic/1 --source crystals.parquet
  python experiments/screen.py --ensemble results/ensemble --source mp --chemsys Li-P-S Li-O-P

The same command goes on where it was interrupted. A source is a folder of CIFs (subfolders too), a
.txt with one path of a CIF a line, a .parquet with the columns id, lattice (nine numbers, Angstrom,
the rows are the cell's vectors), numbers (atomic numbers) and frac_coords (three numbers a site;
whole numbers are in units of 1e-5), or id and cif (text), and band_gap (eV) where known; a .jsonl
with a pymatgen Structure (as_dict) or a cif a line, id and band_gap besides; or mp, the Materials
Project. On a cluster the source must be at the same path on every node.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sie.cli import arguments
from sie.cli.answer import Answer
from sie.cli.main import run
from sie.cli.parser import new_parser

if TYPE_CHECKING:
    from rich.console import Console


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    built = new_parser(__doc__ or "")
    data = built.add_argument_group("data")
    arguments.add(data, "--ensemble")
    data.add_argument(
        "--source",
        required=True,
        metavar="FOLDER|FILE|mp",
        help="crystals to screen: CIFs, a list, .parquet, .jsonl, or mp (see below)",
    )
    data.add_argument(
        "--api-key", metavar="KEY", help="of the Materials Project (default: $MP_API_KEY)"
    )
    data.add_argument(
        "--elements",
        nargs="+",
        metavar="SYMBOL",
        help="with mp: compounds that hold all of these (default: Li)",
    )
    data.add_argument(
        "--chemsys", nargs="+", metavar="SYSTEM", help="with mp: whole systems instead, as Li-P-S"
    )
    _add_judgement(built)
    how = built.add_argument_group("running")
    workers = "workers at once, at most (default: all CPUs)"
    arguments.add(how, "--max-concurrent", default=None, help=workers)
    arguments.add(how, "--address")
    how.add_argument(
        "--shard-size",
        type=arguments.positive,
        default=500,
        metavar="N",
        help="structures that are saved together (default: %(default)s)",
    )
    arguments.add(how, "--fresh", "--dry-run")
    record = built.add_argument_group("record")
    report = "results and report (default: %(default)s)"
    arguments.add(record, "--out", default=Path("results/screening"), help=report)
    arguments.add(record, "--tracking-uri")
    arguments.add_common_options(built)
    return built


def _add_judgement(built: argparse.ArgumentParser) -> None:
    group = built.add_argument_group("judgement")
    group.add_argument(
        "--band-gap",
        choices=("given", "megnet", "off"),
        default="megnet",
        help="megnet: predicted where the source gives none (default); given: the source's only",
    )
    group.add_argument(
        "--band-gap-weights", type=Path, metavar="FILE", help="your copy, instead of a download"
    )
    group.add_argument(
        "--min-gap",
        type=float,
        default=1.0,
        metavar="EV",
        help="smallest band gap of a candidate, 0 for any (default: %(default)s)",
    )
    group.add_argument(
        "--min-p-si",
        type=float,
        default=0.5,
        metavar="P",
        help="smallest P_SI of a candidate (default: %(default)s)",
    )
    group.add_argument(
        "--novelty",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="element fractions this close to a training compound's are known (default: "
        "%(default)s)",
    )
    group.add_argument(
        "--top",
        type=arguments.positive,
        default=50,
        metavar="N",
        help="candidates in the report, and saved as CIFs (default: %(default)s)",
    )


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Screen, and print where the ranked list is."""
    from sie.cli.screen import ScreenOptions, screen

    options = ScreenOptions.from_command_line(vars(args))
    done = screen(options, console)
    return Answer({} if done is None else done.as_dict(options.out))


if __name__ == "__main__":
    sys.exit(run(parser(), main))
