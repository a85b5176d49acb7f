"""Options that scripts share: what each is called, takes and does is said once, here.

Parsing only; nothing heavy is imported, so that --help answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sie.cli.parser import new_parser
from sie.structures.representations import Representation

REPOSITORY = Path(__file__).resolve().parents[2]
PRETRAINED = "off"
"""Whether trials start from pre-trained weights by default; the evidence is in docs/results.md."""

HANDED_URI = "SIE_ONE_OF_SEVERAL_URI"
"""Variable by which searches side by side are told their store: all users see a command line."""

REPRESENTATIONS = tuple(item.value for item in Representation)


def positive(text: str) -> int:
    """Parse a whole number from 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """Parse a whole number from 0."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number, {least} or more, got {text}")
    return int(text)


def numbers(text: str) -> tuple[int, ...]:
    """Parse whole numbers with commas between them."""
    return tuple(not_negative(part.strip()) for part in text.split(","))


def level(text: str) -> int:
    """Parse a MEGNet level: V0 to V3, or the bare number."""
    bare = text.upper().removeprefix("V")
    if bare not in ("0", "1", "2", "3"):
        raise argparse.ArgumentTypeError(f"must be V0, V1, V2 or V3, got {text}")
    return int(bare)


SHARED: Mapping[str, Mapping[str, Any]] = {
    "--dataset": {
        "default": "starter",
        "metavar": "NAME|FOLDER",
        "help": "starter (embedded), obelix, table (your own), or the folder of a data record "
        "that prepare.py wrote (default: %(default)s)",
    },
    "--data-dir": {
        "type": Path,
        "metavar": "FOLDER",
        "help": "local copy of a dataset, instead of a download",
    },
    "--table": {"type": Path, "metavar": "CSV", "help": "your CSV, with --dataset table"},
    "--cifs": {
        "type": Path,
        "metavar": "FOLDER",
        "help": "folder of CIFs named by id, with --dataset table",
    },
    "--clusters": {
        "type": Path,
        "metavar": "CSV",
        "help": "your own clusters: columns id, cluster",
    },
    "--test-set": {
        "choices": ("random", "official"),
        "default": "random",
        "help": "kept away from search and training: 10 %% at random, or what the dataset itself "
        "states, as OBELiX does (default: %(default)s)",
    },
    "--representation": {
        "default": "CAMNS",
        "type": str.upper,
        "choices": REPRESENTATIONS,
        "help": "which atoms the network sees (default: %(default)s)",
    },
    "--level": {
        "default": 1,
        "type": level,
        "metavar": "V0|V1|V2|V3",
        "help": "MEGNet features: V0 embeddings, V1-V3 after 1-3 convolutions (default: V1)",
    },
    "--ensemble": {
        "required": True,
        "metavar": "FOLDER|URI",
        "help": "what build_ensemble.py made: its folder, models:/NAME/VERSION or "
        "runs:/ID/ensemble",
    },
    "--max-concurrent": {
        "type": positive,
        "default": 4,
        "metavar": "N",
        "help": "trainings at once, at most (default: %(default)s)",
    },
    "--address": {
        "metavar": "HOST:PORT",
        "help": "Ray cluster to run on (default: this machine)",
    },
    "--seed": {"type": not_negative, "default": 42, "help": "master seed (default: %(default)s)"},
    "--fresh": {
        "action": "store_true",
        "help": "start anew instead of going on with what is there",
    },
    "--dry-run": {"action": "store_true", "help": "print the plan and exit"},
    "--name": {"default": "search", "help": "name of the search (default: %(default)s)"},
    "--out": {"type": Path, "metavar": "FOLDER"},
    "--tracking-uri": {
        "metavar": "URI",
        "help": "MLflow store or server (default: SQLite in mlruns/)",
    },
}
"""Options by their names, as `argparse` takes them; a script may replace parts, see docs/cli.md."""


def add(group: argparse._ActionsContainer, *names: str, **others: Any) -> None:
    """Add shared options to a group.

    Parameters
    ----------
    group : argument group or parser
        Where they are listed.
    *names : str
        Keys of `SHARED`.
    **others
        What is different here, such as the help.
    """
    for name in names:
        group.add_argument(name, **{**SHARED[name], **others})


def add_older_name(group: argparse._ActionsContainer, name: str, dest: str, **how: Any) -> None:
    """Accept what an option was called before; --help does not show it."""
    group.add_argument(name, dest=dest, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **how)


def add_source_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add where the labelled crystals come from, and return the group."""
    group = parser.add_argument_group("data")
    add(group, "--dataset", "--data-dir", "--table", "--cifs")
    return group


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which crystals are learnt from and how the network sees them."""
    group = add_source_options(parser)
    add(group, "--test-set", "--clusters", "--representation", "--level")


def study_parser(documentation: str) -> argparse.ArgumentParser:
    """Return the command line of a command that compares, from its script's docstring."""
    parser = new_parser(documentation)
    add(add_source_options(parser), "--clusters")
    size = parser.add_argument_group("size")
    size.add_argument(
        "--preset",
        choices=("quick", "full"),
        default="quick",
        help="how much of everything (default: %(default)s)",
    )
    size.add_argument(
        "--seeds",
        type=positive,
        metavar="N",
        help="repeats on every split (default: the preset's)",
    )
    size.add_argument(
        "--epochs",
        type=positive,
        metavar="N",
        help="of networks without a search: k-fold, ordered, transfer (default: the preset's)",
    )
    how = parser.add_argument_group("running")
    add(how, "--max-concurrent", "--address")
    how.add_argument(
        "--pretrained",
        type=Path,
        metavar="FOLDER",
        help="your own pre-trained weights, for the transfer step (default: the package's)",
    )
    add(how, "--dry-run")
    record = parser.add_argument_group("record")
    whither = "tables and figures (default: results/<dataset>-<preset>)"
    add(record, "--out", dest="results", help=whither)
    add_older_name(record, "--results", "results", type=Path)
    add(record, "--tracking-uri")
    add_common_options(parser)
    return parser


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add what every script has: a file of options, and how much is said in which form."""
    group = parser.add_argument_group("every script")
    group.add_argument(
        "--config",
        type=Path,
        metavar="YAML",
        help="file of options, as run.yaml of an earlier run; the command line overrides it",
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="print the result as JSON; what people read goes to stderr",
    )
    loud = group.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="say nothing but errors")
    loud.add_argument("--verbose", action="store_true", help="log what the libraries do")
