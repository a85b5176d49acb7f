"""Train the ensemble of the searches' winners on all development entries, and register it.

Try these:
  python experiments/build_ensemble.py --dry-run
  python experiments/build_ensemble.py --dataset obelix --data-dir DIR
  python experiments/build_ensemble.py --dataset data/obelix --mix-forest 0.5 --calibrate platt
  python experiments/build_ensemble.py --dataset data/obelix --exclude 3,5 --seeds 20
  python experiments/build_ensemble.py --top-configs 2 --epochs 150 --register my-ensemble
  python experiments/build_ensemble.py --config run.yaml --json > ensemble.json

Give the options of the data as for experiments/loco_search.py. The same command goes on where it
was interrupted.
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
    arguments.add_data_options(built)
    which = built.add_argument_group("searches")
    arguments.add(which, "--name")
    which.add_argument(
        "--code", metavar="HASH", help="code_hash of the searches (default: the newest, any)"
    )
    which.add_argument(
        "--exclude",
        type=arguments.numbers,
        default=(),
        metavar="N,N",
        help="clusters to do without",
    )
    which.add_argument(
        "--allow-missing", action="store_true", help="go on where clusters are not searched"
    )
    which.add_argument(
        "--top-configs",
        type=arguments.positive,
        default=1,
        metavar="K",
        help="configurations of each cluster, from the best (default: %(default)s)",
    )
    which.add_argument(
        "--search-space",
        metavar="NAME|YAML",
        help="that of the searches, where their configurations chose a view (else not needed)",
    )
    which.add_argument(
        "--winner",
        choices=("best", "significant"),
        default="best",
        help="of each cluster: the best of its repeats, or the cheapest configuration that is not "
        "significantly worse (default: %(default)s)",
    )
    what = built.add_argument_group("members")
    what.add_argument(
        "--seeds",
        type=arguments.positive,
        default=10,
        metavar="N",
        help="networks of each configuration (default: %(default)s)",
    )
    arguments.add(what, "--seed")
    what.add_argument(
        "--epochs",
        type=arguments.positive,
        metavar="N",
        help="of every network (default: the winners' average best epoch)",
    )
    what.add_argument(
        "--pretrained",
        metavar="on|off|FOLDER",
        help="weights that networks start from (default: as the searches did)",
    )
    what.add_argument(
        "--mix-forest",
        type=float,
        default=0.0,
        metavar="W",
        help="weight of a random forest on element fractions beside the networks, 0.5 for half; "
        "see docs/ensemble.md (default: none, as in the article)",
    )
    what.add_argument(
        "--calibrate",
        choices=("platt", "isotonic"),
        help="calibrate probabilities, and make conformal sets, on clusters left out of further "
        "trainings (default: neither)",
    )
    what.add_argument(
        "--calibration-seeds",
        type=arguments.positive,
        default=1,
        metavar="N",
        help="with --calibrate: networks of each configuration without each cluster (default: "
        "%(default)s)",
    )
    how = built.add_argument_group("running")
    arguments.add(how, "--max-concurrent", "--address", "--fresh", "--dry-run")
    record = built.add_argument_group("record")
    whither = "the ensemble's files (default: results/<dataset>/ensemble)"
    arguments.add(record, "--out", help=whither)
    record.add_argument(
        "--register",
        metavar="NAME|off",
        help="name in the model registry (default: sie-<dataset>-<representation>-<level>)",
    )
    arguments.add(record, "--tracking-uri")
    arguments.add_common_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Build the ensemble, and print where it is."""
    from sie.cli.ensemble import build_ensemble
    from sie.cli.ensemble_options import EnsembleOptions

    built = build_ensemble(EnsembleOptions.from_command_line(vars(args)), console)
    return Answer(built.as_dict())


if __name__ == "__main__":
    sys.exit(run(parser(), main))
