"""What an evaluation shows: scores with their intervals, differences, misclassified structures.

Shows a record and decides nothing; the command itself is in `sie.cli.evaluate`.
"""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table

from sie.cli.outcome import print_lines
from sie.evaluation.bootstrap import Interval
from sie.evaluation.record import EvaluationRecord
from sie.evaluation.scores import SCORES, confusion
from sie.evaluation.tables import misclassified_table

SHOWN = ("auc_pr", "mcc", "brier")
"""Scores on the screen; its table must fit 80 columns, the files hold all."""

MOST_ROWS = 20
FORMULA_CHARS = 22


def print_evaluation(record: EvaluationRecord, console: Console) -> None:
    """Print the record of an evaluation."""
    console.print(_scores(record))
    about, n = record.about, len(record.predictions)
    counts = confusion(record.predictions.labels, record.predictions.p_si)
    print_lines(
        console,
        [
            f"{n} test structures, {about['n_test_positive']} of them superionic; 95 % percentile "
            f"intervals over {about['bootstrap']['n_resamples']} resamples of the structures "
            f"(shuffled: over {about['permutations']} permutations)",
            *_difference_lines(record),
            *_crowd_lines(record),
            f"confusion matrix: {counts.true_positive} true and {counts.false_positive} false "
            f"positives, {counts.true_negative} true and {counts.false_negative} false negatives",
        ],
    )
    _print_misclassified(record, console)


def _scores(record: EvaluationRecord) -> Table:
    table = Table(title="Test set, scored once", title_justify="left")
    table.add_column("system", no_wrap=True)
    for name in SHOWN:
        table.add_column(SCORES[name], justify="right", no_wrap=True)
    for item in record.systems:
        name = f"{item.name} *" if item.name == record.reference else item.name
        shown = [_shown(item.scores[score]) for score in SHOWN[:-1]]
        table.add_row(name, *shown, f"{item.scores[SHOWN[-1]].value:.3f}")
    table.caption = "* the best baseline over left-out clusters of the development entries"
    return table


def _difference_lines(record: EvaluationRecord) -> list[str]:
    if record.reference not in [item.name for item in record.systems]:
        return []
    against = record.system(record.reference).ensemble_minus
    shown = ", ".join(f"{SCORES[name]} {_shown(against[name], '+')}" for name in SHOWN)
    lines = [f"ensemble minus {record.reference}, paired: {shown}"]
    difference = against["auc_pr"]
    if difference.low <= 0 <= difference.high:
        lines.append("beware: the interval of the difference in AUC-PR holds 0")
    elif difference.high < 0:
        lines.append(f"beware: {record.reference} is better than the ensemble in AUC-PR")
    return lines


def _crowd_lines(record: EvaluationRecord) -> list[str]:
    n = record.about.get("ensembles_before", 0)
    if not n:
        return []
    others = "other ensembles were" if n > 1 else "other ensemble was"
    return [
        f"beware: {n} {others} scored on this test set before; the best of several is optimistic"
    ]


def _print_misclassified(record: EvaluationRecord, console: Console) -> None:
    wrong = misclassified_table(record)
    if wrong.empty:
        print_lines(console, ["no test structure is misclassified"])
        return
    table = Table(title="Misclassified, the surest first", title_justify="left")
    for name in ("id", "formula", "log10 sigma", "from -4", "P_SI ± sd", "from 0.5"):
        text = name in ("id", "formula")
        width = FORMULA_CHARS if name == "formula" else None
        side: Any = "left" if text else "right"
        table.add_column(name, justify=side, no_wrap=True, max_width=width)
    for row in wrong.head(MOST_ROWS).itertuples():
        bound = "<" if row.censored else ""
        table.add_row(
            str(row.id),
            str(row.formula),
            _number(row.log10_sigma, bound),
            _number(row.log10_sigma_from_boundary, bound, "+"),
            f"{row.p_si:.2f} ± {row.p_si_sd:.2f}",
            f"{row.p_si_from_boundary:+.2f}",
        )
    if (more := len(wrong) - MOST_ROWS) > 0:
        table.caption = f"and {more} more in tables/misclassified.csv"
    console.print(table)


def _shown(found: Interval, sign: str = "") -> str:
    if math.isnan(found.value):
        return "-"
    if math.isnan(found.low):
        return f"{found.value:{sign}.3f}"
    return f"{found.value:{sign}.3f} [{found.low:{sign}.2f}, {found.high:{sign}.2f}]"


def _number(value: float, before: str, sign: str = "") -> str:
    return "class only" if math.isnan(value) else f"{before}{value:{sign}.1f}"
