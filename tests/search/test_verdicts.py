"""Recorded searches, judged again from the store alone."""

import numpy as np
import pytest
from recorded_searches import RULE, config_of, make, peak, record_search

from sie.search.selection import Window, judge_repeats
from sie.search.verdicts import (
    average_best_epoch,
    cluster_searches,
    judged_repeats,
    rule_of,
)
from sie.tracking.queries import get_run, search
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(None, tmp_path_factory.mktemp("mlruns"))


@pytest.fixture
def recorder(store):
    return Recorder(store, "loco/d/CAMN-V1")


def test_the_order_is_by_the_repeats_and_the_winner_the_searchs_own(store, recorder, tmp_path):
    curves = [
        [peak(45, 0.5), peak(45, 0.6)],
        [peak(60, 0.8), peak(60, 0.7), peak(40, 0.9)[:20]],
        [peak(50, 0.7), peak(50, 0.7)],
    ]
    winner, run_id = record_search(store, tmp_path, make(0), curves)
    parent = get_run(store, run_id)
    judged = judged_repeats(store, recorder.experiment_id, parent)
    assert rule_of(parent) == RULE
    assert judged[0].verdict == winner
    assert [item.verdict.config for item in judged] == [config_of(i) for i in (2, 0, 1)]
    for item in judged:
        assert item.verdict == judge_repeats(item.verdict.config, item.repeats, RULE)
    (only,) = judged_repeats(store, recorder.experiment_id, parent, config_of(1).hash)
    assert only.verdict.n_diverged == 1
    few = judged_repeats(store, recorder.experiment_id, parent, metrics=("val_auc_pr",))
    assert [item.verdict.window for item in few] == [item.verdict.window for item in judged]
    assert set(few[0].verdict.scores) == {"val_auc_pr"}


def test_of_equals_the_one_that_the_search_ranked_higher_comes_first(store, recorder, tmp_path):
    curves = [[peak(45, 0.5)] * 2] * 6
    winner, run_id = record_search(store, tmp_path, make(1), curves)
    judged = judged_repeats(store, recorder.experiment_id, get_run(store, run_id))
    assert [item.verdict.config for item in judged] == [config_of(i) for i in range(6)]
    assert judged[0].verdict.config == winner.config


def test_searches_come_newest_first_and_by_tags(store, recorder, tmp_path):
    runs = [
        record_search(store, tmp_path, make(c), [], name)[1] for c, name in ((7, "a"), (7, "b"))
    ]
    found = cluster_searches(store, recorder.experiment_id, cluster="7")
    assert [run.run_id for run in found] == runs[::-1]
    one = cluster_searches(store, recorder.experiment_id, cluster="7", search_name="a")
    assert [run.run_id for run in one] == runs[:1]
    everything = search(store, [recorder.experiment_id], "")
    assert len(everything) > len(cluster_searches(store, recorder.experiment_id))


def test_the_average_best_epoch_is_that_of_the_window_centres():
    class Verdict:
        def __init__(self, first):
            self.window = Window(0.5, first, first + 9)

    assert average_best_epoch([Verdict(31), Verdict(60)]) == np.mean([35.5, 64.5])
