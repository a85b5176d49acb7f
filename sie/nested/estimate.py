"""The nested estimate: chosen inside, scored once outside, beside the optimistic number.

Pure functions of saved probabilities; nothing here trains, and nothing knows the test set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sie.errors import InputError
from sie.nested.trainings import Fits, load_fits
from sie.search.selection import SelectionRule
from sie.training.metrics import binary_metrics

SCORED = ("auc_pr", "mcc", "roc_auc")


@dataclass(frozen=True)
class Frame:
    """What all files of a folder share.

    Attributes
    ----------
    labels : Mapping[str, int]
        Class by id.
    validation : Mapping[str, tuple of str]
        Validation ids by `LeftOut.key`.
    every : int
        Epochs between two points.
    dataset_hash : str
        Of the database.
    """

    labels: Mapping[str, int]
    validation: Mapping[str, tuple[str, ...]]
    every: int
    dataset_hash: str

    @property
    def clusters(self) -> tuple[int, ...]:
        """The outer clusters, rising."""
        return tuple(sorted(int(key) for key in self.validation if "-" not in key))

    def members(self, cluster: int) -> tuple[str, ...]:
        """Return the ids of a cluster."""
        return self.validation[str(cluster)]

    def classes(self, cluster: int) -> np.ndarray:
        """Return the labels of a cluster, int64."""
        return np.array([self.labels[entry] for entry in self.members(cluster)])

    def part(self, left_out: Sequence[int], cluster: int) -> tuple[str, slice]:
        """Return the key of a training, and where the cluster stands in its validation part."""
        chosen = sorted(left_out)
        before = sum(len(self.members(c)) for c in chosen if c < cluster)
        key = "-".join(str(c) for c in chosen)
        return key, slice(before, before + len(self.members(cluster)))


@dataclass(frozen=True)
class Scores:
    """Curves of one candidate and seed, one number a point.

    Attributes
    ----------
    fits : Fits
        Where they come from.
    inner : Mapping[tuple[int, int], numpy.ndarray]
        By (outer, inner) cluster the AUC-PR on the inner one of the training without both, shape
        (n_points,); 0 from where it diverged.
    outer : Mapping[int, Mapping[str, numpy.ndarray]]
        By cluster and score, of the training without it alone.
    """

    fits: Fits
    inner: Mapping[tuple[int, int], np.ndarray]
    outer: Mapping[int, Mapping[str, np.ndarray]]

    def inner_mean(self, cluster: int) -> np.ndarray:
        """Return the mean over inner clusters for an outer one: all that a choice may see."""
        return np.mean([curve for (c, _), curve in self.inner.items() if c == cluster], axis=0)


@dataclass(frozen=True)
class Choice:
    """What was chosen for one outer cluster, and what it scores there.

    Attributes
    ----------
    cluster : int
        The outer one.
    name : str
        Hash of the candidate.
    first, last : int
        The window's points, both included.
    validation : float
        The number it was chosen by.
    scores : Mapping[str, float]
        Mean over the window's points and the seeds, on the outer cluster.
    """

    cluster: int
    name: str
    first: int
    last: int
    validation: float
    scores: Mapping[str, float]


def load_frame(folder: Path) -> Frame:
    """Read what the files of a folder share.

    Raises
    ------
    InputError
        When the folder holds no trainings.
    """
    path = folder / "frame.json"
    if not path.is_file():
        raise InputError(f"{folder}: no trainings of a nested estimate; run experiments/nested.py")
    content = json.loads(path.read_text(encoding="utf-8"))
    validation = {key: tuple(ids) for key, ids in content["validation"].items()}
    return Frame(content["labels"], validation, int(content["every"]), content["dataset_hash"])


def load_trainings(folder: Path) -> list[Fits]:
    """Read all trainings of a folder, in the order of their names."""
    return [load_fits(path) for path in sorted(folder.glob("*.npz"))]


def score(fits: Fits, frame: Frame) -> Scores:
    """Score saved probabilities cluster by cluster; a point after divergence counts 0."""
    inner = {}
    for c in frame.clusters:
        for other in frame.clusters:
            if other != c:
                key, where = frame.part((c, other), other)
                table = fits.probabilities[key][:, where]
                inner[c, other] = _curves(table, frame.classes(other))["auc_pr"]
    outer = {c: _curves(fits.probabilities[str(c)], frame.classes(c)) for c in frame.clusters}
    return Scores(fits, inner, outer)


def choose(
    by_candidate: Mapping[str, Sequence[Scores]],
    cluster: int,
    rule: SelectionRule,
    every: int,
    optimistic: bool = False,
) -> Choice:
    """Choose candidate and epoch for an outer cluster by the highest rolling mean, and score them.

    Parameters
    ----------
    by_candidate : Mapping
        Scores of the same seeds for every candidate, by its hash.
    cluster : int
        The outer one.
    rule : SelectionRule
        Window and first epoch.
    every : int
        Epochs between two points.
    optimistic : bool
        Choose on the outer cluster itself, as the article does.
    """
    best: tuple[float, str, int, int] | None = None
    for name, of_seeds in by_candidate.items():
        curves = [
            s.outer[cluster]["auc_pr"] if optimistic else s.inner_mean(cluster) for s in of_seeds
        ]
        value, first, last = best_points(np.mean(curves, axis=0), rule, every)
        if best is None or value > best[0]:
            best = value, name, first, last
    if best is None:
        raise InputError("nested estimate: there is no candidate to choose from")
    value, name, first, last = best
    scores = {
        key: float(
            np.mean([s.outer[cluster][key][first : last + 1].mean() for s in by_candidate[name]])
        )
        for key in SCORED
    }
    return Choice(cluster, name, first, last, value, scores)


def best_points(curve: np.ndarray, rule: SelectionRule, every: int) -> tuple[float, int, int]:
    """Return the highest rolling mean of a curve with a point every few epochs, and its points.

    A window holds the points of `rule.window` epochs; a curve of one point is its own window.
    """
    width = max(1, min(rule.window // every, len(curve)))
    start = min(-(-rule.min_epoch // every) - 1, len(curve) - width)
    means = np.lib.stride_tricks.sliding_window_view(curve, width).mean(axis=-1)
    first = start + int(np.argmax(means[start:]))
    return float(means[first]), first, first + width - 1


def by_candidate(scores: Sequence[Scores], seeds: Sequence[int]) -> dict[str, list[Scores]]:
    """Group scores by the candidate's hash; only those of which all the seeds are there."""
    found: dict[str, dict[int, Scores]] = {}
    for item in scores:
        found.setdefault(item.fits.candidate.hash, {})[item.fits.seed] = item
    return {
        name: [of_seed[seed] for seed in seeds]
        for name, of_seed in sorted(found.items())
        if all(seed in of_seed for seed in seeds)
    }


def _curves(table: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    rows = [
        binary_metrics(classes, row) if np.isfinite(row).all() else dict.fromkeys(SCORED, 0.0)
        for row in table
    ]
    return {key: np.array([row[key] for row in rows]) for key in SCORED}
