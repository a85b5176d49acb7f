"""Figures of one cluster's search: learning curves, progress, repeats, the map of clusters.

Each function draws one figure from records and returns it; saving is the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sie.reporting.style import BLUE, CYCLE, GREEN, GREY, ORANGE, STATUS_COLOURS, drawing
from sie.search.selection import OBJECTIVE, RepeatedConfig, SelectionRule, rolling_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sie.search.record import EndedTrial
    from sie.splits.record import Clustering

AUC_LABEL = "validation AUC-PR"


def learning_curves(
    searched: Sequence[EndedTrial], rule: SelectionRule, floor: float, rungs: Sequence[int] = ()
) -> Figure:
    """Draw every trial's rolling validation AUC-PR, coloured by how the trial ended.

    Parameters
    ----------
    searched : sequence of EndedTrial
        Trials of the search phase.
    rule : SelectionRule
        Gives the window of the rolling mean.
    floor : float
        The positive fraction of the validation cluster: what a constant prediction reaches.
    rungs : sequence of int
        Epochs at which trials may be stopped.
    """
    import matplotlib.pyplot as plt

    with drawing():
        figure, axes = plt.subplots(figsize=(6.2, 3.6))
        for status in dict.fromkeys(trial.result.status for trial in searched):
            group = [trial for trial in searched if trial.result.status is status]
            for trial in group:
                means = rolling_mean(trial.result.curves.get(OBJECTIVE, np.empty(0)), rule.window)
                epochs = np.arange(len(means)) + rule.window
                axes.plot(epochs, means, color=STATUS_COLOURS[status], lw=0.8, alpha=0.6)
            label = f"{status.replace('_', ' ')} ({len(group)})"
            axes.plot([], [], color=STATUS_COLOURS[status], label=label)
        for rung in rungs:
            axes.axvline(rung, color=GREY, lw=0.6, ls=":")
        _floor(axes, floor)
        axes.set(xlabel="epoch", ylabel=f"{AUC_LABEL}, mean of {rule.window} epochs")
        axes.set_title("Learning curves of the search", loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def search_progress(searched: Sequence[EndedTrial], floor: float) -> Figure:
    """Draw every trial's objective in the order of the trials, and the best so far."""
    import matplotlib.pyplot as plt

    with drawing():
        figure, axes = plt.subplots(figsize=(6.2, 3.2))
        counted = [trial for trial in searched if trial.result.status.counts]
        numbers = [trial.task.number for trial in counted]
        values = [trial.objective for trial in counted]
        colours = [STATUS_COLOURS[trial.result.status] for trial in counted]
        axes.scatter(numbers, values, c=colours, s=12, alpha=0.8, label="trial")
        axes.plot(
            numbers,
            np.maximum.accumulate(values) if values else [],
            color=BLUE,
            lw=1.6,
            drawstyle="steps-post",
            label="best so far",
        )
        _floor(axes, floor)
        axes.set(xlabel="trial", ylabel="objective (best rolling mean)")
        axes.set_title("Progress of the search", loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def repeats(
    judged: Sequence[RepeatedConfig], searched: Mapping[str, float], floor: float
) -> Figure:
    """Draw each repeated configuration: its repeats, their mean ± sd, and what the search saw.

    Parameters
    ----------
    judged : sequence of RepeatedConfig
        Best first.
    searched : mapping
        Objective in the search phase by configuration hash.
    floor : float
        The positive fraction of the validation cluster.
    """
    import matplotlib.pyplot as plt

    with drawing():
        figure, axes = plt.subplots(figsize=(6.2, 3.2))
        for rank, item in enumerate(judged, start=1):
            jitter = np.linspace(-0.12, 0.12, len(item.values)) if len(item.values) > 1 else [0.0]
            axes.scatter(rank + np.asarray(jitter), item.values, s=10, color=GREY, alpha=0.7)
            spread = item.sd if np.isfinite(item.sd) else 0.0
            axes.errorbar(rank, item.mean, spread, color=BLUE, fmt="o", ms=5, capsize=3)
            axes.scatter(rank, searched[item.config.hash], marker="_", s=160, color=ORANGE)
        axes.errorbar([], [], [], color=BLUE, fmt="o", ms=5, label="mean ± sd over repeats")
        axes.scatter([], [], s=10, color=GREY, label="one repeat")
        axes.scatter([], [], marker="_", s=160, color=ORANGE, label="in the search")
        _floor(axes, floor)
        axes.set_xticks(range(1, len(judged) + 1))
        axes.set(xlabel="rank after the repeats", ylabel=AUC_LABEL)
        axes.set_title("Repeats of the best configurations", loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def cluster_map(clustering: Clustering, labels: Mapping[str, int], cluster: int) -> Figure | None:
    """Draw the plane in which the clusters were found; None for clusters from a file.

    Filled marks are superionic compounds; the left-out cluster is ringed.
    """
    import matplotlib.pyplot as plt

    if clustering.embedding is None:
        return None
    with drawing():
        figure, axes = plt.subplots(figsize=(5.6, 4.2))
        superionic = np.array([labels[entry] == 1 for entry in clustering.ids])
        for number in clustering.numbers:
            inside = clustering.labels == number
            colour = CYCLE[number % len(CYCLE)]
            for part, face in ((inside & superionic, colour), (inside & ~superionic, "none")):
                x, y = clustering.embedding[part].T
                edge = "black" if number == cluster else colour
                axes.scatter(x, y, s=22, facecolors=face, edgecolors=edge, linewidths=0.9)
            axes.scatter([], [], s=22, color=colour, label=f"{number} ({int(inside.sum())})")
        axes.set(xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
        axes.set_title(f"Clusters of chemistry; cluster {cluster} left out", loc="left")
        axes.legend(
            title="cluster (entries)\nfilled: superionic",
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
        )
    return figure


def _floor(axes: Axes, floor: float) -> None:
    axes.axhline(floor, color=GREEN, lw=0.9, ls="--", label="constant prediction")
