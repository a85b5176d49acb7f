"""Evaluations read back from a real store: systems of a comparison, repeats of searches."""

import numpy as np
import pytest
from recorded_searches import make, peak, record_search

from sie.comparison.evaluated import read_evaluations, recorded_evaluations
from sie.comparison.pairwise import pair_table
from sie.comparison.record import SCORES, Evaluation
from sie.comparison.recording import SystemRecord
from sie.errors import InputError
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store
from sie.training.record import TrialStatus


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(None, tmp_path_factory.mktemp("mlruns"))


def test_repeats_of_searches_are_compared_by_configuration(store, tmp_path):
    flat = [peak(45, 0.6)] * 3 + [peak(45, 0.6)[:9]]
    curves = [[peak(45, 0.7 + 0.01 * i) for i in range(4)], flat]
    winner, _ = record_search(store, tmp_path, make(2), curves, name="mine")
    found = recorded_evaluations(store, "loco/d/CAMN-V1", "mine")
    assert found["split"].unique().tolist() == ["loco-2"]
    first = found["system"] == winner.config.hash[:8]
    own = found[first].set_index("seed")["auc_pr"]
    assert own.to_list() == pytest.approx(list(winner.values))
    other = found[~first].set_index("seed")["auc_pr"]
    assert other[3] == 0.0 and np.isfinite(other).all()  # diverged: the search's penalty
    table = pair_table(found)
    assert table["n_cells"].tolist() == [4] and table["p_seeds"][0] == 1 / 8
    with pytest.raises(InputError, match="no finished search called 'other'"):
        recorded_evaluations(store, "loco/d/CAMN-V1", "other")
    with pytest.raises(InputError, match="holds no experiment loco/none"):
        recorded_evaluations(store, "loco/none")


def test_systems_are_read_as_they_were_recorded(store, controls, folds):
    recorder = Recorder(store, "kfold/toy")
    expected = {}
    for system in controls:
        record = SystemRecord(recorder, system, folds, {})
        for split in folds:
            expected[system.name, split.name] = system.evaluate(split, 0, None)
            record.write(expected[system.name, split.name], 5)
        record.write(Evaluation(folds[0].name, 1, TrialStatus.FAILED, "lost"), 6)
        record.close(1)
    found = recorded_evaluations(store, "kfold/toy")
    assert len(found) == len(expected)
    for row in found.to_dict("records"):
        scores = expected[row["system"], row["split"]].scores
        assert {name: row[name] for name in SCORES} == {name: scores[name] for name in SCORES}


def test_a_table_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("system,split,auc_pr\na,b,0.5\n")
    with pytest.raises(InputError, match="no column seed"):
        read_evaluations(path)
