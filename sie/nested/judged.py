"""Groups of predictions, each with those that calibrators and thresholds may be fitted on for it.

Left-out clusters stand for unseen chemistry; random parts and folds for structures like the ones
at hand. What is fitted lives in `sie.evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sie.nested.estimate import Frame
from sie.nested.mixtures import Mixer, Mixture

N_PARTS = 5


@dataclass(frozen=True)
class Judged:
    """One group.

    Attributes
    ----------
    labels, probabilities : numpy.ndarray
        Of its structures, shape (n,); nothing may be fitted on these labels.
    fit_labels, fit_probabilities : numpy.ndarray
        Of the structures to fit on, shape (n_fit,).
    """

    labels: np.ndarray
    probabilities: np.ndarray
    fit_labels: np.ndarray
    fit_probabilities: np.ndarray


def left_out_groups(mixer: Mixer, mixture: Mixture) -> dict[int, Judged]:
    """Return every outer cluster with predictions for inner ones by trainings without both.

    Labels of the outer cluster have no part in either: the trainings to fit on have not seen it.
    """
    groups = {}
    for outer in mixer.frame.clusters:
        inner = [c for c in mixer.frame.clusters if c != outer]
        groups[outer] = Judged(
            mixer.frame.classes(outer),
            mixer.outside(mixture, outer),
            np.concatenate([mixer.frame.classes(c) for c in inner]),
            np.concatenate([mixer.mixed(mixture, outer, c) for c in inner]),
        )
    return groups


def fold_groups(predicted: Mapping[int, np.ndarray], frame: Frame) -> dict[int, Judged]:
    """Return every random fold, with the predictions for the other folds to fit on.

    Those other predictions are by trainings that had seen this fold, as in any cross-validation
    that is run once.
    """
    return {
        fold: Judged(
            frame.classes(fold),
            own,
            np.concatenate([frame.classes(f) for f in predicted if f != fold]),
            np.concatenate([predicted[f] for f in predicted if f != fold]),
        )
        for fold, own in predicted.items()
    }


def random_parts(
    groups: Mapping[int, Judged], seed: int, n_parts: int = N_PARTS
) -> dict[int, Judged]:
    """Return the predictions of all groups cut into random parts, each fitted on the others.

    The same predictions as in the groups, but exchangeable: what differs from the groups is owed
    to the shift between them alone.
    """
    y = np.concatenate([group.labels for group in groups.values()])
    p = np.concatenate([group.probabilities for group in groups.values()])
    places = np.random.default_rng(seed).permutation(len(y)) % n_parts
    return {
        part: Judged(y[places == part], p[places == part], y[places != part], p[places != part])
        for part in range(n_parts)
    }
