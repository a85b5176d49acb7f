"""`Scores`: what an ensemble says about structures, from what each of its members says.

The record and its arithmetic; members are asked in `sie.ensemble.predictor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Scores:
    """What the members say about n structures.

    Attributes
    ----------
    ids : tuple of str
        Shape (n,).
    p_si : numpy.ndarray
        Float64, shape (n,): the ensemble's answer, calibrated where it has a calibration.
    raw : numpy.ndarray
        Float64, shape (n,): mean over the members, each with its weight in the ensemble; without a
        calibration the same as `p_si`.
    sd : numpy.ndarray
        Float64, shape (n,): standard deviation (of the population) over the members around `raw`,
        with the same weights, before any calibration. A forest is one member: how far it and the
        networks disagree is in it, how far its trees do is not.
    members : numpy.ndarray
        Float64, shape (n, n_members): probability of class 1 of each member; the networks in their
        order, then the forest where there is one. Not calibrated.
    refused : Mapping[str, str]
        Structures that could not be scored, whose numbers are NaN, with the reason.
    """

    ids: tuple[str, ...]
    p_si: np.ndarray
    raw: np.ndarray
    sd: np.ndarray
    members: np.ndarray
    refused: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        ids: tuple[str, ...],
        members: np.ndarray,
        refused: Mapping[str, str] | None = None,
        weights: np.ndarray | None = None,
        calibrate: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> Scores:
        """Return the scores of n structures from those of the members.

        Parameters
        ----------
        ids, members, refused
            See the attributes.
        weights : numpy.ndarray, optional
            Shape (n_members,), of sum 1; without them all members count the same.
        calibrate : callable, optional
            From raw to calibrated probabilities.
        """
        if weights is None:
            raw, sd = members.mean(axis=1), members.std(axis=1)
        else:
            raw = members @ weights
            sd = np.sqrt((members - raw[:, None]) ** 2 @ weights)
        p_si = raw if calibrate is None else calibrate(raw)
        return cls(ids, p_si, raw, sd, members, refused or {})
