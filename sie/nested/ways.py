"""Ways of turning candidates and a forest into one prediction, all judged the nested way.

For an outer cluster everything is fitted on predictions for inner clusters by trainings without
both; what is fitted predicts the outer cluster by the training without it, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sie.comparison.tables import mean_interval
from sie.evaluation.bootstrap import resamples
from sie.nested.estimate import SCORED, best_points
from sie.nested.greedy import greedy_weights
from sie.nested.mixtures import Mixer, Mixture
from sie.nested.stacking import fit_logistic_stack, fit_weighted_mean
from sie.training.metrics import binary_metrics

N_RESAMPLES = 1000

FOREST, NETWORKS, HALVES = Mixture(-1, True), Mixture(0, False), Mixture(0, True)

SYSTEMS = (FOREST, NETWORKS, HALVES)
"""Those that are calibrated and given conformal sets; nothing is fitted in them but epochs."""

FEWEST = 4
"""Clusters below which nothing is left to fit on for an inner score."""


@dataclass(frozen=True)
class Way:
    """A way of mixing.

    Attributes
    ----------
    name : str
        What tables call it.
    predict : callable
        From (mixer, outer, shown) to probabilities for `shown`, by trainings without both, fitted
        without labels of either.
    main : bool
        Whether it was named as the one to judge by before any of the others was looked at.
    """

    name: str
    predict: Callable[[Mixer, int, int], np.ndarray]
    main: bool = False


def others(mixer: Mixer, outer: int, shown: int) -> list[int]:
    """Return the clusters to fit on."""
    return [c for c in mixer.frame.clusters if c not in (outer, shown)]


def spared(outer: int, shown: int) -> tuple[int, ...]:
    """Return the cluster whose labels no choice for the ones fitted on may see, if there is one."""
    return () if shown == outer else (shown,)


def winner_per_cluster(mixer: Mixer, outer: int, shown: int) -> np.ndarray:
    """Return the mean of the winners of all inner clusters, the article's rule.

    Each inner cluster has the candidate and window of the highest AUC-PR on itself; the training
    without `shown` takes the same candidate and window.
    """
    return np.asarray(
        np.mean([_winner(mixer, outer, shown, c) for c in others(mixer, outer, shown)], axis=0)
    )


def greedy(mixer: Mixer, outer: int, shown: int, forest: bool) -> np.ndarray:
    """Return the prediction of candidates, and the forest, picked greedily on inner clusters."""
    clusters = others(mixer, outer, shown)
    given = [mixer.ranked(outer, c, spared(outer, shown)) for c in clusters]
    asked = mixer.ranked(outer, shown)
    # one that diverged in some training has no prediction there
    names = sorted(set(asked).intersection(*given))
    tables = [np.stack([part[name] for name in names]) for part in (*given, asked)]
    if forest:
        rows = [mixer.of_forest(outer, c) for c in (*clusters, shown)]
        tables = [np.append(t, row[None], axis=0) for t, row in zip(tables, rows, strict=True)]
    labels = [mixer.frame.classes(c) for c in clusters]
    weights = greedy_weights(list(zip(labels, tables[:-1], strict=True)))
    return np.asarray(weights @ tables[-1])


def weighted_mean(mixer: Mixer, outer: int, shown: int) -> np.ndarray:
    """Return the networks' mean and the forest's, mixed by the share of the least Brier score."""
    stack = fit_weighted_mean(*_stacked(mixer, outer, shown))
    return stack(mixer.mixed(NETWORKS, outer, shown), mixer.of_forest(outer, shown))


def logistic_stack(mixer: Mixer, outer: int, shown: int) -> np.ndarray:
    """Return what a logistic model makes of the log-odds of the networks' mean and the forest."""
    stack = fit_logistic_stack(*_stacked(mixer, outer, shown))
    return stack(mixer.mixed(NETWORKS, outer, shown), mixer.of_forest(outer, shown))


def _plain(mixture: Mixture, main: bool = False) -> Way:
    return Way(mixture.name, lambda mixer, o, s: mixer.mixed(mixture, o, s), main)


def _winners_and_forest(mixer: Mixer, outer: int, shown: int) -> np.ndarray:
    return (winner_per_cluster(mixer, outer, shown) + mixer.of_forest(outer, shown)) / 2


WAYS = (
    _plain(FOREST),
    _plain(NETWORKS),
    _plain(HALVES, main=True),
    Way("winner per cluster", winner_per_cluster),
    Way("winner per cluster + forest", _winners_and_forest),
    Way("greedy, networks", lambda mixer, o, s: greedy(mixer, o, s, forest=False)),
    Way("greedy, networks and forest", lambda mixer, o, s: greedy(mixer, o, s, forest=True)),
    Way("stacked, weighted mean", weighted_mean),
    Way("stacked, logistic", logistic_stack),
)
"""In the order of tables; which one is looked at first does not depend on how they score."""


