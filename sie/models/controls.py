"""What predictions without knowledge score: the training mean, and labels in random order.

Controls see labels only; what learns from crystals lives beside this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sie.errors import InputError
from sie.training.metrics import binary_metrics

N_PERMUTATIONS = 1000
"""The article's number."""


@dataclass(frozen=True)
class ControlScores:
    """Scores of a control over its random repeats.

    Attributes
    ----------
    mean, sd : Mapping[str, float]
        Mean and sample standard deviation of each score; NaN where the labels leave it undefined.
    n_permutations : int
        Repeats.
    drawn : Mapping[str, numpy.ndarray]
        Each score on each repeat, shape (n_permutations,).
    """

    mean: Mapping[str, float]
    sd: Mapping[str, float]
    n_permutations: int
    drawn: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)


def mean_control(train_labels: np.ndarray, validation_labels: np.ndarray) -> dict[str, float]:
    """Score the prediction of the training part's positive fraction for every validation entry.

    AUC-PR and average precision are then the validation part's positive fraction, MCC is 0.

    Parameters
    ----------
    train_labels, validation_labels : numpy.ndarray
        Shapes (n_train,) and (n_validation,): 0 or 1.

    Returns
    -------
    dict
        The scores of `sie.training.metrics.binary_metrics`.

    Raises
    ------
    InputError
        When a part is empty.
    """
    for part, labels in (("training", train_labels), ("validation", validation_labels)):
        if not len(labels):
            raise InputError(f"mean control: the {part} part is empty; use another split")
    return binary_metrics(
        validation_labels, np.full(len(validation_labels), float(np.mean(train_labels)))
    )


def shuffled_control(
    validation_labels: np.ndarray,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
    score: Callable[[np.ndarray, np.ndarray], Mapping[str, float]] = binary_metrics,
) -> ControlScores:
    """Score the validation labels in random order as predictions of themselves.

    Parameters
    ----------
    validation_labels : numpy.ndarray
        Shape (n,): 0 or 1.
    n_permutations : int
        Random orders, at least 2.
    seed : int
        Seed of the orders.
    score : callable
        From labels and predictions to scores by name.

    Raises
    ------
    InputError
        When there are no labels or fewer than 2 permutations.
    """
    labels = np.asarray(validation_labels)
    if not len(labels):
        raise InputError("shuffled control: the validation part is empty; use another split")
    if n_permutations < 2:
        raise InputError(f"shuffled control: needs at least 2 permutations, got {n_permutations}")
    rng = np.random.default_rng(seed)
    drawn = [score(labels, rng.permutation(labels)) for _ in range(n_permutations)]
    scores = {name: np.array([item[name] for item in drawn]) for name in drawn[0]}
    return ControlScores(
        {name: float(values.mean()) for name, values in scores.items()},
        {name: float(values.std(ddof=1)) for name, values in scores.items()},
        n_permutations,
        scores,
    )
