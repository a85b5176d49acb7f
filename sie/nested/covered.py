"""Tables of conformal sets: the coverage observed on unseen groups, and how large the sets are.

From groups of `judged`; the sets are those of `sie.ensemble.conformal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sie.ensemble.conformal import Coverage, coverage, fit_conformal, pooled
from sie.evaluation.intervals import wilson
from sie.nested.calibrated import ALL
from sie.nested.judged import Judged, random_parts

CONFIDENCES = (0.8, 0.9)

N_REPEATS = 100
"""Of the random parts, whose coverage depends on how they fall."""


def conformal_rows(protocol: str, system: str, groups: Mapping[int, Judged]) -> pd.DataFrame:
    """Return what sets calibrated for each group do on it, and on all structures together.

    Returns
    -------
    pandas.DataFrame
        Columns protocol, system, confidence, group, fit_0 and fit_1 (structures calibrated on, by
        class; of the group of all the fewest), entries, positives, coverage, coverage_0 and
        coverage_1 (of a class), each with low and high (Wilson's 95 % interval), mean_size, and the
        shares of the four sets: share_none, share_0, share_1, share_both.
    """
    rows = []
    for confidence in CONFIDENCES:
        found, fits = {}, []
        for number, group in groups.items():
            fit = fit_conformal(group.fit_labels, group.fit_probabilities, confidence)
            found[number] = coverage(group.labels, fit(group.probabilities))
            fits.append(fit.counts)
            rows.append(_row(protocol, system, confidence, str(number), fit.counts, found[number]))
        rows.append(_row(protocol, system, confidence, ALL, _fewest(fits), pooled(found)))
    return pd.DataFrame(rows)


def random_rows(protocol: str, system: str, groups: Mapping[int, Judged]) -> pd.DataFrame:
    """Return the same for random parts of the groups' predictions, the mean over `N_REPEATS` cuts.

    One row a confidence; intervals are as wide as those of one cut.
    """
    cuts = [random_parts(groups, seed) for seed in range(N_REPEATS)]
    rows = []
    for confidence in CONFIDENCES:
        found, fits = {}, []
        for number, group in enumerate(g for cut in cuts for g in cut.values()):
            fit = fit_conformal(group.fit_labels, group.fit_probabilities, confidence)
            found[number] = coverage(group.labels, fit(group.probabilities))
            fits.append(fit.counts)
        total = pooled(found)
        rows.append(_row(protocol, system, confidence, ALL, _fewest(fits), total, N_REPEATS))
    return pd.DataFrame(rows)


def _fewest(fits: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return min(f[0] for f in fits), min(f[1] for f in fits)


def _row(
    protocol: str,
    system: str,
    confidence: float,
    group: str,
    fitted: tuple[int, int],
    found: Coverage,
    repeats: int = 1,
) -> dict[str, object]:
    n = sum(found.counts)
    return {
        "protocol": protocol,
        "system": system,
        "confidence": confidence,
        "group": group,
        "fit_0": fitted[0],
        "fit_1": fitted[1],
        "entries": n // repeats,
        "positives": found.counts[1] // repeats,
        **_share("coverage", sum(found.covered), n, repeats),
        **_share("coverage_0", found.covered[0], found.counts[0], repeats),
        **_share("coverage_1", found.covered[1], found.counts[1], repeats),
        "mean_size": found.mean_size,
        **{f"share_{name}": count / n for name, count in found.sets.items()},
    }


def _share(name: str, covered: int, of: int, repeats: int) -> dict[str, float]:
    low, high = wilson(covered / repeats, of / repeats)
    value = covered / of if of else np.nan
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
