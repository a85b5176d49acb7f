"""The map of clusters: every development entry in the plane in which the clusters were found.

Drawn where the run's artifacts hold the plane; formulas and conductivities where they hold these.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from sie.reporting.search_report.plotting import INK, Plot, colour, new_figure, rounded, symbol
from sie.reporting.search_report.record import ClusterSearch, Entry
from sie.splits.record import Clustering


def splits_map(search: ClusterSearch, left_out: tuple[int, ...]) -> Plot | None:
    """Draw the clusters; None where the artifacts hold no plane.

    Parameters
    ----------
    search : ClusterSearch
        Gives clusters and entries.
    left_out : tuple of int
        Clusters that were searched; one alone is outlined.
    """
    clustering = search.clustering
    if clustering is None or clustering.embedding is None:
        return None
    figure = new_figure(
        520,
        xaxis={"title": {"text": "UMAP 1"}, "showticklabels": False, "ticks": ""},
        yaxis={"title": {"text": "UMAP 2"}, "showticklabels": False, "ticks": "",
               "scaleanchor": "x", "scaleratio": 1},
    )  # fmt: skip
    for number in clustering.numbers:
        inside = np.flatnonzero(clustering.labels == number)
        ids = [clustering.ids[i] for i in inside]
        mark = symbol(number)
        outlined = left_out == (number,)
        figure.add_scatter(
            x=rounded(clustering.embedding[inside, 0], 3),
            y=rounded(clustering.embedding[inside, 1], 3),
            mode="markers",
            marker={
                "symbol": [_filled(mark, search.entries.get(entry)) for entry in ids],
                "color": colour(number),
                "size": 9,
                "line": {"width": 2 if outlined else 0.5, "color": INK},
            },
            name=f"cluster {number} ({len(ids)})",
            text=[_hover(entry, number, search.entries) for entry in ids],
            hovertemplate="%{text}<extra></extra>",
        )
    return Plot(figure, "", _alt(clustering), _caption(search, left_out), True)


def what_is_missing(search: ClusterSearch) -> str:
    """Return in plain words what the map cannot show; empty where nothing is missing."""
    clustering = search.clustering
    if clustering is None:
        return (
            "There is no map: the run's artifacts hold no readable splits.json, in which the "
            "clusters stand. The table shows the clusters that were searched."
        )
    if clustering.embedding is None:
        return (
            "There is no map: these clusters were given in a file, so there is no plane in which "
            "they were found. The table shows them."
        )
    if not search.entries:
        return (
            "Formulas and conductivities are not among the run's artifacts (entries.csv), so "
            "pointing at a mark shows its id and cluster only."
        )
    return ""


def _filled(mark: str, entry: Entry | None) -> str:
    """Return the mark of an entry: open where it is known not to be superionic."""
    return f"{mark}-open" if entry is not None and entry.label == 0 else mark


def _hover(entry: str, number: int, entries: Mapping[str, Entry]) -> str:
    lines = [f"<b>{escape(entry)}</b>, cluster {number}"]
    if (known := entries.get(entry)) is not None:
        sigma = (
            f"{10**known.log10_sigma:.2g} S/cm"
            if np.isfinite(known.log10_sigma)
            else "not known, class only"
        )
        lines = [
            f"<b>{escape(known.formula)}</b> ({escape(entry)}), cluster {number}",
            f"σ {sigma}",
        ]
    return "<br>".join(lines)


def _alt(clustering: Clustering) -> str:
    parts = [f"{n} with {int((clustering.labels == n).sum())}" for n in clustering.numbers]
    return (
        f"Map of {len(clustering.ids)} entries in {clustering.n_clusters} clusters of chemistry: "
        f"cluster {', '.join(parts)} entries."
    )


def _caption(search: ClusterSearch, left_out: tuple[int, ...]) -> str:
    ringed = f" Cluster {left_out[0]} (outlined) was left out." if len(left_out) == 1 else ""
    filled = " Filled marks are superionic." if search.entries else ""
    return (
        "Every mark is a compound of training and validation; near ones have like compositions. "
        f"Test entries are not shown.{ringed}{filled}"
    )
