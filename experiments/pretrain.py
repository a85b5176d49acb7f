"""Pre-train networks to tell metals from non-metals, for trials to start from their weights.

Try these:
  python experiments/pretrain.py --dry-run
  python experiments/pretrain.py --shapes 2x64,3x64 --representation CAMN --level V0,V1
  python experiments/pretrain.py --source crystals.parquet --limit 2000 --epochs 8
  python experiments/pretrain.py --source gaps.csv --cifs cifs/ --out my_weights

The same command goes on where it was interrupted. A Parquet file needs the columns id, lattice
(nine numbers, Angstrom, the rows are the cell's vectors), numbers (atomic numbers), frac_coords
(three numbers a site; whole numbers are in units of 1e-5) and is_metal, label or band_gap (eV,
0 is a metal).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sie.cli import arguments
from sie.cli.main import run
from sie.cli.parser import new_parser

if TYPE_CHECKING:
    from rich.console import Console


def levels(text: str) -> tuple[int, ...]:
    """Parse levels with commas between them: V0,V1."""
    return tuple(dict.fromkeys(arguments.level(part.strip()) for part in text.split(",")))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    built = new_parser(__doc__ or "")
    data = built.add_argument_group("data")
    data.add_argument(
        "--source",
        default="matbench",
        metavar="matbench|FILE",
        help="matbench_mp_is_metal (downloaded), or your .parquet, .json or .csv",
    )
    data.add_argument("--cifs", type=Path, metavar="DIR", help="CIFs named by id, with a .csv")
    data.add_argument(
        "--representation",
        default="CAMNS",
        type=str.upper,
        choices=arguments.REPRESENTATIONS,
        help="which atoms the network sees (default: %(default)s)",
    )
    data.add_argument(
        "--level",
        default=(1,),
        type=levels,
        metavar="V0|V1|V2|V3",
        help="MEGNet features; several with commas are computed in one pass (default: V1)",
    )
    data.add_argument(
        "--limit", type=arguments.positive, metavar="N", help="use N crystals drawn at random"
    )
    how = built.add_argument_group("training")
    how.add_argument(
        "--shapes", default="2x64", metavar="2x64,3x64", help="layers x neurons (default: 2x64)"
    )
    how.add_argument("--epochs", type=arguments.positive, help="longest training (default: 40)")
    how.add_argument("--batch-size", type=arguments.positive, help="crystals a step (default: 256)")
    how.add_argument("--max-lr", type=float, metavar="RATE", help="highest learning rate")
    how.add_argument(
        "--patience",
        type=arguments.positive,
        metavar="N",
        help="cycles of 4 epochs without a gain of 0.001 that end a training (default: 2)",
    )
    how.add_argument("--seed", type=int, default=42, help="of everything (default: %(default)s)")
    how.add_argument(
        "--threads", type=arguments.positive, default=1, help="threads (default: %(default)s)"
    )
    files = built.add_argument_group("files")
    files.add_argument(
        "--out",
        type=Path,
        default=Path("pretrained"),
        metavar="DIR",
        help="weights and cards (default: %(default)s/)",
    )
    files.add_argument(
        "--work", type=Path, metavar="DIR", help="features and checkpoints (default: the cache)"
    )
    files.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store or server (default: SQLite in mlruns/)"
    )
    files.add_argument("--dry-run", action="store_true", help="print the plan and exit")
    arguments.add_verbosity_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> int:
    """Pre-train and print how good the networks are."""
    from sie.cli.pretrain import PretrainOptions, pretrain_networks

    pretrain_networks(PretrainOptions.from_command_line(vars(args)), console)
    return 0


if __name__ == "__main__":
    sys.exit(run(parser(), main))
