"""Searches recorded in a real store, read back as the grid needs them."""

import numpy as np
import pytest
from recorded_searches import make, peak, record_search

from sie.comparison.loco_results import read_loco
from sie.comparison.record import SCORES
from sie.search.plan import Budget
from sie.tracking.environment import code_hash
from sie.tracking.store import open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(None, tmp_path_factory.mktemp("mlruns"))


def read(store, *plans, code=None):
    return read_loco(store, "d", "CAMN-V1", [plan.hash for plan in plans], code or code_hash())


def test_winners_are_scored_at_the_average_best_epoch(store, tmp_path):
    curves = {
        0: [[peak(45, 0.7), peak(45, 0.9)], [peak(45, 0.6)] * 2],
        1: [[peak(45, 0.3)] * 2, [peak(65, 0.5), peak(65, 0.6)]],
    }
    plans = {cluster: make(cluster) for cluster in curves}
    verdicts = {c: record_search(store, tmp_path, plans[c], own)[0] for c, own in curves.items()}
    found = read(store, *plans.values())
    assert [winner.cluster for winner in found.winners] == [0, 1]
    for winner in found.winners:
        assert winner.verdict == verdicts[winner.cluster]
    centres = [winner.verdict.window.centre for winner in found.winners]
    assert found.best_epoch == pytest.approx(np.mean(centres))
    scores = found.scores(10)
    first = round(found.best_epoch - 4.5)
    for cluster, winning in ((0, curves[0][0]), (1, curves[1][1])):
        expected = [curve[first - 1 : first + 9].mean() for curve in winning]
        for score in SCORES:
            np.testing.assert_allclose(scores[cluster][score], expected)
    # at its own best epoch a cluster looks at least as good
    assert scores[1]["auc_pr"].mean() < found.winners[1].verdict.mean


def test_only_searches_of_the_given_plans_count(store, tmp_path):
    full, other_clusters = make(5), make(5, split_hash="another clustering")
    quick = make(5, budget=Budget(trials=4, max_epochs=160))
    record_search(store, tmp_path, full, [[peak(45, 0.2)] * 2])
    record_search(store, tmp_path, full, [[peak(45, 0.8)] * 2])
    record_search(store, tmp_path, quick, [[peak(45, 0.9)] * 2])
    record_search(store, tmp_path, other_clusters, [[peak(45, 0.4)] * 2])
    (winner,) = read(store, full).winners
    assert winner.verdict.mean == pytest.approx(0.8, abs=0.02)  # the newest of this plan
    (winner,) = read(store, quick, make(9)).winners
    assert winner.verdict.mean == pytest.approx(0.9, abs=0.02)
    assert read(store, make(9)) is None
    assert read(store, full, code="other sources") is None


def test_a_diverged_repeat_counts_as_it_does_for_the_winner(store, tmp_path):
    plan = make(7)
    record_search(store, tmp_path, plan, [[peak(45, 0.8), peak(45, 0.8), peak(45, 0.8)[:35]]])
    found = read(store, plan)
    values = found.scores(10)[7]["auc_pr"]
    assert found.winners[0].verdict.n_diverged == 1
    assert sorted(values) == pytest.approx(sorted(found.winners[0].verdict.values))
    assert values.min() < 0.6 < values.max()


def test_a_search_without_winner_is_left_out(store, tmp_path):
    plan = make(6)
    record_search(store, tmp_path, plan, [])
    assert read(store, plan) is None
