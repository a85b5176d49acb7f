"""Figures of a screening: how scores are distributed, how far candidates are from what is known.

Each function draws one figure from tables and returns it; saving is the caller's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sie.reporting.style import BLUE, GREEN, GREY, ORANGE, RED, drawing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 40
MOST_POINTS = 4_000
"""Above it points are counted in hexagons: they would hide each other, and an SVG would be huge."""

MOST_CIRCLES = 200
"""Candidates that the map marks, the best first; thousands would be one black stain."""

HEXAGONS = 60
INSET = (0.42, 0.45, 0.57, 0.45)
"""Left, bottom, width and height of the inset, in parts of the axes."""

COUNT_COLOURS = "Blues"
LIGHT = "#9db8d6"


def score_figure(table: pd.DataFrame, min_p_si: float = 0.5) -> Figure:
    """Draw Fig. 7: the distribution of P_SI, and P_SI against the distance to the training set.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `sie.screening.ranking.rank`.
    min_p_si : float
        Where the inset begins.
    """
    import matplotlib.pyplot as plt

    with drawing():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.9))
        _histogram(left, table, np.linspace(0, 1, BINS + 1), labelled=True)
        left.set(xlabel=r"$P_\mathrm{SI}$", ylabel="structures")
        left.set_title("(a) predicted probability of being superionic", loc="left")
        best = table[table["p_si"] > min_p_si]
        _make_room(left, table, INSET)
        inset = left.inset_axes(INSET)
        _histogram(inset, best, np.linspace(min_p_si, 1, BINS // 2 + 1), labelled=False)
        inset.set_title(rf"$P_\mathrm{{SI}}$ > {min_p_si:g}: {len(best):,}", fontsize=8)
        inset.tick_params(labelsize=7)
        _integer_counts(inset)
        _against_distance(right, table, min_p_si)
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower left", ncols=2)
    return figure


def map_figure(table: pd.DataFrame, known: np.ndarray, labels: np.ndarray) -> Figure:
    """Draw candidates and training compounds in the first two components of the mean vectors.

    Parameters
    ----------
    table : pandas.DataFrame
        With pc1, pc2 and passes.
    known : numpy.ndarray
        Shape (k, 2): the training compounds.
    labels : numpy.ndarray
        Shape (k,): their classes.
    """
    import matplotlib.pyplot as plt

    with drawing():
        figure, axes = plt.subplots(figsize=(6.6, 5.0))
        x, y = table["pc1"].to_numpy(float), table["pc2"].to_numpy(float)
        _cloud(axes, x, y, "screened")
        for value, marker, colour, name in (
            (0, "x", RED, "training, not superionic"),
            (1, "o", GREEN, "training, superionic"),
        ):
            own = known[labels == value]
            look: dict[str, Any] = {"edgecolors": "white", "lw": 0.4} if marker == "o" else {}
            axes.scatter(own[:, 0], own[:, 1], s=15, marker=marker, color=colour, zorder=3,
                         label=f"{name} ({len(own)})", **look)  # fmt: skip
        best, name = _best(table)
        axes.scatter(x[best], y[best], s=26, facecolors="none", edgecolors="black", lw=0.8,
                     zorder=4, label=name)  # fmt: skip
        _limits(axes, np.append(x, known[:, 0]), np.append(y, known[:, 1]))
        axes.set(xlabel="first component", ylabel="second component")
        axes.set_title("mean atom vectors, principal components of the training set", loc="left")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _best(table: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Return the rows of the best candidates, and what a legend calls them."""
    passing = np.flatnonzero(table["passes"].to_numpy(bool))
    order = np.argsort(-table["p_si"].to_numpy(float)[passing], kind="stable")
    best = passing[order[:MOST_CIRCLES]]
    if len(best) == len(passing):
        return best, f"candidates ({len(passing):,})"
    return best, f"best {len(best):,} of {len(passing):,} candidates"


