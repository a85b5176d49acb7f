"""Figures of what was reached: best so far, learning curves, repeats, winners against others.

Each function draws one figure from records and returns it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sie.reporting.search_report.plotting import (
    HEIGHT,
    INK,
    Plot,
    colour,
    dash,
    jitter,
    new_figure,
    rounded,
)
from sie.reporting.search_report.record import ClusterSearch
from sie.reporting.style import BLUE, BROWN, GREEN, GREY, RED, STATUS_COLOURS
from sie.search.choices import Scheduler
from sie.search.record import EndedTrial
from sie.search.selection import OBJECTIVE, rolling_mean
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

AUC_PR = "validation AUC-PR"
MOST_POINTS = 80
"""Points of a learning curve in the page; a curve of 500 epochs looks the same."""


def progress(search: ClusterSearch) -> Plot:
    """Draw every trial's objective in the order of the trials, and the best so far."""
    figure = new_figure(xaxis_title="trial", yaxis_title="objective (AUC-PR)")
    for status, trials in _by_status(search.scored):
        figure.add_scatter(
            x=[t.task.number for t in trials],
            y=rounded(t.objective for t in trials),
            mode="markers",
            marker={"color": STATUS_COLOURS[status], "size": 7},
            name=_words(status),
            customdata=[t.result.n_epochs for t in trials],
            hovertemplate="trial %{x}: %{y:.3f} after %{customdata} epochs<extra></extra>",
        )
    numbers, best = _best_so_far(search)
    figure.add_scatter(
        x=numbers,
        y=rounded(best),
        mode="lines",
        line={"color": BLUE, "width": 2.5, "shape": "hv"},
        name="best so far",
        hovertemplate="best up to trial %{x}: %{y:.3f}<extra></extra>",
    )
    _floor(figure, search.floor)
    alt = (
        f"Objective of {len(search.scored)} trials in their order; the best so far rises from "
        f"{best[0]:.3f} to {best[-1]:.3f}, last at trial {_last_gain(numbers, best)}."
        if numbers
        else "No trial was scored."
    )
    return Plot(
        figure, "", alt, "A trial's objective is its best rolling mean of validation AUC-PR.", True
    )


def progress_of_all(searches: Sequence[ClusterSearch]) -> Plot:
    """Draw the best so far of every cluster's search."""
    figure = new_figure(xaxis_title="trial", yaxis_title="best objective so far")
    words = []
    for search in searches:
        numbers, best = _best_so_far(search)
        if not numbers:
            continue
        figure.add_scatter(
            x=numbers,
            y=rounded(best),
            mode="lines",
            line={
                "color": colour(search.cluster),
                "dash": dash(search.cluster),
                "width": 2.5,
                "shape": "hv",
            },
            name=f"cluster {search.cluster}",
            hovertemplate="best up to trial %{x}: %{y:.3f}",
        )
        words.append(f"cluster {search.cluster} {best[0]:.3f} to {best[-1]:.3f}")
    caption = (
        "Levels cannot be compared between clusters: what a constant prediction reaches differs "
        "from cluster to cluster (see the table above)."
    )
    return Plot(figure, "", f"Best objective so far: {'; '.join(words)}.", caption, True)


