"""Write the report of a search, or of all clusters' searches, as one HTML file that works offline.

Try these:
  python experiments/report.py --experiment loco/starter/CAMNS-V1
  python experiments/report.py --experiment loco/obelix/CAMN-V0 --name mine --out mine.html
  python experiments/report.py --run 0f906d83be344972988dc15243c24472
  python experiments/report.py --run RUN_ID --tracking-uri http://server:5000

A search's run id stands in the line that the search ends with, and in MLflow. Everything is read
from MLflow: splits, trials, curves, repeats, baselines where experiments/baselines.py ran.
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
    target = built.add_mutually_exclusive_group(required=True)
    target.add_argument("--run", metavar="RUN_ID", help="parent run of one cluster's search")
    target.add_argument(
        "--experiment",
        metavar="NAME",
        help="all clusters: the newest finished search of each, as loco/obelix/CAMN-V0",
    )
    arguments.add(built, "--name")
    built.add_argument(
        "--resamplings",
        type=_factor,
        default=1.0,
        metavar="FACTOR",
        help="how many for the importances: 0 none, 2 twice as many (default: %(default)s)",
    )
    arguments.add(built, "--seed")
    record = built.add_argument_group("record")
    page = "the page (default: results/reports/<experiment>-<name>.html)"
    arguments.add(record, "--out", metavar="FILE", help=page)
    arguments.add(record, "--tracking-uri")
    arguments.add_common_options(built)
    return built


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 100, got {text}")
    return value


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Write the page and print where it is."""
    from sie.cli.report import ReportOptions, write_report

    return Answer({"page": write_report(ReportOptions.from_command_line(vars(args)), console)})


if __name__ == "__main__":
    sys.exit(run(parser(), main))