def _histogram(axes: Axes, table: pd.DataFrame, edges: np.ndarray, labelled: bool) -> None:
    """Stack disordered on ordered structures."""
    ordered, p_si = table["ordered"].to_numpy(bool), table["p_si"].to_numpy(float)
    height = np.zeros(len(edges) - 1)
    for part, colour, name in ((ordered, BLUE, "ordered"), (~ordered, ORANGE, "disordered")):
        counts, _ = np.histogram(p_si[part], edges)
        label = f"{name} ({int(part.sum()):,})" if labelled else None
        axes.bar(edges[:-1], counts, np.diff(edges), height, align="edge", color=colour,
                 edgecolor="white", lw=0.4, label=label)  # fmt: skip
        height += counts
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(height.max(initial=0) * 1.08, 1))


def _make_room(axes: Axes, table: pd.DataFrame, inset: tuple[float, float, float, float]) -> None:
    """Raise the axis until no bar reaches into the inset, which also covers its own labels."""
    left, bottom, width, _ = inset
    counts, edges = np.histogram(table["p_si"], np.linspace(0, 1, BINS + 1))
    below = counts[(edges[1:] > left - 0.1) & (edges[:-1] < left + width)]
    top = max(axes.get_ylim()[1], below.max(initial=0) / (bottom - 0.12))
    axes.set_ylim(0, top)


def _integer_counts(axes: Axes) -> None:
    axes.locator_params(axis="y", integer=True, nbins=4)


def _against_distance(axes: Axes, table: pd.DataFrame, min_p_si: float) -> None:
    x, y = table["d_training"].to_numpy(float), table["p_si"].to_numpy(float)
    _cloud(axes, x, y, None)
    passing = table["passes"].to_numpy(bool)
    axes.scatter(x[passing], y[passing], s=12, color=ORANGE, edgecolors="white", lw=0.3, zorder=3,
                 label=f"pass every filter ({int(passing.sum()):,})")  # fmt: skip
    axes.axhline(min_p_si, color="0.4", lw=0.8, ls="--")
    _limits(axes, x, None)
    axes.set(xlabel=r"$d_\mathrm{training}$", ylabel=r"$P_\mathrm{SI}$", ylim=(-0.02, 1.02))
    axes.set_title("(b) against the distance to the training set", loc="left")
    if passing.any():
        axes.legend(loc="upper right")


def _cloud(axes: Axes, x: np.ndarray, y: np.ndarray, name: str | None) -> None:
    """Draw points, or hexagons coloured by their number where there are too many."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    if len(x) <= MOST_POINTS:
        label = f"{name} ({len(x):,})" if name else None
        axes.scatter(x, y, s=6, color=LIGHT, lw=0, alpha=0.7, rasterized=True, label=label)
        return
    inside = _between(x) & _between(y)
    # from a blue that is seen on white, for single structures
    colours = ListedColormap(colormaps[COUNT_COLOURS](np.linspace(0.25, 1, 256)))
    cells = axes.hexbin(x[inside], y[inside], gridsize=HEXAGONS, bins="log", mincnt=1, lw=0.1,
                        cmap=colours, rasterized=True)  # fmt: skip
    bar = axes.figure.colorbar(cells, ax=axes, shrink=0.7, pad=0.02)
    bar.set_label("structures", fontsize=8)
    if name:
        axes.scatter([], [], marker="h", color=LIGHT, label=f"{name} ({len(x):,})")


def _limits(axes: Axes, x: np.ndarray, y: np.ndarray | None) -> None:
    """Cut the axes to where all but a few points in ten thousand are, and say how many are not."""
    outside = np.zeros(len(x), dtype=bool)
    for values, change in ((x, axes.set_xlim), (y, axes.set_ylim)):
        if values is None or not len(values):
            continue
        low, high = _range(values)
        margin = 0.04 * (high - low) or 1.0
        change(low - margin, high + margin)
        outside |= (values < low - margin) | (values > high + margin)
    if outside.any():
        text = f"{int(outside.sum())} beyond the axes"
        axes.annotate(text, (0.01, 0.01), xycoords="axes fraction", fontsize=7, color=GREY)


def _between(values: np.ndarray) -> np.ndarray:
    low, high = _range(values)
    return (values >= low) & (values <= high)


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the axis: the extremes, or quantiles where outliers would squeeze all."""
    low, high = np.quantile(values, (0.0005, 0.9995))
    spread = high - low
    least, most = float(values.min()), float(values.max())
    return (
        least if least > low - 0.5 * spread else float(low),
        most if most < high + 0.5 * spread else float(high),
    )