def learning_curves(search: ClusterSearch, title: str = "", wide: bool = False) -> Plot:
    """Draw every trial's rolling validation AUC-PR, with marks where one was stopped."""
    window = search.rule.window
    figure = new_figure(xaxis_title="epoch", yaxis_title=f"AUC-PR, {window}-epoch mean")
    shown = [t for t in search.trials if t.result.n_epochs >= window]
    for status, trials in _by_status(shown):
        x, y, names = _joined(trials, window)
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": STATUS_COLOURS[status], "width": 1},
            opacity=0.7,
            connectgaps=False,
            name=_words(status),
            customdata=names,
            hovertemplate="trial %{customdata}, epoch %{x}: %{y:.3f}<extra></extra>",
        )
    stopped = [t for t in shown if t.result.status is TrialStatus.STOPPED_BY_SCHEDULER]
    if stopped:
        figure.add_scatter(
            x=[t.result.n_epochs for t in stopped],
            y=rounded(_rolling(t, window)[-1] for t in stopped),
            mode="markers",
            marker={"symbol": "x-thin", "size": 7, "line": {"color": INK, "width": 1.4}},
            name="stopped early",
            customdata=[t.task.number for t in stopped],
            hovertemplate="trial %{customdata} stopped at epoch %{x}: %{y:.3f}<extra></extra>",
        )
    lines, caption = _stops(search)
    for epoch in lines:
        figure.add_vline(x=epoch, line={"color": GREY, "width": 1, "dash": "dot"})
    _floor(figure, search.floor)
    alt = f"Learning curves of {len(shown)} trials, {len(stopped)} of them stopped early."
    return Plot(figure, title, alt, caption, wide)


def _stops(search: ClusterSearch) -> tuple[tuple[int, ...], str]:
    """Return the epochs at which trials can be stopped, or from which on, and the caption."""
    budget, first = search.budget, "Validation AUC-PR."
    if search.scheduler == Scheduler.MEDIAN:
        return (budget.grace,), (
            f"{first} From epoch {budget.grace} on (dotted) a trial is stopped whose best is below "
            "the median of the others' means up to its epoch."
        )
    if search.scheduler == Scheduler.ASHA and budget.rungs:
        at = " and ".join(map(str, budget.rungs))
        return budget.rungs, (
            f"{first} ASHA compares trials at epoch {at} (dotted): of those that get there it lets "
            f"about one in {budget.reduction_factor} go on."
        )
    return (), f"{first} No trial was stopped for falling behind the others."


def repeats(search: ClusterSearch, title: str = "", wide: bool = False) -> Plot:
    """Draw each repeated configuration: its repeats, their mean ± sd, and what the search saw."""
    figure = new_figure(xaxis_title="rank after the repeats", yaxis_title=AUC_PR)
    judged = search.judged
    ranks = list(range(1, len(judged) + 1))
    figure.add_scatter(
        x=rounded(
            value
            for rank, item in zip(ranks, judged, strict=True)
            for value in rank + jitter(len(item.values), 0.12)
        ),
        y=rounded(value for item in judged for value in item.values),
        mode="markers",
        marker={"color": GREY, "size": 6},
        name="one repeat",
        hovertemplate="%{y:.3f}<extra></extra>",
    )
    figure.add_scatter(
        x=ranks,
        y=rounded(item.mean for item in judged),
        error_y={"array": rounded(item.sd for item in judged), "thickness": 1.6},
        mode="markers",
        marker={"color": BLUE, "size": 10},
        name="mean ± sd of the repeats",
        customdata=[item.config.hash for item in judged],
        hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
    )
    seen = _seen_in_search(search)
    figure.add_scatter(
        x=ranks,
        y=rounded(seen.get(item.config.hash, math.nan) for item in judged),
        mode="markers",
        marker={
            "symbol": "line-ew",
            "size": 20,
            "color": RED,
            "line": {"width": 3, "color": RED},
        },
        name="in the search",
        hovertemplate="in the search: %{y:.3f}<extra></extra>",
    )
    _floor(figure, search.floor)
    figure.update_xaxes(tickvals=ranks, range=[0.5, len(judged) + 0.5])
    best = judged[0]
    alt = (
        f"{len(judged)} configurations with {len(best.values)} repeats each; the best reaches "
        f"{best.mean:.3f}, the last {judged[-1].mean:.3f}."
    )
    caption = (
        "A dash above its mean is what choosing the best of many trials flatters a configuration "
        "by; the repeats, not the dash, decided."
    )
    return Plot(figure, title, alt, caption, wide)


