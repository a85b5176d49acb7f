"""Prepare a dataset: find duplicates, keep the median of each group, write one data record.

Try these:
  python experiments/prepare.py
  python experiments/prepare.py --dataset obelix --data-dir DIR
  python experiments/prepare.py --dataset table --table my.csv --cifs cifs/ --out results/mine
  python experiments/prepare.py --dataset obelix --keep-duplicates
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
    arguments.add_source_options(built)
    built.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where the record goes (default: results/<dataset>/data)",
    )
    built.add_argument(
        "--keep-duplicates", action="store_true", help="keep every entry of a group of duplicates"
    )
    built.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store or server (default: SQLite in mlruns/)"
    )
    arguments.add_verbosity_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> int:
    """Prepare the dataset and print what it holds."""
    from sie.cli.prepare import PrepareOptions, prepare_and_record

    prepare_and_record(PrepareOptions.from_command_line(vars(args)), console)
    return 0


if __name__ == "__main__":
    sys.exit(run(parser(), main))
