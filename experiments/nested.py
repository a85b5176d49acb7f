"""Estimate honestly what choosing a configuration and an epoch is worth over left-out clusters.

Try these:
  python experiments/nested.py --candidates 10 --seeds 1 --epochs 40
  python experiments/nested.py --dataset obelix --data-dir DIR --folder results/nested
  python experiments/nested.py --dataset obelix --data-dir DIR --part 1/2
  python experiments/nested.py --dataset obelix --data-dir DIR --folds
  python experiments/nested.py --dataset obelix --data-dir DIR --grouping ward-6
  python experiments/nested.py --only-estimate --results docs/results
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


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    built = new_parser(__doc__ or "")
    arguments.add_clusters_option(arguments.add_source_options(built))
    size = built.add_argument_group("size")
    size.add_argument(
        "--search-space",
        default="extended",
        metavar="NAME|YAML",
        help="what candidates are drawn from (default: %(default)s)",
    )
    size.add_argument(
        "--candidates",
        type=arguments.positive,
        default=60,
        metavar="N",
        help="drawn at random, besides those chosen by hand (default: %(default)s)",
    )
    size.add_argument(
        "--seeds", type=arguments.positive, default=2, metavar="N", help="of each candidate"
    )
    size.add_argument(
        "--first-seed",
        type=arguments.not_negative,
        default=0,
        metavar="N",
        help="of the seeds; others give trainings that no earlier choice has seen",
    )
    size.add_argument(
        "--epochs", type=arguments.positive, default=120, metavar="N", help="of every training"
    )
    how = built.add_argument_group("running")
    how.add_argument(
        "--part",
        default="1/1",
        metavar="I/N",
        help="share of the trainings that this process makes",
    )
    where = how.add_mutually_exclusive_group()
    where.add_argument(
        "--folds",
        action="store_true",
        help="train on random folds instead of left-out clusters",
    )
    where.add_argument(
        "--grouping",
        metavar="METHOD-N",
        help="train on other clusters of the same distances, left out one at a time: complete-6, "
        "ward-6, average-8",
    )
    how.add_argument(
        "--only-estimate", action="store_true", help="train nothing; write tables of what is there"
    )
    how.add_argument("--dry-run", action="store_true", help="say what would be trained, and stop")
    record = built.add_argument_group("record")
    record.add_argument(
        "--folder",
        type=Path,
        default=Path("results/nested"),
        metavar="FOLDER",
        help="predictions of all trainings; the command goes on from it (default: %(default)s)",
    )
    record.add_argument(
        "--results",
        type=Path,
        default=Path("results/nested/tables"),
        metavar="FOLDER",
        help="tables (default: %(default)s)",
    )
    record.add_argument(
        "--figures",
        type=Path,
        metavar="FOLDER",
        help="figures (default: figures/ below that of the tables)",
    )
    arguments.add_verbosity_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> int:
    """Train and estimate."""
    from sie.cli.nested import NestedOptions, run_nested

    run_nested(NestedOptions.from_command_line(vars(args)), console)
    return 0


if __name__ == "__main__":
    sys.exit(run(parser(), main))
