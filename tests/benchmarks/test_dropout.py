import json

import numpy as np
import pytest
from dropout import (
    N_FOLDS,
    WAYS,
    Task,
    complete,
    describe,
    difference,
    recorded,
    summarise,
)
from scipy import stats


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    return rng.normal(0.70, 0.02, size=20), rng.normal(0.65, 0.05, size=20)


def test_intervals_are_those_of_scipy(drawn):
    one, two = drawn
    expected = stats.ttest_ind(one, two, equal_var=False).confidence_interval()
    found = difference(one, two)
    np.testing.assert_allclose(found["ci95"], expected)
    assert found["mean"] == pytest.approx(one.mean() - two.mean())
    assert not found["zero_inside"]
    assert difference(one, one)["zero_inside"]
    mean = describe(one)
    np.testing.assert_allclose(mean["ci95"], stats.t.interval(0.95, 19, one.mean(), stats.sem(one)))
    assert mean["sd"] == pytest.approx(np.std(one, ddof=1))


def test_folds_are_averaged_before_seeds_are_compared():
    def line(task):
        score = task.seed + 0.1 * task.fold + (1 if task.way == "sie" else 0)
        return {"auc_pr": score, "mcc": -score, "constant": 0.3, "cpu_seconds": 2.0}

    tasks = [Task(w, s, f) for w in WAYS for s in range(3) for f in range(N_FOLDS)]
    found = summarise({task: line(task) for task in tasks}, n_seeds=3)
    assert found["stock"]["auc_pr"]["mean"] == pytest.approx(1.2)
    assert found["stock"]["auc_pr"]["sd"] == pytest.approx(1.0)  # of the seeds 0, 1, 2 alone
    assert found["sie_minus_stock"]["auc_pr"]["mean"] == pytest.approx(1)
    assert found["sie_minus_stock"]["mcc"]["mean"] == pytest.approx(-1)
    assert found["constant_auc_pr"] == pytest.approx(0.3)
    json.dumps(found)


def test_what_is_recorded_is_found_again_and_other_settings_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    assert recorded(path, "one") == {}
    line = {"way": "sie", "seed": 3, "fold": 1, "auc_pr": 0.5, "settings": "one"}
    path.write_text(json.dumps(line) + "\n")
    assert recorded(path, "one") == {Task("sie", 3, 1): line}
    with pytest.raises(SystemExit, match="other settings"):
        recorded(path, "two")


def test_every_training_has_a_stream_of_its_own():
    tasks = [Task(w, s, f) for w in WAYS for s in range(20) for f in range(N_FOLDS + 1)]
    assert len({task.stream() for task in tasks}) == len(tasks)


def test_a_way_is_complete_when_nothing_is_missing():
    done = {Task(w, s, f): {} for w in WAYS[:3] for s in range(2) for f in range(N_FOLDS)}
    assert complete(done, 2) == list(WAYS[:3]) == ["stock", "one", "atoms"]
    del done[Task("one", 0, 3)]
    assert complete(done, 2) == ["stock", "atoms"]
    assert complete(done, 3) == []
