"""Figures of a test evaluation: P_SI against conductivity (Fig. 6), calibration, confusion.

Each function draws one figure from a record and returns it; saving is the caller's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sie.evaluation.intervals import wilson
from sie.evaluation.record import EvaluationRecord, Predictions
from sie.evaluation.scores import SCORES, calibration, confusion, predicted_classes
from sie.evaluation.tables import LOG10_SIGMA_BOUNDARY
from sie.reporting.style import BLUE, GREY, ORANGE, RED, drawing
from sie.training.metrics import THRESHOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = "viridis_r"
N_NAMED = 8
"""Misclassified structures that Fig. 6 names, the surest first."""

NAME_ROOM = 2.2, 0.05
"""Decades of conductivity and P_SI that a name takes; one that would overlap is left out."""

RIGHT_SHARE = 0.4
"""Least width of the superionic side beside the other, so that counts and names fit."""

_SHOWN_SCORES = ("auc_pr", "mcc", "roc_auc", "brier")


def probability_against_conductivity(record: EvaluationRecord) -> Figure | None:
    """Draw P_SI against log10 sigma, coloured by the spread over members (Fig. 6).

    Upper bounds are hollow with an arrow towards lower conductivities. Entries of which only the
    class is known have no place; None where there are no others.
    """
    import matplotlib.pyplot as plt

    found = record.predictions
    known = np.isfinite(found.log10_sigma)
    if not known.any():
        return None
    with drawing():
        figure, axes = plt.subplots(figsize=(6.4, 4.4))
        norm = plt.Normalize(0, max(float(found.sd.max()), 1e-9))
        colours = plt.get_cmap(COLOURS)(norm(found.sd))
        _boundaries(axes, found)
        _points(axes, found, known & ~found.censored, colours)
        _bounds(axes, found, known & found.censored, colours)
        _names(axes, found, known)
        axes.set_xlabel(r"log$_{10}$ σ / S cm$^{-1}$, measured at room temperature")
        axes.set_ylabel(r"P$_{\mathrm{SI}}$")
        axes.set_ylim(-0.12, 1.12)  # with room for the counts
        axes.set_yticks(np.linspace(0, 1, 6))
        left, right = axes.get_xlim()
        room = RIGHT_SHARE * (LOG10_SIGMA_BOUNDARY - left)
        axes.set_xlim(left, max(right, LOG10_SIGMA_BOUNDARY + room))
        left_out = f"; {int((~known).sum())} with a class only not shown" if (~known).any() else ""
        axes.set_title(f"{_title(record)}{left_out}", loc="left")
        scale = plt.cm.ScalarMappable(norm=norm, cmap=COLOURS)
        figure.colorbar(scale, ax=axes, label="standard deviation over members", pad=0.02)
        handles, _ = axes.get_legend_handles_labels()
        if handles:
            figure.legend(loc="outside lower center", ncols=len(handles))
    return figure


def calibration_curve(record: EvaluationRecord) -> Figure:
    """Draw the share of superionic structures against P_SI, with the number behind each point."""
    import matplotlib.pyplot as plt

    found = record.predictions
    curve = calibration(found.labels, found.p_si)
    full = curve.counts > 0
    with drawing():
        figure, (upper, lower) = plt.subplots(
            2, 1, figsize=(4.4, 5.0), sharex=True, height_ratios=(3, 1)
        )
        upper.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="perfect")
        half = _binomial_half_width(curve.observed[full], curve.counts[full])
        upper.errorbar(
            curve.predicted[full],
            curve.observed[full],
            half,
            fmt="o-",
            ms=5,
            color=BLUE,
            lw=1.2,
            capsize=2,
            label="ensemble, 95 % interval (Wilson)",
        )
        for x, y, n in zip(
            curve.predicted[full], curve.observed[full], curve.counts[full], strict=True
        ):
            upper.annotate(str(n), (x, y), (6, -3), textcoords="offset points", va="top")
        upper.set_ylabel("superionic share")
        upper.set_ylim(-0.04, 1.04)
        upper.legend(loc="upper left")
        upper.set_title(f"{_title(record)}\nnumbers: structures in a bin", loc="left")
        for label, colour in ((0, GREY), (1, ORANGE)):
            own = found.p_si[found.labels == label]
            name = "superionic" if label else "not superionic"
            lower.hist(own, curve.edges, histtype="step", color=colour, lw=1.4, label=name)
        lower.set_ylabel("structures")
        lower.set_xlabel(r"P$_{\mathrm{SI}}$")
        lower.set_xlim(-0.02, 1.02)
        lower.legend(loc="upper right")
    return figure


def confusion_matrix(record: EvaluationRecord) -> Figure:
    """Draw the counts of predicted against measured class, coloured by the share of a row."""
    import matplotlib.pyplot as plt

    found = record.predictions
    counts = confusion(found.labels, found.p_si)
    matrix = np.array(
        [
            [counts.true_negative, counts.false_positive],
            [counts.false_negative, counts.true_positive],
        ]
    )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names = ("not superionic", "superionic")
    with drawing():
        figure, axes = plt.subplots(figsize=(3.8, 3.4))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), n in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.6 else "black"
            text = f"{n}\n{shares[row, column]:.0%}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        axes.set_xticks((0, 1), names)
        axes.set_yticks((0, 1), names, rotation=90, va="center")
        axes.set_xlabel(f"predicted (P$_{{\\mathrm{{SI}}}}$ > {THRESHOLD:g})")
        axes.set_ylabel("measured")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title(_title(record), loc="left")
    return figure


def score_comparison(record: EvaluationRecord) -> Figure:
    """Draw four scores of every system with their 95 % intervals, the ensemble on top."""
    import matplotlib.pyplot as plt

    names = [item.name for item in record.systems]
    colours = {"ensemble": ORANGE, "baseline": GREY, "control": RED}
    with drawing():
        figure, panels = plt.subplots(
            1, len(_SHOWN_SCORES), figsize=(8.6, 1.3 + 0.24 * len(names)), sharey=True
        )
        for axes, score in zip(panels, _SHOWN_SCORES, strict=True):
            for place, item in enumerate(record.systems):
                found = item.scores[score]
                colour = colours[item.kind]
                if np.isfinite(found.low):
                    axes.hlines(-place, found.low, found.high, color=colour, lw=1.4)
                axes.scatter([found.value], [-place], s=22, color=colour, zorder=3)
            axes.axvline(record.ensemble.scores[score].value, color=ORANGE, lw=0.6, ls=":")
            axes.set_xlabel(SCORES[score] + (" (less is better)" if score == "brier" else ""))
            axes.grid(axis="y", lw=0.3, color="0.9")
        panels[0].set_yticks([-i for i in range(len(names))], names)
        figure.suptitle(_title(record), x=0.01, ha="left", fontsize=10)
    return figure


def _title(record: EvaluationRecord) -> str:
    n = len(record.predictions)
    return f"{record.about['dataset']} test set: {n} structures, scored once"


def _boundaries(axes: Axes, found: Predictions) -> None:
    axes.axvline(LOG10_SIGMA_BOUNDARY, color="0.4", lw=0.8, ls="--")
    axes.axhline(THRESHOLD, color="0.4", lw=0.8, ls="--")
    counts = confusion(found.labels, found.p_si)
    corners = (
        (0.01, 0.01, f"{counts.true_negative} true negatives"),
        (0.01, 0.99, f"{counts.false_positive} false positives"),
        (0.99, 0.01, f"{counts.false_negative} false negatives"),
        (0.99, 0.99, f"{counts.true_positive} true positives"),
    )
    for x, y, text in corners:
        across, along = "left" if x < 0.5 else "right", "bottom" if y < 0.5 else "top"
        axes.text(
            x, y, text, transform=axes.transAxes, color="0.4", fontsize=8, ha=across, va=along
        )


def _points(axes: Axes, found: Predictions, chosen: np.ndarray, colours: np.ndarray) -> None:
    if chosen.any():
        axes.scatter(
            found.log10_sigma[chosen],
            found.p_si[chosen],
            s=30,
            c=colours[chosen],
            edgecolors="0.2",
            lw=0.5,
            zorder=3,
            label="measured",
        )


def _bounds(axes: Axes, found: Predictions, chosen: np.ndarray, colours: np.ndarray) -> None:
    if not chosen.any():
        return
    x, y = found.log10_sigma[chosen], found.p_si[chosen]
    axes.scatter(
        x, y, s=30, facecolors="none", edgecolors=colours[chosen], lw=1.4, label="upper bound"
    )
    for place, height, colour in zip(x, y, colours[chosen], strict=True):
        arrow = {"arrowstyle": "<-", "color": colour, "lw": 1.1, "shrinkA": 0, "shrinkB": 3}
        axes.annotate("", (place, height), (-16, 0), textcoords="offset points", arrowprops=arrow)


def _names(axes: Axes, found: Predictions, known: np.ndarray) -> None:
    """Name the surest mistakes, away from the boundary."""
    wrong = np.flatnonzero(known & (predicted_classes(found.p_si) != found.labels))
    named: list[tuple[float, float]] = []
    for i in wrong[np.argsort(-np.abs(found.p_si[wrong] - THRESHOLD))]:
        x, y = float(found.log10_sigma[i]), float(found.p_si[i])
        taken = any(abs(x - u) < NAME_ROOM[0] and abs(y - v) < NAME_ROOM[1] for u, v in named)
        if taken or len(named) == N_NAMED:
            continue
        named.append((x, y))
        right = x > LOG10_SIGMA_BOUNDARY
        offset, side = ((6, -2), "left") if right else ((-6, -2), "right")
        axes.annotate(
            found.formulas[i], (x, y), offset, textcoords="offset points", fontsize=6, ha=side
        )


def _binomial_half_width(share: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the distances to Wilson's 95 % interval of a share, shape (2, n)."""
    low, high = wilson(share * counts, counts)
    return np.clip(np.stack([share - low, high - share]), 0, None)
