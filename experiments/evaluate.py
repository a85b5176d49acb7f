"""Score an ensemble on the test set, once, beside the baselines and controls.

Try these:
  python experiments/evaluate.py --ensemble results/obelix/ensemble --dataset obelix --data-dir DIR
  python experiments/evaluate.py --ensemble models:/sie-obelix-CAMNS-V1/1 --dataset data/obelix
  python experiments/evaluate.py --ensemble runs:/RUN_ID/ensemble --test-set official --dry-run

Give the options of the data as for experiments/build_ensemble.py. An ensemble that has been scored
is not scored again: the same command shows the record and writes its tables and figures anew.
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
    group = arguments.add_source_options(built)
    arguments.add(group, "--ensemble", "--test-set", "--clusters")
    same = "refused where it is not the ensemble's (default: the ensemble's)"
    arguments.add(group, "--representation", "--level", default=None, help=same)
    arguments.add(built.add_argument_group("running"), "--dry-run")
    record = built.add_argument_group("record")
    whither = "tables and figures (default: results/<dataset>/evaluation)"
    arguments.add(record, "--out", help=whither)
    arguments.add(record, "--tracking-uri")
    arguments.add_common_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Score, or show what was scored."""
    from sie.cli.evaluate import EvaluateOptions, evaluate_ensemble, evaluation_answer

    options = EvaluateOptions.from_command_line(vars(args))
    return Answer(evaluation_answer(options, evaluate_ensemble(options, console)))


if __name__ == "__main__":
    sys.exit(run(parser(), main))
