"""Compare starts from pre-trained weights with cold ones.

Try these:
  python experiments/transfer.py
  python experiments/transfer.py --dataset obelix --data-dir DIR --preset full
  python experiments/transfer.py --dataset table --table my.csv --cifs cifs/
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sie.cli import arguments
from sie.cli.main import run

if TYPE_CHECKING:
    from rich.console import Console


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    return arguments.study_parser(__doc__ or "")


def main(args: argparse.Namespace, console: Console) -> int:
    """Train both and compare."""
    from sie.cli.study import StudyOptions, run_steps

    run_steps(StudyOptions.from_command_line(vars(args)), ("transfer",), console)
    return 0


if __name__ == "__main__":
    sys.exit(run(parser(), main))
