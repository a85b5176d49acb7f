"""Run everything that the article compares: every table, every figure.

Try these:
  python experiments/study.py
  python experiments/study.py --dataset obelix --data-dir DIR --preset full
  python experiments/study.py --dataset table --table my.csv --cifs cifs/ --dry-run
  python experiments/study.py --config run.yaml --json > study.json
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sie.cli import arguments
from sie.cli.answer import Answer
from sie.cli.main import run

if TYPE_CHECKING:
    from rich.console import Console


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    return arguments.study_parser(__doc__ or "")


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Run all steps."""
    from sie.cli.study import STEPS, StudyOptions, run_steps

    options = StudyOptions.from_command_line(vars(args))
    return Answer(run_steps(options, STEPS, console))


if __name__ == "__main__":
    sys.exit(run(parser(), main))
