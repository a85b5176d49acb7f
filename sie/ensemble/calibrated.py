"""An ensemble's calibration: fitted on what its recipe says of clusters that were left out.

Fits, checks and plain values; the trainings without a cluster are in `sie.ensemble.left_out`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sie.ensemble.calibration import (
    Calibrator,
    calibrator,
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
)
from sie.ensemble.conformal import (
    SETS,
    ConformalSets,
    Coverage,
    fit_conformal,
    left_out_coverage,
    pooled,
    set_names,
)
from sie.errors import InputError
from sie.training.metrics import binary_metrics

METHODS: Mapping[str, Callable[[np.ndarray, np.ndarray], Calibrator]] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}

COVERAGES = (0.8, 0.9)
"""Of the sets whose thresholds are kept, and which screening shows."""

SET_COLUMNS = ("set_80", "set_90")
"""What tables call them."""

SET_WORDS = dict(zip(SETS, ("neither", "not superionic", "superionic", "undecided"), strict=True))
"""What a conformal set says; undecided is the set of both classes."""

N_BINS = 5
"""Of the calibration error; hundreds of structures, most of one class, fill no more."""

NOTE = (
    "Configurations and epochs of the networks were chosen with these clusters as validation, so "
    "predictions for them are better than those for chemistry that had no part in the choice: "
    "calibration error and coverage are optimistic."
)


@dataclass(frozen=True)
class LeftOutPredictions:
    """What a recipe says of development entries whose cluster it was not trained on.

    Attributes
    ----------
    ids : tuple of str
        Shape (n,).
    clusters, labels : numpy.ndarray
        Int64, shape (n,): the cluster that was left out, and the class.
    networks : numpy.ndarray
        Float64, shape (n,): mean probability of class 1 over the networks.
    forest : numpy.ndarray or None
        Float64, shape (n,): the forest's, where the recipe has one.
    raw : numpy.ndarray
        Float64, shape (n,): P_SI before calibration.
    """

    ids: tuple[str, ...]
    clusters: np.ndarray
    labels: np.ndarray
    networks: np.ndarray
    forest: np.ndarray | None
    raw: np.ndarray

    def __post_init__(self) -> None:
        arrays = (self.clusters, self.labels, self.networks, self.raw)
        forest = () if self.forest is None else (self.forest,)
        if any(array.shape != (len(self.ids),) for array in (*arrays, *forest)):
            raise ValueError("ids, clusters, labels and probabilities do not fit")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        arrays = {name: value for name, value in vars(self).items() if name != "ids"}
        plain = {name: None if value is None else value.tolist() for name, value in arrays.items()}
        return {"ids": list(self.ids), **plain}

    @classmethod
    def from_mapping(cls, plain: Mapping[str, Any]) -> LeftOutPredictions:
        """Build from plain values."""
        whole = {name: np.array(plain[name], dtype=np.int64) for name in ("clusters", "labels")}
        given = {name: np.array(plain[name], dtype=float) for name in ("networks", "raw")}
        forest = None if plain["forest"] is None else np.array(plain["forest"], dtype=float)
        return cls(tuple(plain["ids"]), forest=forest, **whole, **given)


@dataclass(frozen=True)
class Calibration:
    """From raw to calibrated P_SI, and to sets of classes.

    Attributes
    ----------
    method : str
        Of `METHODS`.
    left_out : LeftOutPredictions
        What everything is fitted on.
    calibrator : Platt or Isotonic
        Never turns a ranking round.
    sets : tuple of ConformalSets
        One for each of `COVERAGES`, on raw P_SI: class-conditional sets are the same for every
        calibration that rises, and so do not depend on one fitted on the same entries.
    """

    method: str
    left_out: LeftOutPredictions
    calibrator: Calibrator
    sets: tuple[ConformalSets, ...]

    @classmethod
    def fit(cls, method: str, left_out: LeftOutPredictions) -> Calibration:
        """Fit calibrator and sets.

        Raises
        ------
        InputError
            When the entries hold a single class.
        """
        labels, raw = left_out.labels, left_out.raw
        sets = tuple(fit_conformal(labels, raw, coverage) for coverage in COVERAGES)
        return cls(method, left_out, METHODS[method](labels, raw), sets)

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float64; NaN stays NaN."""
        return self.calibrator(raw)

    def prediction_sets(self, raw: np.ndarray, coverage: float) -> np.ndarray:
        """Return which classes a structure's set holds, bool of shape (n, 2).

        Parameters
        ----------
        raw : numpy.ndarray
            Shape (n,): P_SI before calibration.
        coverage : float
            Of each class, in (0, 1).

        Raises
        ------
        InputError
            When the coverage is out of range.
        """
        kept = next((item for item in self.sets if item.confidence == coverage), None)
        if kept is None:
            kept = fit_conformal(self.left_out.labels, self.left_out.raw, coverage)
        return kept(raw)

    def set_words(self, raw: np.ndarray) -> dict[str, list[str]]:
        """Return what each structure's set says (`SET_WORDS`), by column: set_80 and set_90."""
        names = {c: set_names(self.prediction_sets(raw, c)) for c in COVERAGES}
        return {
            f"set_{percent(c)}": [SET_WORDS[str(name)] for name in found]
            for c, found in names.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, with what the calibration is worth."""
        return {
            "note": NOTE,
            "method": self.method,
            "calibrator": self.calibrator.as_dict(),
            "sets": [item.as_dict() for item in self.sets],
            "worth": {k: v if np.isfinite(v) else None for k, v in self.worth.items()},
            "left_out": self.left_out.as_dict(),
        }

    @classmethod
    def from_mapping(cls, plain: Mapping[str, Any]) -> Calibration:
        """Build from plain values.

        Raises
        ------
        InputError, KeyError, TypeError, ValueError
            When they are not those of a calibration.
        """
        return cls(
            str(plain["method"]),
            LeftOutPredictions.from_mapping(plain["left_out"]),
            calibrator(plain["calibrator"]),
            tuple(ConformalSets.from_mapping(item) for item in plain["sets"]),
        )

    @cached_property
    def worth(self) -> dict[str, float]:
        """What is observed on left-out clusters, each by fits on the other clusters.

        Calibration error and Brier score before (raw) and after; the mean over clusters of both
        classes of the AUC-PR of the mixture, the networks and the forest; for each of `COVERAGES`
        the share of all entries, and of those of either class, whose class is in their set, and the
        mean size of a set.
        """
        found, y = self.left_out, self.left_out.labels
        after = self._on_others()
        numbers = {
            "ece_raw": expected_calibration_error(y, found.raw, n_bins=N_BINS),
            "ece": expected_calibration_error(y, after, n_bins=N_BINS),
            "brier_raw": float(np.mean((found.raw - y) ** 2)),
            "brier": float(np.mean((after - y) ** 2)),
            "auc_pr": self._mean_auc_pr(found.raw),
            "auc_pr_networks": self._mean_auc_pr(found.networks),
        }
        if found.forest is not None:
            numbers["auc_pr_forest"] = self._mean_auc_pr(found.forest)
        for confidence, item in self.observed.items():
            name = f"coverage_{percent(confidence)}"
            numbers[name] = item.share
            numbers[f"{name}_0"], numbers[f"{name}_1"] = item.by_class
            numbers[f"set_size_{percent(confidence)}"] = item.mean_size
        return numbers

    @cached_property
    def observed(self) -> dict[float, Coverage]:
        """What sets calibrated on the other clusters do on each, all clusters together."""
        found = self.left_out
        return {
            c: pooled(left_out_coverage(found.labels, found.raw, found.clusters, c))
            for c in COVERAGES
        }

    def _on_others(self) -> np.ndarray:
        """Return every entry's probability by a calibrator fitted on the other clusters."""
        found = self.left_out
        after = np.empty(len(found.ids))
        for cluster in np.unique(found.clusters):
            own = found.clusters == cluster
            try:
                fitted: Calibrator = METHODS[self.method](found.labels[~own], found.raw[~own])
            except InputError:  # the other clusters hold one class: nothing to fit
                after[own] = found.raw[own]
                continue
            after[own] = fitted(found.raw[own])
        return after

    def _mean_auc_pr(self, probabilities: np.ndarray) -> float:
        found, scores = self.left_out, []
        for cluster in np.unique(found.clusters):
            own = found.clusters == cluster
            if len(set(found.labels[own].tolist())) == 2:
                scores.append(binary_metrics(found.labels[own], probabilities[own])["auc_pr"])
        return float(np.mean(scores)) if scores else float("nan")


def percent(confidence: float) -> str:
    """Return 80 for 0.8: how columns and metrics name a coverage."""
    return f"{100 * confidence:g}"
