"""What every plotly figure of the report shares: its look, and its way into the page.

Style and markup only; what is drawn is in `curves`, `parameter_plots` and `splits_map`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.reporting.style import CYCLE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
INK, GRID = "#1a1a1a", "#e4e4e4"
HEIGHT = 380
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg"},
}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "x")
_DARKER = {"#e69f00": "#b37700", "#56b4e9": "#2f86c1", "#f0e442": "#948a00"}
"""Shades of the palette that thin marks and lines need to be seen on white (3:1 and more)."""
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Plot:
    """A figure with its words.

    Attributes
    ----------
    figure : plotly.graph_objects.Figure
        What is drawn.
    title : str
        Heading above it; empty for none.
    alt : str
        What it shows, for those who cannot see it.
    caption : str
        What a reader must know, below it.
    wide : bool
        Whether it takes the whole width.
    least_width : int
        Pixels that it needs; on a narrower screen it scrolls by itself.
    """

    figure: Figure
    title: str
    alt: str
    caption: str = ""
    wide: bool = False
    least_width: int = 0


def new_figure(height: int = HEIGHT, **layout: Any) -> Figure:
    """Return an empty figure in the report's look; `layout` as plotly names it."""
    from plotly.graph_objects import Figure

    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": INK,
        "ticks": "outside",
        "automargin": True,
        "title": {"standoff": 8},
    }
    figure = Figure()
    figure.update_layout(
        template="none",
        height=height,
        font={"family": FONT, "size": 13, "color": INK},
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        hoverlabel={"font": {"family": FONT, "size": 13}},
        # a finger that scrolls the page must not draw a zoom box
        dragmode=False,
        xaxis=axis,
        yaxis=axis,
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
    )
    return figure.update_layout(**layout)


def colour(number: int) -> str:
    """Return the colour of a cluster, the same in every figure."""
    shade = CYCLE[number % len(CYCLE)]
    return _DARKER.get(shade, shade)


def symbol(number: int) -> str:
    """Return the mark of a cluster, for those who do not see its colour."""
    return SYMBOLS[number % len(SYMBOLS)]


def dash(number: int) -> str:
    """Return the dash of a cluster's line."""
    return DASHES[number // len(CYCLE) % len(DASHES)]


def rounded(values: Iterable[float], digits: int = 4) -> list[float | None]:
    """Return values as a short list for the page; what is not finite becomes a gap."""
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]


def jitter(n: int, width: float, seed: int = 0) -> np.ndarray:
    """Return small shifts that keep equal values apart, the same on every run, shape (n,)."""
    return np.random.default_rng(seed).uniform(-width, width, n)


def plot_html(plot: Plot, name: str) -> str:
    """Return a figure as HTML; the page must hold plotly.js before it.

    Parameters
    ----------
    plot : Plot
        The figure and its words.
    name : str
        Unique within the page.
    """
    drawn = plot.figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG, default_width="100%"
    )
    drawn = re.sub(r"\s*\n\s*", " ", drawn)
    heading = f"<h3>{escape(plot.title)}</h3>\n" if plot.title else ""
    kind = "plot wide" if plot.wide else "plot"
    caption = f"<figcaption>{escape(plot.caption)}</figcaption>\n" if plot.caption else ""
    alt = escape(plot.alt, quote=True)
    image = f'<div role="img" aria-label="{alt}">{drawn}</div>\n'
    if plot.least_width:
        image = (
            '<div class="scroll" tabindex="0" role="region" aria-label="plot, scrolls sideways">\n'
            f'<div style="min-width:{plot.least_width}px">\n{image}</div>\n</div>\n'
        )
    return f'<figure class="{kind}">\n{heading}{image}{caption}</figure>\n'


def plotly_source() -> str:
    """Return plotly.js as one script element."""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>\n"
