"""Mixtures of candidates with each other and with a forest, chosen and judged the nested way.

Plain means of probabilities, so that a mixture can predict a single crystal; members that are
weighted or picked greedily live in `sie.ensemble`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sie.evaluation.bootstrap import resamples
from sie.nested.estimate import SCORED, Frame, Scores, best_points
from sie.search.selection import SelectionRule
from sie.training.metrics import binary_metrics

MEMBERS = (1, 5, 10, 20, 0)
"""How many candidates, the best by inner validation; 0 are all of them."""

N_RESAMPLES = 1000


@dataclass(frozen=True)
class Mixture:
    """How predictions are mixed.

    Attributes
    ----------
    members : int
        Candidates, the best by inner validation first; 0 are all, -1 none.
    forest : bool
        Whether half of the probability is the forest's (all of it without candidates).
    """

    members: int
    forest: bool

    @property
    def name(self) -> str:
        """What tables call it."""
        networks = {0: "all networks", -1: ""}.get(self.members, f"{self.members} best networks")
        return " + ".join(part for part in (networks, "forest" if self.forest else "") if part)


MIXTURES = (
    Mixture(-1, True),
    *(Mixture(n, forest) for forest in (False, True) for n in MEMBERS),
)


class Mixer:
    """Predictions of mixtures for any cluster, from trainings that left it and an outer one out.

    Parameters
    ----------
    networks : Mapping
        Scores of candidates, of `by_candidate`.
    forest : sequence of Scores
        Of the forest, one a seed.
    frame : Frame
        Clusters and labels.
    rule : SelectionRule
        How epochs are chosen.
    """

    def __init__(
        self,
        networks: Mapping[str, Sequence[Scores]],
        forest: Sequence[Scores],
        frame: Frame,
        rule: SelectionRule,
    ) -> None:
        self._networks, self._forest, self._frame, self._rule = networks, forest, frame, rule
        self._ranked: dict[tuple[int, int], list[np.ndarray]] = {}

    def outside(self, mixture: Mixture, outer: int) -> np.ndarray:
        """Return probabilities for an outer cluster; it had no part in any choice."""
        return self._mixed(mixture, outer, outer)

    def inside(self, mixture: Mixture, outer: int) -> float:
        """Return the mean AUC-PR over inner clusters, each of which had no part in its ranking."""
        return float(
            np.mean(
                [
                    binary_metrics(self._frame.classes(inner), self._mixed(mixture, outer, inner))[
                        "auc_pr"
                    ]
                    for inner in self._frame.clusters
                    if inner != outer
                ]
            )
        )

    def chosen(self, outer: int, mixtures: Sequence[Mixture] = MIXTURES) -> Mixture:
        """Return the mixture of the highest inner mean; the first of equal ones."""
        return max(mixtures, key=lambda mixture: self.inside(mixture, outer))

    def _mixed(self, mixture: Mixture, outer: int, shown: int) -> np.ndarray:
        parts = []
        if mixture.members >= 0:
            ranked = self._predictions(outer, shown)
            parts.append(np.mean(ranked[: mixture.members or None], axis=0))
        if mixture.forest:
            key, where = self._frame.part(sorted({outer, shown}), shown)
            tables = [s.fits.probabilities[key][0, where] for s in self._forest]
            parts.append(np.mean(tables, axis=0))
        return np.asarray(np.mean(parts, axis=0))

    def _predictions(self, outer: int, shown: int) -> list[np.ndarray]:
        """Return each candidate's probabilities for `shown`, the best by inner validation first.

        Candidates and epochs are judged on the clusters other than these two.
        """
        if (outer, shown) not in self._ranked:
            key, where = self._frame.part(sorted({outer, shown}), shown)
            judged = []
            for of_seeds in self._networks.values():
                curves = [
                    curve
                    for s in of_seeds
                    for (c, other), curve in s.inner.items()
                    if c == outer and other != shown
                ]
                value, first, last = best_points(
                    np.mean(curves, axis=0), self._rule, self._frame.every
                )
                windows = [
                    s.fits.probabilities[key][first : last + 1, where].mean(axis=0)
                    for s in of_seeds
                ]
                if np.isfinite(windows).all():
                    judged.append((value, np.mean(windows, axis=0)))
            judged.sort(key=lambda pair: -pair[0])
            self._ranked[outer, shown] = [prediction for _, prediction in judged]
        return self._ranked[outer, shown]


def mixtures_table(mixer: Mixer, frame: Frame) -> pd.DataFrame:
    """Return every mixture and what is chosen among them, cluster by cluster and in the mean.

    Returns
    -------
    pandas.DataFrame
        Columns mixture, inner (mean over outer clusters), auc_pr, mcc, roc_auc (means over
        clusters), low and high (95 % interval of AUC-PR over structures within clusters), minus
        (AUC-PR less the forest's on the same structures), minus_low, minus_high, auc_pr_<cluster>.
    """
    picked = {c: mixer.chosen(c) for c in frame.clusters}
    ways: list[tuple[str, Mapping[int, Mixture]]] = [
        (mixture.name, dict.fromkeys(frame.clusters, mixture)) for mixture in MIXTURES
    ]
    ways.append(("chosen inside", picked))
    rows, reference, forest = [], np.zeros(0), 0.0
    for name, of_clusters in ways:
        scores, drawn = [], []
        for cluster, mixture in of_clusters.items():
            prediction, classes = mixer.outside(mixture, cluster), frame.classes(cluster)
            scores.append(binary_metrics(classes, prediction))
            draws = resamples(len(classes), N_RESAMPLES, seed=cluster)
            drawn.append([binary_metrics(classes[d], prediction[d])["auc_pr"] for d in draws])
        means = np.mean(drawn, axis=0)
        numbers = {
            "inner": float(np.mean([mixer.inside(m, c) for c, m in of_clusters.items()])),
            **{key: float(np.mean([score[key] for score in scores])) for key in SCORED},
            **_interval("", means),
        }
        if not len(reference):
            reference, forest = means, numbers["auc_pr"]
        numbers["minus"] = numbers["auc_pr"] - forest
        numbers |= _interval("minus_", means - reference)
        numbers |= {f"auc_pr_{c}": s["auc_pr"] for c, s in zip(of_clusters, scores, strict=True)}
        rows.append({"mixture": name, **numbers})
    return pd.DataFrame(rows)


def _interval(prefix: str, drawn: np.ndarray) -> dict[str, float]:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}
