"""Paired tests between configurations over clusters (or folds) and seeds, corrected for many.

Arithmetic on arrays of scores only; where the scores come from is `sie.comparison.evaluated`, what
a winner rule makes of a test `sie.ensemble.winner_rule`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MOST_EXACT = 16
"""Up to so many values all 2^n sign flips are counted; beyond, `DRAWS` of them are drawn."""

DRAWS = 99_999
SEED = 0
"""Of the drawn flips: the same scores always give the same p."""

_AT_ONCE = 4096
_TIE = 1e-9
"""Share by which two sums may differ and still be equal: they are added in another order."""

Cells = Mapping[str, np.ndarray]
"""Differences of two systems by split, one for every seed that both were trained with."""


@dataclass(frozen=True)
class PairTest:
    """How two systems differ: first minus second. No p is corrected yet.

    Attributes
    ----------
    n_splits, n_cells : int
        Clusters or folds that both were scored on, and pairs of (split, seed).
    difference : float
        Mean over splits of the mean over seeds.
    p_splits : float
        Sign flips of the splits' means: would other clusters tell the same?
    p_resampled : float
        Nadeau and Bengio's t of the splits' means, for training parts that overlap.
    p_seeds : float
        Sign flips of every pair of trainings: on these very splits, is it more than seeds?
    """

    n_splits: int
    n_cells: int
    difference: float
    p_splits: float
    p_resampled: float
    p_seeds: float


def sign_flip_p(
    values: np.ndarray,
    weights: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> float:
    """Return the two-sided p of a paired permutation test: the signs of differences are flipped.

    Where two systems are alike, each difference could as well have had the other sign. p is the
    share of flips whose weighted sum is at least as far from 0 as the one observed: of all 2^n
    flips up to `MOST_EXACT` values, else of `draws` random ones and the observed one
    (10.2202/1544-6115.1585).

    Parameters
    ----------
    values : numpy.ndarray
        Paired differences, shape (n,).
    weights : numpy.ndarray, optional
        Of each in the sum, shape (n,); by default all alike.
    draws, seed : int
        Flips that are drawn where there are too many to count, and what they follow from.

    Returns
    -------
    float
        NaN without values. With n values of equal weight no p is below 2^(1 - n).
    """
    parts = np.asarray(values, float) * (1.0 if weights is None else np.asarray(weights, float))
    if not len(parts):
        return float("nan")
    least = abs(parts.sum()) - _TIE * np.abs(parts).sum()
    if len(parts) > MOST_EXACT:
        rng = np.random.default_rng(seed)
        sizes = [min(_AT_ONCE, draws - done) for done in range(0, draws, _AT_ONCE)]
        far = sum(_as_far(rng.integers(0, 2, (size, len(parts))), parts, least) for size in sizes)
        return (far + 1) / (draws + 1)
    # the first sign stays: flipping all gives the same distance
    total = 2 ** (len(parts) - 1)
    flips = np.arange(total)[:, None] >> np.arange(len(parts)) & 1
    return _as_far(flips, parts, least) / total


def _as_far(flips: np.ndarray, parts: np.ndarray, least: float) -> int:
    return int((np.abs((1 - 2 * flips) @ parts) >= least).sum())


def least_p(n: int) -> float:
    """Return the smallest p that `sign_flip_p` can give for n values of equal weight."""
    return max(2.0 ** (1 - n), 1 / (DRAWS + 1)) if n else 1.0


def resampled_p(values: np.ndarray, ratio: float) -> float:
    """Return the two-sided p of the corrected resampled t-test.

    Training parts of different splits share most of their entries, so that the splits'
    differences are no independent draws; their variance is taken as (1/n + ratio) s² instead of
    s²/n (Nadeau and Bengio 2003, 10.1023/A:1024068626366).

    Parameters
    ----------
    values : numpy.ndarray
        Difference of each split, shape (n,).
    ratio : float
        Entries of the validation part over those of the training part.

    Returns
    -------
    float
        NaN for fewer than two values.
    """
    from scipy.stats import t

    n = len(values)
    if n < 2 or not np.isfinite(ratio):
        return float("nan")
    spread = np.std(values, ddof=1) * np.sqrt(1 / n + ratio)
    mean = abs(float(np.mean(values)))
    if spread <= _TIE * mean or spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * t.sf(mean / spread, n - 1))


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p corrected for how many there are, after Holm; NaN counts for nothing.

    The chance that any of them falls below a level by luck is that level at most, whatever
    depends on what.
    """
    values = np.asarray(p, float)
    corrected = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def compare_pair(means: np.ndarray, cells: Cells, ratio: float) -> PairTest:
    """Test two systems.

    The unit of `p_splits` and `p_resampled` is the split, after averaging over seeds: seeds of
    one cluster are no further clusters. `p_seeds` flips every cell on its own, with the splits as
    they are, and compares the mean over splits of means over seeds.

    Parameters
    ----------
    means : numpy.ndarray
        Difference of the means over seeds, first minus second, shape (n_splits,).
    cells : Mapping
        Differences of paired trainings by split, shape (n_seeds,) each.
    ratio : float
        Of `resampled_p`.
    """
    own = [np.asarray(values, float) for values in cells.values() if len(values)]
    flat = np.concatenate([np.empty(0), *own])
    weights = [np.full(len(values), 1 / (len(values) * len(own))) for values in own]
    return PairTest(
        n_splits=len(means),
        n_cells=len(flat),
        difference=float(np.mean(means)),
        # one cluster says nothing of others
        p_splits=sign_flip_p(means) if len(means) > 1 else float("nan"),
        p_resampled=resampled_p(means, ratio),
        p_seeds=sign_flip_p(flat, np.concatenate([np.empty(0), *weights])),
    )
