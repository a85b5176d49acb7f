"""Evaluate baselines and controls on every left-out cluster.

Try these:
  python experiments/baselines.py
  python experiments/baselines.py --dataset obelix --data-dir DIR --preset full
  python experiments/baselines.py --dataset table --table my.csv --cifs cifs/ --dry-run
  python experiments/baselines.py --config run.yaml --json > baselines.json
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
    """Evaluate them on the left-out clusters."""
    from sie.cli.study import StudyOptions, run_steps

    options = StudyOptions.from_command_line(vars(args))
    return Answer(run_steps(options, ("baselines",), console))


if __name__ == "__main__":
    sys.exit(run(parser(), main))
