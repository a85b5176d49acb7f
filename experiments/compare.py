"""Test whether systems or configurations differ: paired over clusters and seeds, corrected.

Try these:
  python experiments/compare.py --evaluations results/obelix-full/tables/kfold_evaluations.csv
  python experiments/compare.py --evaluations kfold_evaluations.csv --systems CAMN-V1 CAMN-V0
  python experiments/compare.py --experiment kfold/obelix --score mcc --out tests.csv
  python experiments/compare.py --experiment loco/obelix/CAMN-V0 --cluster 3

Three questions, one p each, corrected by Holm over all pairs: would other clusters or folds tell
the same (sign flips of them, and the corrected resampled t), and is it more than the luck of seeds
on these (sign flips of trainings). docs/study.md says more.
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
    source = built.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--evaluations",
        type=Path,
        metavar="CSV",
        help="columns system, split, seed and scores, as the study writes them",
    )
    source.add_argument(
        "--experiment",
        metavar="NAME",
        help="of MLflow: systems as in kfold/obelix, or the repeated configurations of searches "
        "as in loco/obelix/CAMN-V0",
    )
    arguments.add(built, "--name")
    built.add_argument(
        "--systems", nargs="+", metavar="NAME", help="two or more to compare (default: all)"
    )
    built.add_argument(
        "--cluster", type=arguments.not_negative, metavar="N", help="this left-out cluster only"
    )
    built.add_argument("--score", default="auc_pr", help="compared by it (default: %(default)s)")
    built.add_argument(
        "--alpha", type=_level, default=0.05, help="p below which pairs differ (default: 0.05)"
    )
    record = built.add_argument_group("record")
    arguments.add(record, "--out", metavar="CSV", help="all pairs, as a file (default: none)")
    arguments.add(record, "--tracking-uri")
    arguments.add_common_options(built)
    return built


def _level(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, got {text}")
    return value


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Test and show."""
    from sie.cli.compare import CompareOptions, compare_systems

    options = CompareOptions.from_command_line(vars(args))
    return Answer({"pairs": compare_systems(options, console)})


if __name__ == "__main__":
    sys.exit(run(parser(), main))
