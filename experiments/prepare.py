"""Prepare a dataset: find duplicates, keep the median of each group, write one data record.

Try these:
  python experiments/prepare.py
  python experiments/prepare.py --dataset obelix --data-dir DIR
  python experiments/prepare.py --dataset table --table my.csv --cifs cifs/ --out results/mine
  python experiments/prepare.py --dataset obelix --keep-duplicates --dry-run
"""

from __future__ import annotations

import argparse
import sys
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
    arguments.add_source_options(built)
    how = built.add_argument_group("running")
    how.add_argument(
        "--keep-duplicates", action="store_true", help="keep every entry of a group of duplicates"
    )
    arguments.add(how, "--dry-run")
    record = built.add_argument_group("record")
    arguments.add(record, "--out", help="the data record (default: results/<dataset>/data)")
    arguments.add(record, "--tracking-uri")
    arguments.add_common_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Prepare the dataset and print what it holds."""
    from sie.cli.prepare import PrepareOptions, prepare_and_record

    return Answer(prepare_and_record(PrepareOptions.from_command_line(vars(args)), console))


if __name__ == "__main__":
    sys.exit(run(parser(), main))
