"""Fig. 1 of the study: conductivities, elements and symmetry of a database.

Draws from a `Database` and returns the figure; saving is the caller's business.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sie.datasets.record import SUPERIONIC_SIGMA_S_PER_CM, Database
from sie.datasets.summary import element_counts
from sie.reporting.style import BLUE, GREEN, GREY, ORANGE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIGHT_GREY = "#d0d0d0"
MOST_ELEMENTS = 26
MOST_SPACE_GROUPS = 8
MOST_BINS = 40
HATCH = "/////"
HEADROOM = 1.2
"""Leaves a line above the highest bar for the names of the two sides of the boundary."""

SYSTEMS: Mapping[str, range] = {
    "triclinic": range(1, 3),
    "monoclinic": range(3, 16),
    "orthorhombic": range(16, 75),
    "tetragonal": range(75, 143),
    "trigonal": range(143, 168),
    "hexagonal": range(168, 195),
    "cubic": range(195, 231),
}
"""Space group numbers of each crystal system (International Tables for Crystallography A)."""


def dataset_overview(database: Database) -> Figure:
    """Draw the distribution of conductivity, the prevalence of elements, and the symmetries.

    Parameters
    ----------
    database : Database
        Any dataset; entries with a class only are counted beside the distribution.
    """
    import matplotlib.pyplot as plt

    with drawing():
        figure, axes = plt.subplot_mosaic(
            [["sigma", "systems"], ["elements", "groups"]],
            figsize=(9.4, 5.6),
            width_ratios=(1.9, 1),
        )
        _conductivities(axes["sigma"], database.table)
        axes["sigma"].set_title(f"{database.name}, {len(database)} entries", loc="left")
        _crystal_systems(axes["systems"], database.table)
        _elements(axes["elements"], database)
        _space_groups(axes["groups"], database.table)
        for letter, name in zip("abcd", axes, strict=True):
            title = axes[name].get_title(loc="left")
            axes[name].set_title(f"({letter}) {title}", loc="left")
    return figure


def _conductivities(axes: Axes, table: pd.DataFrame) -> None:
    values, boundary = table["log10_sigma"].to_numpy(float), math.log10(SUPERIONIC_SIGMA_S_PER_CM)
    _histogram(axes, table, _edges(values[np.isfinite(values)], boundary))
    axes.axvline(boundary, color="black", lw=1.0, ls="--")
    positive = int(table["label"].sum())
    superionic = f"superionic: {positive} ({positive / len(table):.0%}) →"
    for text, side, aligned in ((superionic, 1, "left"), ("class boundary", -1, "right")):
        axes.annotate(
            text, (boundary, 1), xycoords=("data", "axes fraction"), xytext=(4 * side, -2),
            textcoords="offset points", ha=aligned, va="top", fontsize=8,
        )  # fmt: skip
    class_only = int(np.isnan(values).sum())
    note = f"; {class_only} with a class only are not shown" if class_only else ""
    axes.set(xlabel=r"$\log_{10}\,\sigma$ (S cm$^{-1}$) at room temperature" + note)
    axes.set(ylabel="entries")
    axes.locator_params(axis="y", integer=True)
    axes.legend(loc="upper left")


def _histogram(axes: Axes, table: pd.DataFrame, edges: np.ndarray) -> None:
    """Stack disordered on ordered entries, each part with its upper bounds hatched."""
    values, ordered = table["log10_sigma"].to_numpy(float), table["ordered"].to_numpy(bool)
    known, bound = np.isfinite(values), table["censored"].to_numpy(bool)
    height = np.zeros(len(edges) - 1)
    for part, colour, name in ((ordered, BLUE, "ordered"), (~ordered, ORANGE, "disordered")):
        solid: dict[str, Any] = {"facecolor": colour, "edgecolor": "white"}
        hatched: dict[str, Any] = {"facecolor": "white", "edgecolor": colour, "hatch": HATCH}
        for chosen, look in ((~bound, solid), (bound, hatched)):
            counts, _ = np.histogram(values[known & part & chosen], edges)
            axes.bar(edges[:-1], counts, np.diff(edges), height, align="edge", lw=0.5, **look)
            height += counts
        axes.bar(0, 0, color=colour, label=f"{name} ({int((known & part).sum())})")
    if n_bounds := int((bound & known).sum()):
        label = f"upper bound ({n_bounds})"
        axes.bar(0, 0, facecolor="white", edgecolor=GREY, hatch=HATCH, lw=0.5, label=label)
    axes.set_ylim(0, max(height.max() * HEADROOM, 1))
    axes.set_xlim(edges[0] - 0.5, edges[-1] + 0.5)


def _edges(values: np.ndarray, boundary: float) -> np.ndarray:
    """Return bin edges of half a decade or a multiple of it, one of them on the boundary."""
    low = min(values.min(initial=boundary), boundary)
    high = max(values.max(initial=boundary), boundary)
    width = 0.5
    while (high - low) / width > MOST_BINS:
        width *= 2
    below = math.ceil((boundary - low) / width + 1e-9)
    above = math.floor((high - boundary) / width + 1e-9) + 1
    return boundary + width * np.arange(-max(below, 1), above + 1)


def _crystal_systems(axes: Axes, table: pd.DataFrame) -> None:
    numbers = table["space_group"].to_numpy(int)
    inside = {name: np.isin(numbers, list(members)) for name, members in SYSTEMS.items()}
    kinds = [len(set(numbers[own])) for own in inside.values()]
    _class_bars(axes, list(inside), list(inside.values()), table, [f"({n})" for n in kinds])
    axes.set_title("Crystal systems (space groups)", loc="left")


def _space_groups(axes: Axes, table: pd.DataFrame) -> None:
    counts = table["space_group"].value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_SPACE_GROUPS]
    inside = [table["space_group"].to_numpy() == number for number, _ in ranked]
    names = [f"{_symbol(int(number))} ({number})" for number, _ in ranked]
    _class_bars(axes, names, inside, table)
    some = f"{len(ranked)} of " if len(ranked) < len(counts) else ""
    axes.set_title(f"Space groups, {some}{len(counts)}", loc="left")


def _class_bars(
    axes: Axes,
    names: Sequence[str],
    inside: Sequence[np.ndarray],
    table: pd.DataFrame,
    notes: Sequence[str] = (),
) -> None:
    """Draw horizontal bars from the top, split by class."""
    positive = table["label"].to_numpy(int) == 1
    yes = np.array([int((own & positive).sum()) for own in inside])
    total = np.array([int(own.sum()) for own in inside])
    places = np.arange(len(names))
    axes.barh(places, yes, 0.75, color=GREEN, label="superionic")
    axes.barh(places, total - yes, 0.75, yes, color=LIGHT_GREY, label="not superionic")
    for place, end, note in zip(places, total, notes, strict=False):
        axes.annotate(note, (end, place), xytext=(3, 0), fontsize=7.5,
                      textcoords="offset points", va="center", color="#444444")  # fmt: skip
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, max(total.max(initial=1) * 1.12, 1))
    axes.locator_params(axis="x", integer=True)
    axes.set(xlabel="entries")


def _elements(axes: Axes, database: Database) -> None:
    counts = {k: v for k, v in element_counts(database).items() if k != "Li"}
    positive = [entry for entry, label in zip(database.ids, database.labels, strict=True) if label]
    superionic = element_counts(database, positive)
    shown = list(counts)[:MOST_ELEMENTS]
    share = 100 / len(database)
    yes = np.array([superionic.get(symbol, 0) for symbol in shown], float) * share
    total = np.array([counts[symbol] for symbol in shown], float) * share
    places = np.arange(len(shown))
    axes.bar(places, yes, 0.75, color=GREEN, label="superionic")
    axes.bar(places, total - yes, 0.75, yes, color=LIGHT_GREY, label="not superionic")
    axes.set_xticks(places, shown, fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.7, max(len(shown), 1) - 0.3)
    some = f"{len(shown)} of " if len(shown) < len(counts) else ""
    axes.set_title(f"Elements besides Li, {some}{len(counts)}", loc="left")
    axes.set(ylabel="% of entries with it")
    axes.legend(loc="upper right", title="panels (b) to (d)", alignment="left")


def _symbol(number: int) -> str:
    """Return the short Hermann-Mauguin symbol of a space group, as mathtext."""
    from pymatgen.symmetry.groups import sg_symbol_from_int_number
    from pymatgen.util.string import latexify_spacegroup

    symbol = sg_symbol_from_int_number(number, hexagonal=False)
    if number in SYSTEMS["monoclinic"]:
        symbol = re.sub(r"^([A-Z])1(.+)1$", r"\1\2", symbol)  # P12_1/c1 is P2_1/c in full
    return str(latexify_spacegroup(symbol))
