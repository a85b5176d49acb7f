"""Score an ensemble on the test set, once, beside the baselines and controls.

Try these:
  python experiments/evaluate.py --ensemble results/obelix/ensemble --dataset obelix --data-dir DIR
  python experiments/evaluate.py --ensemble models:/sie-obelix-CAMNS-V1/1 --dataset data/obelix
  python experiments/evaluate.py --ensemble runs:/RUN_ID/ensemble --test-set official

Give the options of the data as for experiments/build_ensemble.py. An ensemble that has been scored
is not scored again: the same command shows the record and writes its tables and figures anew.
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
    built.add_argument(
        "--ensemble",
        required=True,
        metavar="FOLDER|models:/NAME/VERSION|runs:/ID/ensemble",
        help="what build_ensemble.py made",
    )
    group = arguments.add_source_options(built)
    arguments.add_test_set_option(group)
    arguments.add_clusters_option(group)
    group.add_argument(
        "--representation",
        type=str.upper,
        choices=arguments.REPRESENTATIONS,
        help="refused where it is not the ensemble's",
    )
    group.add_argument(
        "--level",
        type=arguments.level,
        metavar="V0|V1|V2|V3",
        help="refused where it is not the ensemble's",
    )
    record = built.add_argument_group("record")
    record.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="tables and figures (default: results/<dataset>/evaluation)",
    )
    record.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store or server (default: SQLite in mlruns/)"
    )
    arguments.add_verbosity_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> int:
    """Score, or show what was scored."""
    from sie.cli.evaluate import EvaluateOptions, evaluate_ensemble

    evaluate_ensemble(EvaluateOptions.from_command_line(vars(args)), console)
    return 0


if __name__ == "__main__":
    sys.exit(run(parser(), main))
