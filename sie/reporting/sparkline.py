"""A curve in one line of characters, for terminals.

Pure text; which curves are shown where is decided in `live`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"
"""Where the terminal's encoding has no blocks."""


def sparkline(
    values: Sequence[float], low: float, high: float, width: int = 24, marks: str = BLOCKS
) -> str:
    """Return a curve as at most `width` characters, each the mean of its share of the values.

    Parameters
    ----------
    values : sequence of float
        The curve; values that are no number leave a gap.
    low, high : float
        What the lowest and the highest mark stand for; values beyond them are cut off.
    width : int
        Most characters.
    marks : str
        From low to high.
    """
    n = min(width, len(values))
    means = (_mean(values[len(values) * i // n : len(values) * (i + 1) // n]) for i in range(n))
    return "".join(_mark(mean, low, high, marks) for mean in means)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _mark(value: float, low: float, high: float, marks: str) -> str:
    if not math.isfinite(value):
        return " "
    share = (value - low) / (high - low) if high > low else 0.5
    return marks[min(max(int(share * len(marks)), 0), len(marks) - 1)]
