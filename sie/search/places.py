"""What every run of a search is compared by: its score, and its place among the others.

Written as the metrics `best_val_auc_pr` and `rank`, which every run bears however it ended, so that
tables sort and plots compare without gaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sie.search.record import EndedTrial, SearchOutcome
from sie.search.selection import (
    OBJECTIVE,
    RepeatedConfig,
    SelectionRule,
    best_window,
    result_objective,
)

FIRST = 1


def scores(ended: EndedTrial, rule: SelectionRule) -> dict[str, float]:
    """Return `best_val_auc_pr` of a trial, and `best_epoch` where a full window of it counts.

    A trial that was stopped before that has the mean of its last epochs, by which it was stopped;
    one that diverged, failed or ran out of time 0, with which the search counts it.
    """
    best = best_window(ended.result.curves.get(OBJECTIVE, np.empty(0)), rule)
    if best is not None and ended.result.status.counts:
        return {"best_val_auc_pr": best.mean, "best_epoch": best.centre}
    return {"best_val_auc_pr": result_objective(ended.result, rule)}


def places(outcome: SearchOutcome, rule: SelectionRule) -> Mapping[str, int]:
    """Return the place of every trial and repeat of an ended search, by key; 1 is the best.

    A trial's place is among the trials of the search phase; those that reached a full window come
    first. A repeat has the place of its configuration after the repeats. All that gave no score
    share the last place.
    """
    found = _trial_places(outcome.searched, rule)
    return found | _repeat_places(outcome.repeated, outcome.judged)


def _trial_places(searched: Sequence[EndedTrial], rule: SelectionRule) -> dict[str, int]:
    def order(ended: EndedTrial) -> tuple[bool, float, int]:
        own = scores(ended, rule)
        return "best_epoch" not in own, -own["best_val_auc_pr"], ended.task.number

    scored = sorted((t for t in searched if t.result.status.counts), key=order)
    found = {ended.task.key: place for place, ended in enumerate(scored, start=FIRST)}
    return {ended.task.key: found.get(ended.task.key, len(scored) + FIRST) for ended in searched}


def _repeat_places(
    repeated: Sequence[EndedTrial], judged: Sequence[RepeatedConfig]
) -> dict[str, int]:
    found = {item.config: place for place, item in enumerate(judged, start=FIRST)}
    last = len(judged) + FIRST
    return {ended.task.key: found.get(ended.task.config, last) for ended in repeated}
