"""Train the ensemble of the searches' winners on all development entries, and register it.

Try these:
  python experiments/build_ensemble.py --dry-run
  python experiments/build_ensemble.py --dataset obelix --data-dir DIR
  python experiments/build_ensemble.py --dataset data/obelix --mix-forest 0.5
  python experiments/build_ensemble.py --dataset data/obelix --exclude 3,5 --seeds 20
  python experiments/build_ensemble.py --top-configs 2 --epochs 150 --register my-ensemble

Give the options of the data as for experiments/loco_search.py. The same command goes on where it
was interrupted.
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
    arguments.add_data_options(built)
    which = built.add_argument_group("searches")
    which.add_argument("--name", default="search", help="name of the searches (default: search)")
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
    what.add_argument("--seed", type=int, default=42, help="master seed (default: %(default)s)")
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
    how = built.add_argument_group("running")
    how.add_argument(
        "--max-concurrent", type=arguments.positive, default=4, help="trainings at once, at most"
    )
    how.add_argument("--address", help="Ray cluster to run on (default: this machine)")
    how.add_argument("--fresh", action="store_true", help="train anew what is trained already")
    how.add_argument("--dry-run", action="store_true", help="print the plan and exit")
    record = built.add_argument_group("record")
    record.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the ensemble's files (default: results/<dataset>/ensemble)",
    )
    record.add_argument(
        "--register",
        metavar="NAME|off",
        help="name in the model registry (default: sie-<dataset>-<representation>-<level>)",
    )
    record.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store or server (default: SQLite in mlruns/)"
    )
    arguments.add_verbosity_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> int:
    """Build the ensemble, and print where it is."""
    from sie.cli.ensemble import build_ensemble
    from sie.cli.ensemble_options import EnsembleOptions

    build_ensemble(EnsembleOptions.from_command_line(vars(args)), console)
    return 0


if __name__ == "__main__":
    sys.exit(run(parser(), main))
