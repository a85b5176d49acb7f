"""The body of experiments/compare.py: evaluations read, tested two by two, shown and written.

Puts rooms together and shows what they return; the tests are in `sie.comparison.significance`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from sie.cli.outcome import print_lines
from sie.comparison.evaluated import read_evaluations, recorded_evaluations
from sie.comparison.pairwise import pair_table
from sie.comparison.significance import least_p
from sie.errors import InputError
from sie.files import write_text
from sie.tracking.store import Store, open_store

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 30
"""Pairs on the screen; the file has all."""


@dataclass(frozen=True)
class CompareOptions:
    """Options of the command, by their names there."""

    evaluations: Path | None = None
    experiment: str | None = None
    name: str = "search"
    systems: tuple[str, ...] = ()
    cluster: int | None = None
    score: str = "auc_pr"
    alpha: float = 0.05
    out: Path | None = None
    tracking_uri: str | None = None
    record_folder: Path = Path("mlruns")

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> CompareOptions:
        """Pick the options out of parsed arguments."""
        given = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        return cls(**{**given, "systems": tuple(given.get("systems") or ())})


def compare_systems(options: CompareOptions, console: Console) -> pd.DataFrame:
    """Test every pair asked for, print the table and write it; return it.

    Raises
    ------
    InputError
        When evaluations are missing, or there is nothing to pair.
    """
    evaluations = _read(options)
    if options.cluster is not None:
        split = f"loco-{options.cluster}"
        there = ", ".join(dict.fromkeys(evaluations["split"]))
        evaluations = evaluations[evaluations["split"] == split]
        if not len(evaluations):
            raise InputError(f"--cluster {options.cluster}: no evaluation on {split}; on: {there}")
    table = pair_table(evaluations, options.systems, options.score)
    console.print(shown(table, options.alpha))
    print_lines(console, verdict_lines(table, options.alpha))
    if options.out is not None:
        buffer = io.StringIO()
        table.to_csv(buffer, index=False, float_format="%.6g")
        write_text(options.out, buffer.getvalue())
        print_lines(console, [f"table: {options.out}"])
    return table


def shown(table: pd.DataFrame, alpha: float) -> Table:
    """Return the pairs as a table for the terminal, the clearest first; p is corrected."""
    title = f"Paired differences of {table['score'].iloc[0]}, p after Holm's correction"
    built = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("first", "second"):
        built.add_column(name, no_wrap=True)
    for name in ("differ", "won", "splits", "resampled", "seeds"):
        built.add_column(name, justify="right", no_wrap=True)
    for row in table.head(MOST_ROWS).to_dict("records"):
        built.add_row(
            row["first"],
            row["second"],
            f"{row['difference']:+.3f}",
            f"{row['better']}/{row['n_splits']}",
            *(_p(row[f"p_{name}_holm"], alpha) for name in ("splits", "resampled", "seeds")),
        )
    if len(table) > MOST_ROWS:
        built.caption = f"{len(table) - MOST_ROWS} further pairs, none clearer, are in the file"
    return built


def verdict_lines(table: pd.DataFrame, alpha: float) -> list[str]:
    """Return in words how many pairs differ, and what the number of clusters can show at all."""
    n = len(table)
    counts = {
        name: int((table[f"p_{name}_holm"] < alpha).sum())
        for name in ("splits", "resampled", "seeds")
    }
    most = int(table["n_splits"].max())
    lines = [
        f"different at {alpha:g}, of {n} pair{'s' * (n > 1)}: {counts['splits']} over clusters or "
        f"folds (sign flips), {counts['resampled']} by the corrected resampled t, "
        f"{counts['seeds']} on these very splits, over seeds"
    ]
    if most < 2:
        lines.append("one split only: nothing follows for others, p seeds is the test")
    elif least_p(most) * n >= alpha:
        lines.append(
            f"sign flips of {most} splits give no p below {least_p(most):.3g}, too much for {n} "
            f"pair{'s' * (n > 1)}: they can show no difference here, whatever it is"
        )
    if left := int(table["n_left_out"].sum()):
        lines.append(f"beware: {left} pairs of trainings have no score (diverged or failed)")
    return lines


def _p(corrected: float, alpha: float) -> str:
    if math.isnan(corrected):
        return "-"
    return f"{corrected:.2g}{'*' if corrected < alpha else ' '}"


def _read(options: CompareOptions) -> pd.DataFrame:
    if options.evaluations is not None:
        return read_evaluations(options.evaluations)
    return recorded_evaluations(_store(options), options.experiment or "", options.name)


def _store(options: CompareOptions) -> Store:
    database = options.record_folder / "mlflow.db"
    if options.tracking_uri is None and not database.is_file():
        raise InputError(
            f"no MLflow store at {database}; give --tracking-uri, or --evaluations CSV instead"
        )
    return open_store(options.tracking_uri, options.record_folder)
