"""One look for every figure: sizes, colours that colour-blind readers can tell apart.

Style only; figures live beside this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

BLUE, ORANGE, GREEN, RED, PURPLE, BROWN, PINK, GREY = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#7b4ea3",
    "#8c6d31",
    "#cc79a7",
    "#7f7f7f",
)
"""Okabe and Ito's palette, with a purple, a brown and a grey for categories beyond it."""

CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, BROWN, PINK, GREY, "#56b4e9", "#f0e442")

STATUS_COLOURS = {
    "completed": GREEN,
    "early_stopped": BLUE,
    "stopped_by_scheduler": GREY,
    "diverged": RED,
    "failed": RED,
    "timed_out": ORANGE,
    "interrupted": ORANGE,
}

_SETTINGS = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the style and a backend that needs no screen, for the figures drawn inside."""
    import matplotlib as mpl

    mpl.use("Agg", force=False)
    with mpl.rc_context(_SETTINGS):
        yield
