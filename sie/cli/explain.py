"""The explain command: P_SI of one crystal, where the networks look, what is measured nearby.

Prints what `sie.screening.explanation` finds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from sie.cli import arguments
from sie.cli.answer import Answer
from sie.cli.parser import new_parser

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def explain_parser(documentation: str) -> argparse.ArgumentParser:
    """Return the command line, from the script's docstring."""
    parser = new_parser(documentation)
    parser.add_argument("cif", help="the crystal; ordered or disordered, with Li")
    arguments.add(parser, "--ensemble")
    parser.add_argument(
        "--neighbours",
        type=arguments.positive,
        default=5,
        metavar="N",
        help="training compounds to name in each list (default: %(default)s)",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print Markdown, for a report, instead of tables"
    )
    arguments.add(parser, "--tracking-uri")
    arguments.add_common_options(parser)
    return parser


def main(options: argparse.Namespace, console: Console) -> Answer:
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
        return Answer(asdict(found))
    console.print(
        f"{found.headline}, {ensemble.words}", style="bold", markup=False, highlight=False
    )
    title = "Attention of the last readout round, by orbit"
    console.print(_table(title, ORBIT_COLUMNS, orbit_rows(found.orbits)))
    for title, neighbours in found.neighbour_tables():
        console.print(_table(title, NEIGHBOUR_COLUMNS, neighbour_rows(neighbours)))
    return Answer(asdict(found))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name in ("species", "formula", "id") else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