def against_others(search: ClusterSearch, title: str = "", wide: bool = False) -> Plot:
    """Draw the winner beside the baselines and controls of the same split."""
    rows = [(o.name, o.auc_pr, GREY if o.kind == "control" else BROWN) for o in search.others]
    if search.winner is not None:
        rows.append(("winner of the search", search.winner.values, BLUE))
    rows.sort(key=lambda row: float(np.mean(row[1])))
    figure = new_figure(max(HEIGHT, 110 + 30 * len(rows)), xaxis_title=AUC_PR, showlegend=False)
    for name, values, tint in rows:
        figure.add_scatter(
            x=rounded([float(np.mean(values))]),
            y=[name],
            error_x={"array": rounded([_sd(values)]), "thickness": 1.6},
            mode="markers",
            marker={"color": tint, "size": 11, "symbol": _mark(tint)},
            hovertemplate=f"%{{y}}: %{{x:.3f}} over {len(values)}<extra></extra>",
        )
    if np.isfinite(search.floor):
        figure.add_vline(x=search.floor, line={"color": GREEN, "width": 1.6, "dash": "dash"})
    figure.update_xaxes(range=[0, 1.02])
    alt = "; ".join(f"{name} {np.mean(values):.3f}" for name, values, _ in reversed(rows))
    caption = (
        "Mean ± sd over seeds on the left-out cluster; diamond: the search's winner, circles: "
        "baselines, squares: controls, dashed: a constant prediction."
    )
    return Plot(figure, title, f"AUC-PR: {alt}.", caption, wide)


def _mark(tint: str) -> str:
    return {BLUE: "diamond", GREY: "square"}.get(tint, "circle")


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _by_status(trials: Sequence[EndedTrial]) -> list[tuple[TrialStatus, list[EndedTrial]]]:
    found = [s for s in TrialStatus if any(t.result.status is s for t in trials)]
    return [(s, [t for t in trials if t.result.status is s]) for s in found]


def _words(status: TrialStatus) -> str:
    return str(status).replace("_", " ")


def _best_so_far(search: ClusterSearch) -> tuple[list[int], np.ndarray]:
    scored = search.scored
    best = np.maximum.accumulate([t.objective for t in scored]) if scored else np.empty(0)
    return [t.task.number for t in scored], best


def _last_gain(numbers: Sequence[int], best: np.ndarray) -> int:
    return numbers[int(np.argmax(best == best[-1]))]


def _rolling(trial: EndedTrial, window: int) -> np.ndarray:
    return rolling_mean(trial.result.curves.get(OBJECTIVE, np.empty(0)), window)


def _joined(
    trials: Sequence[EndedTrial], window: int
) -> tuple[list[int | None], list[float | None], list[int | None]]:
    """Return all curves as one line with gaps, thinned: a trace a trial makes a page slow."""
    x: list[int | None] = []
    y: list[float | None] = []
    names: list[int | None] = []
    for trial in trials:
        means = _rolling(trial, window)
        kept = np.unique(np.linspace(0, len(means) - 1, min(len(means), MOST_POINTS)).astype(int))
        x += [*(int(i) + window for i in kept), None]
        y += [*rounded(means[kept]), None]
        names += [trial.task.number] * len(kept) + [None]
    return x, y, names


def _seen_in_search(search: ClusterSearch) -> dict[str, float]:
    """Return each configuration's objective in the search, the mean where it was drawn twice."""
    draws: dict[str, list[float]] = {}
    for trial in search.scored:
        draws.setdefault(trial.task.config.hash, []).append(trial.objective)
    return {name: float(np.mean(values)) for name, values in draws.items()}


def _floor(figure: Figure, floor: float) -> None:
    if not np.isfinite(floor):
        return
    figure.add_hline(y=floor, line={"color": GREEN, "width": 1.6, "dash": "dash"})
    # a shape has no entry in the legend of its own
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="lines",
        line={"color": GREEN, "width": 1.6, "dash": "dash"},
        name=f"constant prediction ({floor:.3f})",
    )
