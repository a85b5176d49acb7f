"""Figures of comparisons: systems over folds or clusters, and cluster by cluster (Figs. 3 to 5).

Each function draws one figure from tables and returns it; saving is the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sie.reporting.style import BLUE, BROWN, GREEN, GREY, ORANGE, PINK, PURPLE, RED, drawing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCORE_LABELS = {"auc_pr": "AUC-PR", "mcc": "MCC"}
MARKERS = "osD^vP*X"
_PREFIX_COLOURS = {"CAMNS": ORANGE, "CAMN": BLUE, "CANS": PURPLE, "CAN": GREEN}
_OTHERS = (BROWN, PINK, GREY)


def system_colour(system: str, kind: str) -> str:
    """Return the colour of a system: by representation, one for baselines, one for controls."""
    if kind == "control":
        return RED
    for prefix, colour in _PREFIX_COLOURS.items():
        if kind == "network" and system.startswith(prefix):
            return colour
    return GREY if kind == "baseline" else BROWN


def score_dots(summary: pd.DataFrame, by_split: pd.DataFrame, title: str, unit: str) -> Figure:
    """Draw the mean AUC-PR and MCC of every system with its 95 % interval and every split.

    Parameters
    ----------
    summary : pandas.DataFrame
        Of `sie.comparison.tables.summary`: one row per system, drawn from top to bottom.
    by_split : pandas.DataFrame
        Of `sie.comparison.tables.by_split`.
    title : str
        Above the figure.
    unit : str
        What a small dot is: fold or cluster.
    """
    import matplotlib.pyplot as plt

    shown = summary[summary["kind"] != "control"]
    places = {system: -i for i, system in enumerate(shown["system"])}
    with drawing():
        figure, panels = plt.subplots(
            1, 2, figsize=(7.4, 1.6 + 0.21 * len(places)), sharey=True, squeeze=False
        )
        for axes, (score, label) in zip(panels[0], SCORE_LABELS.items(), strict=True):
            for _, row in shown.iterrows():
                own = by_split.loc[by_split["system"] == row["system"], score]
                _dot(axes, row, own.to_numpy(), score, places[row["system"]])
            _control_lines(axes, summary, score)
            axes.set_xlabel(label)
            axes.grid(axis="y", lw=0.3, color="0.9")
        panels[0, 0].set_yticks(list(places.values()), list(places))
        panels[0, 0].set_ylim(min(places.values(), default=0) - 0.7, 0.7)
        note = f"dot: mean; bar: its 95 % interval; small: one {unit}"
        figure.suptitle(f"{title}\n{note}", x=0.01, ha="left", fontsize=10)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower right", ncols=2)
    return figure


@dataclass(frozen=True)
class ClusterSeries:
    """One system over clusters: values of shape (n_repeats,) by cluster and score."""

    name: str
    kind: str
    scores: Mapping[int, Mapping[str, np.ndarray]]


def cluster_scores(
    series: Sequence[ClusterSeries], positives: Mapping[int, tuple[int, int]], title: str
) -> Figure:
    """Draw AUC-PR and MCC of every system for every left-out cluster, mean ± sd over repeats.

    Parameters
    ----------
    series : sequence of ClusterSeries
        Side by side within a cluster, in this order.
    positives : Mapping
        Entries and positives of every cluster; a line marks the positive fraction, the AUC-PR of
        the mean control.
    title : str
        Above the figure.
    """
    import matplotlib.pyplot as plt

    clusters = sorted(positives)
    with drawing():
        figure, panels = plt.subplots(2, 1, figsize=(7.4, 5.2), sharex=True)
        for axes, (score, label) in zip(panels, SCORE_LABELS.items(), strict=True):
            for i, item in enumerate(series):
                offset = 0.8 * ((i + 0.5) / len(series) - 0.5)
                _series(axes, item, clusters, score, offset, MARKERS[i % len(MARKERS)])
            for x, cluster in enumerate(clusters):
                entries, count = positives[cluster]
                level = count / entries if score == "auc_pr" else 0.0
                name = "mean control" if x == 0 else None
                axes.hlines(level, x - 0.45, x + 0.45, color=RED, lw=1.2, label=name, zorder=1)
                axes.axvline(x + 0.5, color="0.9", lw=0.6)
            axes.set_ylabel(label)
            axes.set_xlim(-0.5, len(clusters) - 0.5)
        panels[0].set_title(title, loc="left")
        panels[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        names = [f"{c}\n{positives[c][0]} / {positives[c][1]}" for c in clusters]
        panels[1].set_xticks(range(len(clusters)), names)
        panels[1].set_xlabel("left-out cluster (entries / superionic)")
    return figure


def _dot(axes: Axes, row: pd.Series, splits: np.ndarray, score: str, place: float) -> None:
    colour = system_colour(str(row["system"]), str(row["kind"]))
    # below the interval, which would hide them
    axes.scatter(splits, np.full(len(splits), place - 0.28), s=8, color=colour, alpha=0.5, lw=0)
    low, high = row[f"{score}_low"], row[f"{score}_high"]
    if np.isfinite(low):
        axes.hlines(place, low, high, color=colour, lw=1.4)
    axes.scatter([row[score]], [place], s=26, color=colour, edgecolors="white", lw=0.6, zorder=3)


def _control_lines(axes: Axes, summary: pd.DataFrame, score: str) -> None:
    styles = ("--", ":")
    controls = summary[summary["kind"] == "control"]
    for style, (_, row) in zip(styles, controls.iterrows(), strict=False):
        axes.axvline(row[score], color=RED, lw=1.0, ls=style, label=f"{row['system']} control")


def _series(
    axes: Axes, item: ClusterSeries, clusters: Sequence[int], score: str, offset: float, marker: str
) -> None:
    colour = system_colour(item.name, item.kind)
    colour = "black" if item.kind == "baseline" else colour
    known = [(x, item.scores[c][score]) for x, c in enumerate(clusters) if c in item.scores]
    if not known:
        return
    x = np.array([place for place, _ in known]) + offset
    means = [float(np.mean(values)) for _, values in known]
    spread = [float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for _, values in known]
    axes.errorbar(
        x, means, spread, fmt=marker, ms=4.5, color=colour, lw=1.0, capsize=2, label=item.name
    )


def transfer_differences(differences: pd.DataFrame, title: str) -> Figure:
    """Draw what starting from pre-trained weights changes, system by system.

    Parameters
    ----------
    differences : pandas.DataFrame
        Columns system, protocol, score, mean, low, high: pre-trained minus cold, paired by split
        and seed.
    title : str
        Above the figure.
    """
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(differences["system"]))
    protocols = list(dict.fromkeys(differences["protocol"]))
    with drawing():
        figure, panels = plt.subplots(1, 2, figsize=(7.4, 1.4 + 0.32 * len(names)), sharey=True)
        for axes, (score, label) in zip(panels, SCORE_LABELS.items(), strict=True):
            for j, protocol in enumerate(protocols):
                own = differences[
                    (differences["score"] == score) & (differences["protocol"] == protocol)
                ]
                y = [-names.index(name) + 0.14 * (0.5 - j) for name in own["system"]]
                colour = (BLUE, ORANGE)[j % 2]
                half = [own["mean"] - own["low"], own["high"] - own["mean"]]
                axes.errorbar(
                    own["mean"], y, xerr=half, fmt="o", ms=4, color=colour, lw=1.2, label=protocol
                )
            axes.axvline(0, color="0.4", lw=0.8)
            axes.set_xlabel(f"{label}, pre-trained minus cold start")
        panels[0].set_yticks([-i for i in range(len(names))], names)
        panels[0].set_title(title, loc="left")
        panels[1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
