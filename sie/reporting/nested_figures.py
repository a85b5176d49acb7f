"""Figures of a nested estimate: reliability before and after calibration, coverage by cluster.

Each function draws one figure from a table and returns it; saving is the caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sie.reporting.style import BLUE, GREEN, GREY, ORANGE, drawing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CALIBRATION_TITLES = {"none": "as predicted", "Platt": "Platt", "isotonic": "isotonic"}

_PROTOCOLS = {
    "left-out clusters": (BLUE, "o"),
    "random parts": (ORANGE, "s"),
    "random folds": (GREEN, "D"),
}
_ENDS = ("", "_low", "_high")
_CLASSES = {"coverage_0": ("not superionic", GREY, "s"), "coverage_1": ("superionic", ORANGE, "o")}


def reliability(table: pd.DataFrame, system: str) -> Figure:
    """Draw the superionic share against the probability, before and after calibration.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `sie.nested.calibrated.reliability_rows`, of any protocols and systems.
    system : str
        Which of them.
    """
    import matplotlib.pyplot as plt

    own = table[table["system"] == system]
    with drawing():
        figure, panels = plt.subplots(
            1, len(CALIBRATION_TITLES), figsize=(8.2, 3.4), sharex=True, sharey=True
        )
        for axes, (calibration, title) in zip(panels, CALIBRATION_TITLES.items(), strict=True):
            axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="perfect")
            for protocol in _known(own["protocol"]):
                here = (own["protocol"] == protocol) & (own["calibration"] == calibration)
                # uncalibrated, random parts of predictions are the predictions themselves
                if (calibration, protocol) != ("none", "random parts"):
                    _reliability_line(axes, own[here], protocol)
            axes.set_title(title, loc="left")
            axes.set_xlabel(r"mean P$_{\mathrm{SI}}$ of a bin")
            axes.set_xlim(-0.03, 1.03)
            axes.set_ylim(-0.03, 1.03)
        panels[0].set_ylabel("superionic share")
        figure.suptitle(
            f"{system}: bins equally full; bar: 95 % interval (Wilson)",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip
        handles, labels = panels[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def coverage_by_group(table: pd.DataFrame, system: str) -> Figure:
    """Draw the coverage of conformal sets on every left-out cluster, on all, and without shift.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `sie.nested.covered`, of any protocols, systems and confidences.
    system : str
        Which of the systems.
    """
    import matplotlib.pyplot as plt

    own = table[table["system"] == system]
    confidences = sorted(own["confidence"].unique())
    with drawing():
        figure, panels = plt.subplots(
            len(confidences), 1, figsize=(7.4, 2.5 * len(confidences)), sharex=True, squeeze=False
        )
        for axes, confidence in zip(panels[:, 0], confidences, strict=True):
            rows = _places(own[own["confidence"] == confidence])
            _coverages(axes, rows)
            axes.axhline(confidence, color="0.3", lw=0.9, ls="--", label="promised")
            axes.set_ylabel(f"covered, {100 * confidence:g} % promised")
            axes.set_ylim(-0.04, 1.04)
            axes.set_xlim(-0.5, len(rows) - 0.5)
        last = panels[-1, 0]
        last.set_xticks(range(len(rows)), [name for name, _ in rows])
        last.set_xlabel("left-out cluster; together; without shift (entries / superionic)")
        figure.suptitle(
            f"{system}: share of structures whose class is in their set\n"
            "bar: 95 % interval; number above: mean classes in a set",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip
        handles, labels = last.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _known(protocols: pd.Series) -> list[str]:
    return [name for name in _PROTOCOLS if (protocols == name).any()]


def _reliability_line(axes: Axes, rows: pd.DataFrame, protocol: str) -> None:
    colour, marker = _PROTOCOLS[protocol]
    bars = np.stack([rows["observed"] - rows["low"], rows["high"] - rows["observed"]])
    axes.errorbar(
        rows["predicted"],
        rows["observed"],
        np.clip(bars, 0, None),
        fmt=f"{marker}-",
        ms=4,
        lw=1.1,
        elinewidth=0.7,
        capsize=1.5,
        color=colour,
        label=protocol,
    )


def _places(rows: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """Return name and row of every place from left to right."""
    clusters = rows[rows["protocol"] == "left-out clusters"]
    places = [(_counts(str(row["group"]), row), row) for _, row in clusters.iterrows()]
    for protocol in ("random parts", "random folds"):
        here = rows[(rows["protocol"] == protocol) & (rows["group"] == "all")]
        places += [(_counts(protocol.replace(" ", "\n"), row), row) for _, row in here.iterrows()]
    return places


def _counts(name: str, row: pd.Series) -> str:
    return f"{name}\n{row['entries']} / {row['positives']}"


def _coverages(axes: Axes, places: Sequence[tuple[str, pd.Series]]) -> None:
    for i, (column, (name, colour, marker)) in enumerate(_CLASSES.items()):
        values = np.array([[row[f"{column}{end}"] for _, row in places] for end in _ENDS], float)
        middle, low, high = values
        bars = np.clip(np.stack([middle - low, high - middle]), 0, None)
        x = np.arange(len(places)) + 0.2 * (i - 0.5)
        axes.errorbar(
            x, middle, bars, fmt=marker, ms=5, color=colour, lw=1.1, capsize=2, label=name
        )
    for place, (_, row) in enumerate(places):
        axes.annotate(
            f"{row['mean_size']:.2f}",
            (place, 1.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
            color="0.4",
        )
    for edge in range(1, len(places)):
        axes.axvline(edge - 0.5, color="0.92", lw=0.6, zorder=0)
