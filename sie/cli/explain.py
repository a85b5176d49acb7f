"""The explain command: P_SI of one crystal, where the networks look, what is measured nearby.

Prints what `sie.screening.explanation` finds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sie.cli.arguments import add_verbosity_options, positive
from sie.cli.parser import new_parser

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def explain_parser(documentation: str) -> argparse.ArgumentParser:
    """Return the command line, from the script's docstring."""
    parser = new_parser(documentation)
    parser.add_argument("cif", help="the crystal; ordered or disordered, with Li")
    parser.add_argument(
        "--ensemble",
        required=True,
        metavar="FOLDER|URI",
        help="folder of an ensemble, models:/NAME/VERSION or runs:/ID/ensemble",
    )
    parser.add_argument(
        "--neighbours",
        type=positive,
        default=5,
        metavar="N",
        help="training compounds to name in each list (default: %(default)s)",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print Markdown, for a report, instead of tables"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store of a models:/ or runs:/ address (default: SQLite in mlruns/)",
    )
    add_verbosity_options(parser)
    return parser


def main(options: argparse.Namespace, console: Console) -> int:
    """Explain one crystal and print the tables."""
    from pathlib import Path

    from sie.ensemble.predictor import SuperionicEnsemble
    from sie.screening.explanation import (
        NEIGHBOUR_COLUMNS,
        ORBIT_COLUMNS,
        explain,
        neighbour_rows,
        orbit_rows,
    )

    with console.status("reading the ensemble"):
        ensemble = SuperionicEnsemble.load(options.ensemble, options.tracking_uri)
    found = explain(ensemble, Path(options.cif), options.neighbours)
    if options.markdown:
        console.print(found.to_markdown(), markup=False, highlight=False, soft_wrap=True)
        return 0
    console.print(
        f"{found.headline}, {ensemble.words}", style="bold", markup=False, highlight=False
    )
    title = "Attention of the last readout round, by orbit"
    console.print(_table(title, ORBIT_COLUMNS, orbit_rows(found.orbits)))
    for title, neighbours in found.neighbour_tables():
        console.print(_table(title, NEIGHBOUR_COLUMNS, neighbour_rows(neighbours)))
    return 0


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name in ("species", "formula", "id") else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
