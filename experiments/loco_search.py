"""Search hyperparameters for left-out clusters of chemistry, repeat the best, name the winner.

Try these:
  python experiments/loco_search.py --cluster 3 --preset quick
  python experiments/loco_search.py --cluster 0 --cluster 2 --dataset obelix --data-dir DIR
  python experiments/loco_search.py --cluster all --dataset table --table my.csv --cifs cifs/
  python experiments/loco_search.py --cluster 3 --dry-run
  python experiments/loco_search.py --cluster all --address 10.0.0.1:6379 --resume
  python experiments/loco_search.py --config run.yaml --cluster 5 --json > cluster-5.json
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.cli import arguments
from sie.cli.answer import Answer
from sie.cli.main import INTERRUPTED, run
from sie.cli.parser import new_parser
from sie.errors import InputError, SieError
from sie.search.choices import Sampler, Scheduler

if TYPE_CHECKING:
    from rich.console import Console


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    built = new_parser(__doc__ or "")
    target = built.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--cluster", action="append", metavar="N|all", help="cluster to leave out; repeatable"
    )
    target.add_argument(
        "--rerun-trial", metavar="RUN_ID", help="train one recorded trial again and compare"
    )
    arguments.add_data_options(built)
    budget = built.add_argument_group("budget (default: the article's)")
    budget.add_argument("--preset", choices=("quick", "paper"), help="a budget and a space")
    budget.add_argument(
        "--search-space",
        metavar="NAME|YAML",
        help="one of search_spaces/, or a file (default: the preset's, or paper)",
    )
    number: dict[str, Any] = {"type": arguments.positive, "metavar": "N"}
    or_none: dict[str, Any] = {"type": arguments.not_negative, "metavar": "N"}
    budget.add_argument("--trials", **number, help="configurations to draw")
    budget.add_argument("--top", **or_none, help="configurations to repeat")
    budget.add_argument("--repeats", **or_none, help="seeds of each")
    budget.add_argument("--max-epochs", **number, help="longest trial")
    budget.add_argument("--grace-epochs", **number, help="epochs before ASHA stops")
    budget.add_argument(
        "--trial-time-limit-s", type=float, metavar="S", help="longest trial in seconds"
    )
    how = built.add_argument_group("running")
    arguments.add(how, "--max-concurrent", "--seed")
    how.add_argument(
        "--mode",
        choices=("fast", "repeatable"),
        default="fast",
        help="repeatable: the same trials for the same seed at any concurrency "
        "(default: %(default)s)",
    )
    how.add_argument(
        "--sampler",
        choices=[item.value for item in Sampler],
        default="hyperopt",
        help="what draws configurations: HyperOpt's TPE, chance, or Optuna's TPE "
        "(default: %(default)s)",
    )
    how.add_argument(
        "--scheduler",
        choices=[item.value for item in Scheduler],
        default="asha",
        help="what stops trials that fall behind (default: %(default)s)",
    )
    how.add_argument(
        "--points",
        metavar="YAML|runs:/ID",
        help="configurations to try first: a file, or the best of an earlier search by the id of "
        "its parent run",
    )
    how.add_argument(
        "--pretrained",
        default=arguments.PRETRAINED,
        metavar="on|off|FOLDER",
        help="start trials from pre-trained weights where their shape matches: the package's, or "
        "those of a folder first (default: %(default)s)",
    )
    arguments.add(how, "--address")
    going = how.add_mutually_exclusive_group()
    arguments.add(going, "--fresh")
    going.add_argument(
        "--resume",
        action="store_true",
        help="only go on with an unfinished search (default: go on, or start one)",
    )
    how.add_argument("--one-of-several", action="store_true", help=argparse.SUPPRESS)
    arguments.add(how, "--dry-run")
    record = built.add_argument_group("record")
    arguments.add(record, "--tracking-uri", default=os.environ.get(arguments.HANDED_URI))
    arguments.add(record, "--name")
    how.add_argument(
        "--system-metrics",
        action="store_true",
        help="record processor, memory, disk and network of this machine while the search runs",
    )
    arguments.add_common_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Run the searches and print what they found."""
    from sie.cli.loco import LocoOptions, search_clusters
    from sie.cli.rerun import rerun_trial
    from sie.search.space import read_space, space_path

    name = args.search_space or args.preset or "paper"
    options = LocoOptions.from_command_line(
        vars(args),
        space=read_space(space_path(name, arguments.REPOSITORY / "search_spaces")),
        record_folder=Path("mlruns"),
    )
    if args.rerun_trial:
        if args.dry_run:
            raise InputError("--dry-run goes with --cluster; a trial that is run again has no plan")
        again = rerun_trial(args.rerun_trial, options, console)
        return Answer(again.as_dict(), 0 if again.equal else SieError.exit_code)
    done = search_clusters(options, console)
    return Answer(done.as_dict(), INTERRUPTED if done.interrupted else 0)


if __name__ == "__main__":
    sys.exit(run(parser(), main))
