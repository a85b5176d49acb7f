"""Figures of hyperparameters: parallel coordinates, slices, importances.

Drawn from a trial table; what is important is decided in `importance`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sie.reporting.search_report.importance import Importance
from sie.reporting.search_report.plotting import HEIGHT, INK, Plot, jitter, new_figure, rounded
from sie.reporting.search_report.trial_table import Axis, TrialTable
from sie.reporting.style import BLUE, GREY, RED

SCALE = "Viridis"
AXIS_WIDTH = 96
"""Pixels that an axis of the parallel coordinates needs for its numbers."""


def outcome_words(table: TrialTable) -> str:
    """Return what the trials are compared by, in a few words."""
    return "objective" if table.single else "share of its cluster's trials that a trial beats"


def parallel_coordinates(table: TrialTable) -> Plot:
    """Draw every trial as a line through its hyperparameters, coloured by what came out."""
    from plotly.graph_objects import Parcoords

    dimensions = [_dimension(axis) for axis in table.axes]
    if not table.single:
        dimensions.insert(0, _dimension(_cluster_axis(table)))
    # the best are drawn last, over the others
    order = np.argsort(table.outcome, kind="stable")
    dimensions.append(
        {"label": "objective", "values": rounded(table.objective), "tickformat": ".2f"}
    )
    for item in dimensions:
        item["values"] = [item["values"][i] for i in order]
    figure = new_figure(460)
    figure.add_trace(
        Parcoords(
            dimensions=dimensions,
            line={
                "color": rounded(table.outcome[order]),
                "colorscale": SCALE,
                "reversescale": True,
                "showscale": True,
                "colorbar": {"thickness": 12, "outlinewidth": 0},
            },
            labelfont={"size": 13},
            labelangle=-18,
            tickfont={"size": 12},
            rangefont={"size": 10, "color": "rgba(0,0,0,0)"},
        )
    )
    figure.update_layout(margin={"l": 62, "r": 30, "t": 84, "b": 20})
    shown = ", ".join(axis.name for axis in table.axes)
    caption = (
        f"A line is a trial; dark is good (colour: {outcome_words(table)}). Draw along an axis to "
        "keep only the trials that pass there, drag an axis by its name to move it. Lines are "
        "shifted a little at each choice, so that equal ones can be told apart."
    )
    alt = f"Parallel coordinates of {len(table)} trials over {shown} and the objective."
    return Plot(figure, "", alt, caption, True, AXIS_WIDTH * len(dimensions))


def slices(table: TrialTable) -> list[Plot]:
    """Draw what came out against each hyperparameter alone, with the mean of each choice."""
    return [_slice(table, axis) for axis in table.axes]


def importance_plot(found: Importance) -> Plot:
    """Draw importances with their intervals, and what chance gives."""
    names = list(reversed(found.names))
    low, high = found.interval
    middle = found.values[::-1]
    figure = new_figure(max(HEIGHT - 60, 120 + 30 * len(names)), xaxis_title="importance")
    figure.add_bar(
        y=names,
        x=rounded(middle),
        orientation="h",
        marker={"color": BLUE},
        error_x={
            # a half can do without what all trials show: the line need not hold the bar's end
            "array": rounded(np.maximum(high[::-1] - middle, 0)),
            "arrayminus": rounded(np.maximum(middle - low[::-1], 0)),
            "thickness": 1.6,
            "color": INK,
        },
        name="all trials, 90 % of halves",
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    figure.add_scatter(
        y=names,
        x=rounded(found.chance[::-1]),
        mode="markers",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": RED}},
        name="chance",
        hovertemplate="chance, %{y}: %{x:.3f}<extra></extra>",
    )
    figure.update_xaxes(rangemode="tozero")
    words = ", ".join(f"{name} {m:.2f}" for name, m in zip(found.names, found.values, strict=True))
    caption = (
        f"{found.method}: {found.meaning}. Bar: all trials; line: 5th to 95th percentile over "
        f"{len(found.halves)} random halves of the trials; red: what 19 in 20 of as many shuffles "
        "of the outcomes stay below."
    )
    return Plot(figure, found.method, f"Importance by {found.method}: {words}.", caption)


def _slice(table: TrialTable, axis: Axis) -> Plot:
    x = axis.positions()
    shifted = x + (jitter(len(x), 0.16) if axis.choices else 0.0)
    figure = new_figure(
        320,
        xaxis_title=axis.name + (" (log10)" if axis.log else ""),
        yaxis_title="objective" if table.single else "share beaten",
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
    )
    figure.add_scatter(
        x=rounded(shifted),
        y=rounded(table.outcome),
        mode="markers",
        marker={"color": _later_is_darker(table), "size": 6, "line": {"width": 0}},
        customdata=[
            f"trial {n}" if table.single else f"cluster {c}, trial {n}"
            for c, n in zip(table.clusters, table.numbers, strict=True)
        ],
        text=[axis.text(v) for v in axis.values],
        hovertemplate=f"%{{customdata}}: {axis.name} %{{text}}, %{{y:.3f}}<extra></extra>",
    )
    means = _means(axis, x, table.outcome)
    if axis.choices:
        figure.add_scatter(
            x=list(range(len(axis.choices))),
            y=rounded(means),
            mode="lines+markers",
            line={"color": RED, "width": 2},
            marker={"symbol": "line-ew", "size": 22, "line": {"width": 4, "color": RED}},
            hovertemplate="mean: %{y:.3f}<extra></extra>",
        )
        figure.update_xaxes(**_ticks(axis))
    words = "; ".join(f"{axis.text(c)}: {m:.3f}" for c, m in zip(axis.choices, means, strict=False))
    alt = f"Outcome against {axis.name}" + (f"; means {words}." if words else ".")
    return Plot(figure, "", alt)


def _later_is_darker(table: TrialTable) -> Any:
    """Return colours of the trials: early ones pale, late ones dark, all visible on white."""
    if not table.single:
        return GREY
    age = table.numbers / max(int(table.numbers.max(initial=0)), 1)
    pale, dark = np.array([120, 170, 215]), np.array([0, 50, 95])
    return [f"rgb({r},{g},{b})" for r, g, b in (pale + age[:, None] * (dark - pale)).astype(int)]


def _means(axis: Axis, positions: np.ndarray, outcome: np.ndarray) -> list[float]:
    return [
        float(np.mean(outcome[positions == i])) if (positions == i).any() else math.nan
        for i in range(len(axis.choices))
    ]


def _ticks(axis: Axis) -> dict[str, Any]:
    return {
        "tickvals": list(range(len(axis.choices))),
        "ticktext": [axis.text(value) for value in axis.choices],
    }


def _cluster_axis(table: TrialTable) -> Axis:
    numbers = table.clusters.astype(float)
    return Axis("cluster", numbers, tuple(float(v) for v in np.unique(numbers)))


def _dimension(axis: Axis) -> dict[str, Any]:
    values = axis.positions()
    if not axis.choices:
        ends = (axis.low, axis.high)
        span = [math.log10(v) for v in ends] if axis.log else list(ends)
        ticks = np.linspace(span[0], span[1], 5)
        return {
            "label": axis.name,
            "values": rounded(values, 5),
            "range": span,
            "tickvals": rounded(ticks, 5),
            "ticktext": [f"{10**t if axis.log else t:.2g}" for t in ticks],
        }
    return {
        "label": axis.name,
        "values": rounded(values + jitter(len(values), 0.13)),
        "range": [-0.3, len(axis.choices) - 0.7],
        **_ticks(axis),
    }


def means_table(table: TrialTable) -> Sequence[tuple[str, str, int, float, float]]:
    """Return (hyperparameter, value, trials, mean outcome, best outcome) of every choice."""
    rows = []
    for axis in table.axes:
        positions = axis.positions()
        for i, value in enumerate(axis.choices):
            inside = table.outcome[positions == i]
            if len(inside):
                rows.append(
                    (axis.name, axis.text(value), len(inside), float(inside.mean()),
                     float(inside.max()))
                )  # fmt: skip
    return rows
