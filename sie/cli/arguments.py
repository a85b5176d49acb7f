"""Groups of options with the same names and defaults in every script.

Parsing only; nothing heavy is imported, so that --help answers at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sie.cli.parser import new_parser
from sie.structures.representations import Representation

REPOSITORY = Path(__file__).resolve().parents[2]
PRETRAINED = "off"
"""Whether trials start from pre-trained weights by default; the evidence is in docs/results.md."""

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


def add_source_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add where the labelled crystals come from, and return the group."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset",
        default="starter",
        metavar="NAME|FOLDER",
        help="starter (embedded), obelix, table (your own), or the folder of a data record that "
        "prepare.py wrote (default: %(default)s)",
    )
    group.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="local copy of a dataset, instead of a download",
    )
    group.add_argument("--table", type=Path, metavar="CSV", help="your CSV, with --dataset table")
    group.add_argument(
        "--cifs", type=Path, metavar="DIR", help="folder of CIFs named by id, with --dataset table"
    )
    return group


def study_parser(documentation: str) -> argparse.ArgumentParser:
    """Return the command line of a command that compares, from its script's docstring."""
    parser = new_parser(documentation)
    group = add_source_options(parser)
    add_clusters_option(group)
    size = parser.add_argument_group("size")
    size.add_argument(
        "--preset",
        choices=("quick", "full"),
        default="quick",
        help="how much of everything (default: %(default)s)",
    )
    size.add_argument("--seeds", type=positive, metavar="N", help="repeats on every split")
    size.add_argument(
        "--epochs",
        type=positive,
        metavar="N",
        help="of networks without a search (k-fold, ordered, transfer)",
    )
    how = parser.add_argument_group("running")
    how.add_argument(
        "--max-concurrent", type=positive, default=4, help="trainings at once, at most"
    )
    how.add_argument("--address", help="Ray cluster to run on (default: this machine)")
    how.add_argument(
        "--pretrained",
        type=Path,
        metavar="FOLDER",
        help="your own pre-trained weights, for the transfer step (default: the package's)",
    )
    record = parser.add_argument_group("record")
    record.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="tables and figures (default: results/<dataset>-<preset>)",
    )
    record.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store or server (default: SQLite in mlruns/)"
    )
    add_verbosity_options(parser)
    return parser


def add_clusters_option(group: argparse._ArgumentGroup) -> None:
    """Add clusters of the user's own."""
    group.add_argument(
        "--clusters", type=Path, metavar="CSV", help="your own clusters: columns id, cluster"
    )


def add_test_set_option(group: argparse._ArgumentGroup) -> None:
    """Add which entries are kept away as the test set."""
    group.add_argument(
        "--test-set",
        choices=("random", "official"),
        default="random",
        help="kept away from search and training: 10 %% at random, or what the dataset itself "
        "states, as OBELiX does (default: %(default)s)",
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which crystals are learnt from and how the network sees them."""
    group = add_source_options(parser)
    add_test_set_option(group)
    add_clusters_option(group)
    group.add_argument(
        "--representation",
        default="CAMNS",
        type=str.upper,
        choices=REPRESENTATIONS,
        help="which atoms the network sees (default: %(default)s)",
    )
    group.add_argument(
        "--level",
        default=1,
        type=level,
        metavar="V0|V1|V2|V3",
        help="MEGNet features: V0 embeddings, V1-V3 after 1-3 convolutions (default: V1)",
    )


def add_tracking_options(parser: argparse.ArgumentParser) -> None:
    """Add where results are recorded."""
    group = parser.add_argument_group("record")
    group.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store or server (default: SQLite in mlruns/)"
    )
    group.add_argument("--name", default="search", help="name of the search (default: %(default)s)")


def add_verbosity_options(parser: argparse.ArgumentParser) -> None:
    """Add how much is said."""
    parser.add_argument("--verbose", action="store_true", help="log what the libraries do")