def ways_table(mixer: Mixer, ways: Sequence[Way] = WAYS) -> pd.DataFrame:
    """Return what every way scores, cluster by cluster and in the mean.

    Returns
    -------
    pandas.DataFrame
        Columns way, main, inner (mean over outer clusters of the mean AUC-PR over inner ones; NaN
        of fewer than `FEWEST` clusters), auc_pr, mcc, roc_auc (means over outer clusters), low and
        high (95 % interval of AUC-PR over structures within clusters; a draw that leaves some
        cluster without a positive has no mean and is left out), minus_forest and minus_main with
        low and high (paired differences on the same structures), above_main (clusters whose AUC-PR
        is above the main way's), auc_pr_<cluster>. Beside each low and high stand over_low and
        over_high (95 % interval by Student's t over clusters, as draws of further ones).
    """
    scored = {way.name: _scored(mixer, way) for way in ways}
    forest, main = scored[FOREST.name], scored[next(way.name for way in ways if way.main)]
    rows = []
    for way in ways:
        own = scored[way.name]
        row = {"way": way.name, "main": way.main, "inner": _inner(mixer, way), **own.means}
        row |= _interval("", own.drawn) | _over_clusters("", own.by_cluster)
        for name, other in (("minus_forest", forest), ("minus_main", main)):
            row[name] = own.means["auc_pr"] - other.means["auc_pr"]
            row |= _interval(f"{name}_", own.drawn - other.drawn)
            row |= _over_clusters(f"{name}_", own.by_cluster - other.by_cluster)
        row["above_main"] = sum(own.areas[c] > main.areas[c] for c in mixer.frame.clusters)
        rows.append(row | {f"auc_pr_{c}": area for c, area in own.areas.items()})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Scored:
    """Means over outer clusters, AUC-PR by cluster, and its mean on structures drawn again."""

    means: Mapping[str, float]
    areas: Mapping[int, float]
    drawn: np.ndarray

    @property
    def by_cluster(self) -> np.ndarray:
        return np.array(list(self.areas.values()))


def _scored(mixer: Mixer, way: Way) -> _Scored:
    scores, drawn = {}, []
    for cluster in mixer.frame.clusters:
        y, p = mixer.frame.classes(cluster), way.predict(mixer, cluster, cluster)
        scores[cluster] = binary_metrics(y, p)
        draws = resamples(len(y), N_RESAMPLES, seed=cluster)
        drawn.append([binary_metrics(y[d], p[d])["auc_pr"] for d in draws])
    means = {key: float(np.mean([s[key] for s in scores.values()])) for key in SCORED}
    areas = {cluster: s["auc_pr"] for cluster, s in scores.items()}
    return _Scored(means, areas, np.asarray(np.mean(drawn, axis=0)))


def _winner(mixer: Mixer, outer: int, shown: int, cluster: int) -> np.ndarray:
    """Return the prediction for `shown` of the candidate that is best on one inner cluster."""
    judged = []
    for name, of_seeds in mixer.networks.items():
        curve = np.mean([s.inner[outer, cluster] for s in of_seeds], axis=0)
        value, first, last = best_points(curve, mixer.rule, mixer.frame.every)
        judged.append((-value, name, first, last))
    for _, name, first, last in sorted(judged):
        prediction = mixer.in_window(name, outer, shown, first, last)
        if np.isfinite(prediction).all():
            return prediction
    return np.full(len(mixer.frame.members(shown)), np.nan)


def _stacked(mixer: Mixer, outer: int, shown: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, the networks' mean and the forest of all structures to fit on."""
    clusters = others(mixer, outer, shown)
    kept = spared(outer, shown)
    networks = [mixer.mixed(NETWORKS, outer, c, kept) for c in clusters]
    forest = [mixer.of_forest(outer, c) for c in clusters]
    labels = [mixer.frame.classes(c) for c in clusters]
    return np.concatenate(labels), np.concatenate(networks), np.concatenate(forest)


def _inner(mixer: Mixer, way: Way) -> float:
    clusters = mixer.frame.clusters
    if len(clusters) < FEWEST:
        return float("nan")
    return float(
        np.mean(
            [
                binary_metrics(mixer.frame.classes(c), way.predict(mixer, outer, c))["auc_pr"]
                for outer in clusters
                for c in clusters
                if c != outer
            ]
        )
    )


def _interval(prefix: str, drawn: np.ndarray) -> dict[str, float]:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}


def _over_clusters(prefix: str, values: np.ndarray) -> dict[str, float]:
    low, high = mean_interval(values)
    return {f"{prefix}over_low": low, f"{prefix}over_high": high}
