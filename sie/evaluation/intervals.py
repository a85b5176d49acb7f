"""The interval of a share: how far counting so few structures can be off.

Intervals of scores, by drawing structures again, live in `bootstrap`.
"""

from __future__ import annotations

import numpy as np

Z = 1.959963984540054
"""Of the 95 % interval of a normal distribution."""


def wilson(successes: np.ndarray | float, n: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's 95 % interval of shares (Wilson 1927, 10.1080/01621459.1927.10502953).

    Parameters
    ----------
    successes, n : numpy.ndarray or float
        Counts, or their means over repeats.

    Returns
    -------
    tuple of numpy.ndarray
        Low and high of the same shape; NaN where n is 0.
    """
    of = np.asarray(n, dtype=float)
    of = np.where(of > 0, of, np.nan)
    share = np.asarray(successes, dtype=float) / of
    middle = (share + Z**2 / (2 * of)) / (1 + Z**2 / of)
    half = Z / (1 + Z**2 / of) * np.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    # of none, or of all, one end is exact, which floating point misses by 1e-17
    low, high = (np.round(end, 12) for end in (middle - half, middle + half))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)
