"""Mixtures of candidates with each other and with a forest, chosen and judged the nested way.

Plain means of probabilities, so that a mixture can predict a single crystal; ways that fit weights
or pick members live in `ways`, and stand on the same ranked predictions.
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
        self.networks, self.forest, self.frame, self.rule = networks, forest, frame, rule
        self._ranked: dict[tuple[int, int, tuple[int, ...]], dict[str, np.ndarray]] = {}

    def outside(self, mixture: Mixture, outer: int) -> np.ndarray:
        """Return probabilities for an outer cluster; it had no part in any choice."""
        return self.mixed(mixture, outer, outer)

    def inside(self, mixture: Mixture, outer: int) -> float:
        """Return the mean AUC-PR over inner clusters, each of which had no part in its ranking."""
        return float(
            np.mean(
                [
                    binary_metrics(self.frame.classes(inner), self.mixed(mixture, outer, inner))[
                        "auc_pr"
                    ]
                    for inner in self.frame.clusters
                    if inner != outer
                ]
            )
        )

    def chosen(self, outer: int, mixtures: Sequence[Mixture] = MIXTURES) -> Mixture:
        """Return the mixture of the highest inner mean; the first of equal ones."""
        return max(mixtures, key=lambda mixture: self.inside(mixture, outer))

    def mixed(
        self, mixture: Mixture, outer: int, shown: int, spared: Sequence[int] = ()
    ) -> np.ndarray:
        """Return a mixture's probabilities for `shown`, by trainings without it and `outer`.

        Parameters
        ----------
        mixture : Mixture
            Which members.
        outer, shown : int
            Clusters left out; they may be the same.
        spared : sequence of int
            Further clusters whose labels must not choose candidates or epochs.
        """
        parts = []
        if mixture.members >= 0:
            ranked = list(self.ranked(outer, shown, spared).values())
            parts.append(np.mean(ranked[: mixture.members or None], axis=0))
        if mixture.forest:
            parts.append(self.of_forest(outer, shown))
        return np.asarray(np.mean(parts, axis=0))

    def of_forest(self, outer: int, shown: int) -> np.ndarray:
        """Return the forest's probabilities for `shown`, the mean over its seeds."""
        key, where = self.frame.part(sorted({outer, shown}), shown)
        return np.asarray(
            np.mean([s.fits.probabilities[key][0, where] for s in self.forest], axis=0)
        )

    def ranked(
        self, outer: int, shown: int, spared: Sequence[int] = ()
    ) -> Mapping[str, np.ndarray]:
        """Return each candidate's probabilities for `shown`, the best by inner validation first.

        Candidates and epochs are judged on the clusters other than these; one that diverged is
        left out. Keys are hashes of candidates.
        """
        place = outer, shown, tuple(sorted(spared))
        if place not in self._ranked:
            judged = []
            for name, of_seeds in self.networks.items():
                curves = [
                    curve
                    for s in of_seeds
                    for (c, other), curve in s.inner.items()
                    if c == outer and other != shown and other not in spared
                ]
                value, first, last = best_points(
                    np.mean(curves, axis=0), self.rule, self.frame.every
                )
                prediction = self.in_window(name, outer, shown, first, last)
                if np.isfinite(prediction).all():
                    judged.append((value, name, prediction))
            judged.sort(key=lambda item: -item[0])
            self._ranked[place] = {name: prediction for _, name, prediction in judged}
        return self._ranked[place]

    def in_window(self, name: str, outer: int, shown: int, first: int, last: int) -> np.ndarray:
        """Return a candidate's probabilities for `shown`: mean over points of a window and seeds.

        NaN where one of its trainings had diverged.
        """
        key, where = self.frame.part(sorted({outer, shown}), shown)
        windows = [
            s.fits.probabilities[key][first : last + 1, where].mean(axis=0)
            for s in self.networks[name]
        ]
        return np.asarray(np.mean(windows, axis=0))


def mixtures_table(mixer: Mixer, frame: Frame) -> pd.DataFrame:
    """Return every mixture and what is chosen among them, cluster by cluster and in the mean.

    Returns
    -------
    pandas.DataFrame
        Columns mixture, inner (mean over outer clusters), auc_pr, mcc, roc_auc (means over
        clusters), low and high (95 % interval of AUC-PR over structures within clusters; a draw
        that leaves some cluster without a positive has no mean and is left out), minus (AUC-PR less
        the forest's on the same structures), minus_low, minus_high, auc_pr_<cluster>.
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
