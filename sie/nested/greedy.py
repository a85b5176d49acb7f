"""Greedy selection of ensemble members with replacement, on predictions of several clusters.

Pure functions of predictions and labels (Caruana et al. 2004, 10.1145/1015330.1015432).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Part = tuple[np.ndarray, np.ndarray]
"""Labels (n,) of a cluster and every member's predictions for it, shape (n_members, n)."""


@dataclass(frozen=True)
class GreedyRule:
    """How members are picked.

    Attributes
    ----------
    start : int
        Members to begin with: the best by themselves (sorted initialisation).
    steps : int
        Picks after those; the ensemble of the best step is kept.
    bags : int
        Repeats, each with a random part of the members; their weights are averaged.
    share : float
        Of the members in a bag.
    seed : int
        Of the bags.
    """

    start: int = 5
    steps: int = 30
    bags: int = 10
    share: float = 0.5
    seed: int = 0


def greedy_weights(parts: Sequence[Part], rule: GreedyRule = GreedyRule()) -> np.ndarray:
    """Return the weight of each member, shape (n_members,), not negative, with the sum 1.

    What is raised is the mean over clusters of AUC-PR, each on predictions averaged by weight.

    Parameters
    ----------
    parts : sequence of (numpy.ndarray, numpy.ndarray)
        Labels and predictions of clusters that no member was trained on.
    rule : GreedyRule
        Sizes and seed.
    """
    n_members = len(parts[0][1])
    rng = np.random.default_rng(rule.seed)
    size = max(1, round(rule.share * n_members))
    weights = np.zeros(n_members)
    for _ in range(rule.bags):
        bag = np.sort(rng.choice(n_members, size, replace=False))
        own = [(labels, table[bag]) for labels, table in parts]
        weights[bag] += _picked(own, rule) / rule.bags
    return weights


def mean_areas(parts: Sequence[Part]) -> np.ndarray:
    """Return the mean over clusters of AUC-PR of every row, shape (n_rows,)."""
    return np.asarray(np.mean([areas(labels, table) for labels, table in parts], axis=0))


def areas(labels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return AUC-PR of every row of predictions, as `binary_metrics` does for one.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1, with a 1.
    table : numpy.ndarray
        Shape (n_rows, n).
    """
    order = np.argsort(-table, axis=1)  # of ties in any order, since each stands for their last
    falling = np.take_along_axis(table, order, axis=1)
    hits = np.cumsum(np.asarray(labels)[order] == 1, axis=1)
    n = table.shape[1]
    # equal predictions are one threshold
    ends = np.where(falling[:, 1:] != falling[:, :-1], np.arange(n - 1), n - 1)
    ends = np.append(ends, np.full((len(table), 1), n - 1), axis=1)
    last = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    recall = np.take_along_axis(hits / hits[:, -1:], last, axis=1)
    precision = np.take_along_axis(hits / np.arange(1, n + 1), last, axis=1)
    steps = np.diff(recall, prepend=0.0, axis=1)
    before = np.append(precision[:, :1], precision[:, :-1], axis=1)
    return np.asarray((steps * (precision + before) / 2).sum(axis=1))


def _picked(parts: Sequence[Part], rule: GreedyRule) -> np.ndarray:
    """Return the weights after the best step of one bag."""
    alone = mean_areas(parts)
    counts = np.bincount(np.argsort(-alone, kind="stable")[: rule.start], minlength=len(alone))
    sums = [(labels, counts @ table) for labels, table in parts]
    best, kept = float(mean_areas([(y, s[None]) for y, s in sums])[0]), counts.copy()
    for _ in range(rule.steps):
        # a sum ranks as its mean does
        with_each = [(y, s + t) for (y, s), (_, t) in zip(sums, parts, strict=True)]
        found = mean_areas(with_each)
        pick = int(np.argmax(found))
        counts[pick] += 1
        sums = [(y, table[pick]) for y, table in with_each]
        if found[pick] > best:
            best, kept = float(found[pick]), counts.copy()
    return np.asarray(kept / kept.sum())
