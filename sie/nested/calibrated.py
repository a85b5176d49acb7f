"""Tables of calibration: Brier score and calibration error before and after, on unseen groups.

From groups of `judged`; the fits are those of `sie.ensemble.calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from sie.ensemble.calibration import (
    Bins,
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
)
from sie.evaluation.bootstrap import resamples
from sie.evaluation.intervals import wilson
from sie.nested.judged import Judged
from sie.training.metrics import binary_metrics

CALIBRATIONS: Mapping[
    str, Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]] | None
]
CALIBRATIONS = {"none": None, "Platt": fit_platt, "isotonic": fit_isotonic}

ALL = "all"
"""The group of all structures together."""

N_BINS = 5
"""Of the calibration error; a cluster of tens of structures fills no more."""

N_RELIABILITY_BINS = 8
"""Of the reliability diagram of all structures, equally full."""

N_RESAMPLES = 1000


def calibrated(groups: Mapping[int, Judged], calibration: str) -> dict[int, np.ndarray]:
    """Return every group's probabilities, calibrated on what may be fitted on for it."""
    fit = CALIBRATIONS[calibration]
    return {
        number: g.probabilities
        if fit is None
        else fit(g.fit_labels, g.fit_probabilities)(g.probabilities)
        for number, g in groups.items()
    }


def calibration_rows(protocol: str, system: str, groups: Mapping[int, Judged]) -> pd.DataFrame:
    """Return scores before and after calibration for every group and for all structures.

    Returns
    -------
    pandas.DataFrame
        Columns protocol, system, calibration, group, entries, positives, observed (share of class
        1), predicted (mean probability), brier and ece (five bins of equal width) with low and high
        (95 % interval over structures within groups), ece_mass (five bins equally full), ece_chance
        (95th percentile of ece where labels are drawn from the probabilities), minus (Brier less
        the uncalibrated one) with low and high, mcc.
    """
    rows, plain = [], {}
    for calibration in CALIBRATIONS:
        after = calibrated(groups, calibration)
        draws = {n: resamples(len(g.labels), N_RESAMPLES, seed=n) for n, g in groups.items()}
        for group, members in _with_all(groups):
            y = np.concatenate([groups[n].labels for n in members])
            p = np.concatenate([after[n] for n in members])
            drawn = _joined([draws[n] for n in members])
            errors = (p - y) ** 2
            of_draws = errors[drawn].mean(axis=1)
            if calibration == "none":
                plain[group] = errors
            better = errors - plain[group]
            rows.append(
                {
                    "protocol": protocol,
                    "system": system,
                    "calibration": calibration,
                    "group": group,
                    "entries": len(y),
                    "positives": int(y.sum()),
                    "observed": y.mean(),
                    "predicted": p.mean(),
                    "brier": errors.mean(),
                    **_interval("brier", of_draws),
                    "ece": expected_calibration_error(y, p, n_bins=N_BINS),
                    **_interval("ece", np.array([_ece(y[d], p[d]) for d in drawn])),
                    "ece_mass": expected_calibration_error(y, p, Bins.EQUAL_MASS, N_BINS),
                    "ece_chance": _chance(p),
                    "minus": better.mean(),
                    **_interval("minus", better[drawn].mean(axis=1)),
                    "mcc": binary_metrics(y, p)["mcc"],
                }
            )
    return pd.DataFrame(rows)


def reliability_rows(protocol: str, system: str, groups: Mapping[int, Judged]) -> pd.DataFrame:
    """Return the reliability diagram of all structures, before and after calibration.

    Returns
    -------
    pandas.DataFrame
        Columns protocol, system, calibration, bin, entries, predicted (mean probability), observed
        (share of class 1) with low and high (Wilson's 95 % interval); bins equally full, and equal
        probabilities share one.
    """
    rows = []
    y = np.concatenate([g.labels for g in groups.values()])
    for calibration in CALIBRATIONS:
        p = np.concatenate(list(calibrated(groups, calibration).values()))
        edges = np.unique(np.quantile(p, np.linspace(0, 1, N_RELIABILITY_BINS + 1)[1:-1]))
        places = np.searchsorted(edges, p)
        for place in np.unique(places):
            own = places == place
            low, high = wilson(int(y[own].sum()), int(own.sum()))
            rows.append(
                {
                    "protocol": protocol,
                    "system": system,
                    "calibration": calibration,
                    "bin": int(place),
                    "entries": int(own.sum()),
                    "predicted": p[own].mean(),
                    "observed": y[own].mean(),
                    "low": float(low),
                    "high": float(high),
                }
            )
    return pd.DataFrame(rows)


def _with_all(groups: Mapping[int, Judged]) -> list[tuple[str, Sequence[int]]]:
    return [*((str(n), (n,)) for n in groups), (ALL, tuple(groups))]


def _joined(draws: Sequence[np.ndarray]) -> np.ndarray:
    """Return positions in groups put one after the other, drawn within each."""
    starts = np.cumsum([0, *(d.shape[1] for d in draws)])
    return np.concatenate([d + s for d, s in zip(draws, starts, strict=False)], axis=1)


def _ece(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return expected_calibration_error(labels, probabilities, n_bins=N_BINS)


def _chance(p: np.ndarray) -> float:
    """Return what a perfect calibration stays below 19 times of 20."""
    uniform = np.random.default_rng(0).random((N_RESAMPLES, len(p)))
    return float(np.percentile([_ece((u < p).astype(int), p) for u in uniform], 95))


def _interval(name: str, drawn: np.ndarray) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}
