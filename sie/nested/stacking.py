"""Stacking of two systems, the networks' mean and the forest, with weights that are not negative.

Pure functions of predictions and labels; two numbers to fit, since inner clusters are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ODDS_CLIP = 0.01
"""Probabilities are kept this far from 0 and 1 before log-odds: a forest often says 0, and a
few hundred structures cannot tell whether that means 1e-3 or 1e-6."""

RIDGE = 1e-3
"""Penalty on squared weights, in units of one structure: keeps them finite, does little else."""


@dataclass(frozen=True)
class WeightedMean:
    """A mean of probabilities, `share` of it the forest's."""

    share: float

    def __call__(self, networks: np.ndarray, forest: np.ndarray) -> np.ndarray:
        """Return probabilities (n,)."""
        return np.asarray((1 - self.share) * networks + self.share * forest)


@dataclass(frozen=True)
class LogisticStack:
    """A logistic model on the log-odds of both; weights are not negative."""

    networks: float
    forest: float
    intercept: float

    def __call__(self, networks: np.ndarray, forest: np.ndarray) -> np.ndarray:
        """Return probabilities (n,)."""
        from scipy.special import expit

        x = self.networks * clipped_odds(networks) + self.forest * clipped_odds(forest)
        return np.asarray(expit(x + self.intercept))


def clipped_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return log-odds of probabilities kept `ODDS_CLIP` away from 0 and 1."""
    from scipy.special import logit

    return np.asarray(logit(np.clip(probabilities, ODDS_CLIP, 1 - ODDS_CLIP)))


def fit_weighted_mean(labels: np.ndarray, networks: np.ndarray, forest: np.ndarray) -> WeightedMean:
    """Return the share in [0, 1] of the least Brier score; a half where both predict the same."""
    apart = forest - networks
    length = float(apart @ apart)
    if length == 0:
        return WeightedMean(0.5)
    return WeightedMean(float(np.clip(apart @ (labels - networks) / length, 0, 1)))


def fit_logistic_stack(
    labels: np.ndarray, networks: np.ndarray, forest: np.ndarray
) -> LogisticStack:
    """Return the model of the least cross-entropy whose two weights are not negative.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,): 0 or 1.
    networks, forest : numpy.ndarray
        Shape (n,): probabilities by systems not trained on these structures.
    """
    from scipy.optimize import minimize

    x = np.stack([clipped_odds(networks), clipped_odds(forest), np.ones(len(labels))], axis=1)
    found = minimize(
        _loss_and_slope,
        np.array([0.5, 0.5, 0.0]),
        args=(x, np.asarray(labels, dtype=float)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None), (0, None), (None, None)],
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    return LogisticStack(*(float(value) for value in found.x))


def _loss_and_slope(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    from scipy.special import expit

    logits, held = x @ weights, weights * np.array([1, 1, 0])
    loss = np.sum(np.logaddexp(0, logits) - y * logits) + RIDGE / 2 * held @ held
    return float(loss), x.T @ (expit(logits) - y) + RIDGE * held
