"""The ordered comparison: learning curves on ordered cells beside those on weighted embeddings.

Draws from arrays and returns the figure; training and saving are the caller's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from sie.reporting.style import BLUE, CYCLE, GREY, ORANGE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {"auc_pr": "validation AUC-PR", "mcc": "validation MCC"}
"""Metrics that are drawn, with their axis labels."""

CURVE_COLOURS = (ORANGE, BLUE, *(colour for colour in CYCLE if colour not in (ORANGE, BLUE, GREY)))
CONTROL_LINES = ((GREY, 1.8, (0, (5, 2))), ("black", 1.0, (0, (1, 2))), (GREY, 1.0, "-."))
"""Colour, width and dashes; controls nearly coincide, so that each must show through the next."""

CONFIDENCE = 0.95


class Band(StrEnum):
    """What the band around a mean curve shows."""

    SD = "sd"
    """Standard deviation over runs."""

    CI95 = "95 % CI"
    """Confidence interval of the mean (Student's t), as if runs were independent; seeds of one
    fold are not, so average them first to have it over folds."""


@dataclass(frozen=True)
class ComparedCurves:
    """Learning curves of one kind of feature.

    Attributes
    ----------
    name : str
        For the legend.
    epochs : numpy.ndarray
        Shape (n_epochs,).
    values : Mapping[str, numpy.ndarray]
        By metric (`PANELS`), shape (n_runs, n_epochs): a run is a fold, or a fold and a seed. NaN
        where a run has ended before; the mean is then over the others, and may jump.
    """

    name: str
    epochs: np.ndarray
    values: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for metric in PANELS:
            shape = np.shape(self.values[metric])
            if len(shape) != 2 or shape[0] < 1 or shape[1] != len(self.epochs):
                raise ValueError(
                    f"{self.name}: {metric} has shape {shape}, not (n_runs, {len(self.epochs)})"
                )


@dataclass(frozen=True)
class ControlLevel:
    """What a control reaches, by metric (`PANELS`); drawn as a horizontal line."""

    name: str
    values: Mapping[str, float]


def ordered_comparison(
    curves: Sequence[ComparedCurves],
    controls: Sequence[ControlLevel] = (),
    band: Band = Band.CI95,
) -> Figure:
    """Draw validation AUC-PR and MCC by epoch: the mean over runs, a band, and the controls.

    Parameters
    ----------
    curves : sequence of ComparedCurves
        Ordered cells and weighted embeddings, in the order of the legend.
    controls : sequence of ControlLevel
        The mean and the shuffled control.
    band : Band
        What the bands show.

    References
    ----------
    10.1039/d5dd00052a, Fig. 2.
    """
    import matplotlib.pyplot as plt

    with drawing():
        figure, panels = plt.subplots(1, len(PANELS), figsize=(7.2, 3.2), sharex=True)
        for axes, (metric, label) in zip(panels, PANELS.items(), strict=True):
            for item, colour in zip(curves, cycle(CURVE_COLOURS), strict=False):
                _curve(axes, item, metric, band, colour)
            for level, (colour, width, dashes) in zip(controls, cycle(CONTROL_LINES), strict=False):
                height = level.values[metric]
                axes.axhline(height, color=colour, lw=width, ls=dashes, label=level.name)
            axes.set(xlabel="epoch", ylabel=label)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def mean_and_band(values: np.ndarray, band: Band) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over runs and the half width of the band, each of shape (n_epochs,).

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n_runs, n_epochs); NaN is left out. Where fewer than two runs are left the half
        width is 0, where none is left both are NaN.
    """
    from scipy.stats import t

    present = np.isfinite(values)
    runs = present.sum(axis=0)
    means = np.divide(
        np.where(present, values, 0.0).sum(axis=0), runs, np.full(len(runs), np.nan), where=runs > 0
    )
    squares = (np.where(present, values - means, 0.0) ** 2).sum(axis=0)
    freedom = np.maximum(runs - 1, 1)
    half = np.sqrt(squares / freedom)
    if band is Band.CI95:
        half *= t.ppf(0.5 + CONFIDENCE / 2, freedom) / np.sqrt(np.maximum(runs, 1))
    return means, np.where(runs > 0, half, np.nan)


def _curve(axes: Axes, item: ComparedCurves, metric: str, band: Band, colour: str) -> None:
    values = np.asarray(item.values[metric], dtype=float)
    means, half = mean_and_band(values, band)
    axes.plot(item.epochs, means, color=colour, lw=1.5, label=f"{item.name} (mean, {band})")
    axes.fill_between(item.epochs, means - half, means + half, color=colour, alpha=0.2, lw=0)
