"""Groups of options with the same names and defaults in every script.

Parsing only; nothing heavy is imported, so that --help answers at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REPRESENTATIONS = ("CAMN", "CAN", "CAMNS", "CANS")


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


def level(text: str) -> int:
    """Parse a MEGNet level: V0 to V3, or the bare number."""
    bare = text.upper().removeprefix("V")
    if bare not in ("0", "1", "2", "3"):
        raise argparse.ArgumentTypeError(f"must be V0, V1, V2 or V3, got {text}")
    return int(bare)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which crystals are learnt from and how the network sees them."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset", default="starter", help="starter (embedded), obelix, or table (your own)"
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
    group.add_argument(
        "--clusters", type=Path, metavar="CSV", help="your own clusters: columns id, cluster"
    )
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
