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
from sie.cli.answer import Answer
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
        help="matbench_mp_is_metal (downloaded), or your .parquet, .json or .csv "
        "(default: %(default)s)",
    )
    arguments.add(data, "--cifs", help="folder of CIFs named by id, with a .csv")
    arguments.add(data, "--representation")
    several = "MEGNet features; several with commas are computed in one pass (default: V1)"
    arguments.add(data, "--level", default=(1,), type=levels, help=several)
    data.add_argument(
        "--limit", type=arguments.positive, metavar="N", help="use N crystals drawn at random"
    )
    how = built.add_argument_group("training")
    how.add_argument(
        "--shapes", default="2x64", metavar="2x64,3x64", help="layers x neurons (default: 2x64)"
    )
    how.add_argument(
        "--epochs", type=arguments.positive, metavar="N", help="longest training (default: 40)"
    )
    how.add_argument("--batch-size", type=arguments.positive, help="crystals a step (default: 256)")
    how.add_argument(
        "--patience",
        type=arguments.positive,
        metavar="N",
        help="cycles of 4 epochs without a gain of 0.001 that end a training (default: 2)",
    )
    how.add_argument("--max-lr", type=float, metavar="RATE", help="highest learning rate")
    arguments.add(how, "--seed")
    how.add_argument(
        "--threads", type=arguments.positive, default=1, help="threads (default: %(default)s)"
    )
    arguments.add(how, "--dry-run")
    record = built.add_argument_group("record")
    weights = "weights and cards (default: %(default)s)"
    arguments.add(record, "--out", default=Path("pretrained"), help=weights)
    record.add_argument(
        "--work", type=Path, metavar="FOLDER", help="features and checkpoints (default: the cache)"
    )
    arguments.add(record, "--tracking-uri")
    arguments.add_common_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Pre-train and print how good the networks are."""
    from sie.cli.pretrain import PretrainOptions, pretrain_networks

    return Answer(pretrain_networks(PretrainOptions.from_command_line(vars(args)), console))


if __name__ == "__main__":
    sys.exit(run(parser(), main))
