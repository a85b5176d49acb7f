"""Scores and ranks that every run of a search bears."""

import numpy as np
import pytest
from search_examples import make_ended, make_result

from sie.models.config import TrialConfig
from sie.search.places import places, scores
from sie.search.record import EndedTrial, Phase, PhaseTime, SearchOutcome, TimeUse, TrialTask
from sie.search.selection import SelectionRule, judge_repeats
from sie.training.record import TrialStatus

RULE = SelectionRule(window=10, min_epoch=30)


def outcome(searched=(), repeated=(), judged=()):
    phase = PhaseTime(0.0, 0.0, 0.0)
    use = TimeUse(0.0, 1.0, phase, phase, 0.0, 1)
    return SearchOutcome("p", searched, repeated, (), judged, None, False, use)


def test_a_full_window_has_its_epoch_and_a_shorter_trial_its_last_mean():
    curve = np.where(np.arange(60) < 45, 0.4, 0.6)
    full = EndedTrial(make_ended(0, 0).task, make_result(curve), 0.6)
    assert scores(full, RULE) == {"best_val_auc_pr": pytest.approx(0.6), "best_epoch": 50.5}
    short = make_ended(1, 0.7, n_epochs=20, status=TrialStatus.STOPPED_BY_SCHEDULER)
    assert scores(short, RULE) == {"best_val_auc_pr": pytest.approx(0.7)}


@pytest.mark.parametrize("status", ["diverged", "failed", "timed_out"])
def test_a_trial_without_a_verdict_has_nought(status):
    assert scores(make_ended(0, 0.9, status=TrialStatus(status)), RULE) == {"best_val_auc_pr": 0.0}


def test_trials_rank_by_score_with_full_windows_first_and_the_lost_ones_last():
    stopped = TrialStatus.STOPPED_BY_SCHEDULER
    searched = (
        make_ended(0, 0.5),
        make_ended(1, 0.9, n_epochs=20, status=stopped),
        make_ended(2, 0.7),
        make_ended(3, 0.9, status=TrialStatus.DIVERGED),
        make_ended(4, 0.5),
        make_ended(5, 0.9, status=TrialStatus.FAILED),
    )
    assert list(places(outcome(searched), RULE).values()) == [2, 4, 1, 5, 3, 5]


def test_repeats_have_the_place_of_their_configuration():
    configs = [TrialConfig(dropout_phi=0.1 * i) for i in range(3)]
    tasks = [
        TrialTask(f"repeat-{i}-{r}", Phase.REPEAT, 3 * r + i, config, r)
        for r in range(2)
        for i, config in enumerate(configs)
    ]
    status = [TrialStatus.COMPLETED, TrialStatus.COMPLETED, TrialStatus.FAILED]
    repeated = tuple(
        EndedTrial(t, make_result([0.5 + 0.1 * (t.number % 3)] * 60, status[t.number % 3]), 0.0)
        for t in tasks
    )
    judged = [
        judge_repeats(c, [t.result for t in repeated if t.task.config == c], RULE) for c in configs
    ]
    best_first = tuple(sorted(filter(None, judged), key=lambda item: -item.mean))
    found = places(outcome((), repeated, best_first), RULE)
    assert [found[task.key] for task in tasks] == [2, 1, 3, 2, 1, 3]
