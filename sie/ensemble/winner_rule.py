"""Which configuration of a cluster's search wins: the best one, or the cheapest that is as good.

Reorders judged configurations; judging them is `sie.search.selection`, the test
`sie.comparison.significance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np

from sie.comparison.significance import holm, least_p, sign_flip_p
from sie.ensemble.winners import ClusterSearch
from sie.models.config import TrialConfig
from sie.search.estimate import Sizes, epoch_flops
from sie.search.selection import RepeatedConfig

ALPHA = 0.05
"""Corrected p below which a configuration counts as worse than the best."""

_SIZES = Sizes(n_train=100, n_validation=0, rows_per_structure=7, dimension=32)
"""The same for all: costs are only compared."""


class WinnerRule(StrEnum):
    """How a cluster's winner is chosen among its repeated configurations."""

    BEST = "best"
    """The highest window of the repeats' average curve, the article's rule."""

    SIGNIFICANT = "significant"
    """The cheapest of those that are not significantly worse than the best."""


def by_rule(
    searches: Sequence[ClusterSearch], rule: WinnerRule
) -> tuple[tuple[ClusterSearch, ...], tuple[str, ...]]:
    """Return searches with the rule's winner first, and in words where that is not the best."""
    if rule is WinnerRule.BEST:
        return tuple(searches), ()
    chosen, remarks = [], []
    for search in searches:
        winner, why = significant_winner(search.judged)
        others = tuple(item for item in search.judged if item is not winner)
        chosen.append(replace(search, judged=(winner, *others)))
        if why:
            remarks.append(f"cluster {search.cluster}: {why}")
    return tuple(chosen), tuple(remarks)


def significant_winner(
    judged: Sequence[RepeatedConfig], alpha: float = ALPHA
) -> tuple[RepeatedConfig, str]:
    """Return the cheapest configuration that is not significantly worse than the best.

    Every other configuration is compared with the best by sign flips of the differences between
    repeats of the same seed, each a mean over its configuration's best window; a repeat that
    diverged counts with its penalty. p is corrected by Holm for the number of comparisons. Of
    those with p >= alpha, and the best, that of the least arithmetic per epoch wins, then the one
    with the smaller standard deviation over repeats, then the higher mean. Where so few repeats
    could show no difference at all, the best stays.

    The best was chosen by these very repeats, which flatters it: p is a little too small, and
    the rule keeps to the best a little too often.

    Parameters
    ----------
    judged : sequence of RepeatedConfig
        At least one, the best first.
    alpha : float
        Level of the test.

    Returns
    -------
    RepeatedConfig, str
        The winner, and why it is not the best or could not be told; empty where it is.
    """
    best, others = judged[0], judged[1:]
    if not others:
        return best, ""
    n = len(best.values)
    if least_p(n) * len(others) >= alpha:
        return best, (
            f"{n} repeats of {len(judged)} configurations can show no difference at {alpha:g}, so "
            "the best is taken; search with more --repeats"
        )
    p = holm([_p(best, other) for other in others])
    alike = [best, *(other for other, value in zip(others, p, strict=True) if value >= alpha)]
    winner = min(alike, key=lambda item: (cost(item.config), _spread(item), -item.mean))
    if winner is best:
        return best, ""
    share = cost(winner.config) / cost(best.config)
    value = p[next(i for i, other in enumerate(others) if other is winner)]
    return winner, (
        f"{winner.config.hash[:8]} ({winner.mean:.3f}) is taken instead of the best "
        f"({best.mean:.3f}): not significantly worse (p {value:.2g}), and an epoch costs "
        f"{share:.0%}"
    )


def cost(config: TrialConfig) -> float:
    """Return the arithmetic of an epoch, to compare configurations by."""
    return epoch_flops(config, _SIZES)


def _p(best: RepeatedConfig, other: RepeatedConfig) -> float:
    """Return the p of two configurations; NaN, which is never alike, without common seeds."""
    own = dict(zip(best.places, best.values, strict=True))
    pairs = zip(other.places, other.values, strict=True)
    return sign_flip_p(np.array([own[place] - value for place, value in pairs if place in own]))


def _spread(item: RepeatedConfig) -> float:
    return item.sd if np.isfinite(item.sd) else float("inf")
