"""What is written is what is read back, from a real SQLite store."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sie.errors import InputError, TrackingError
from sie.models.config import TrialConfig
from sie.tracking.queries import children, get_run, read_result
from sie.tracking.recorder import BATCH, Recorder
from sie.tracking.store import Store, open_store
from sie.training.record import METRICS, TrialStatus


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    return Recorder(open_store(None, tmp_path_factory.mktemp("mlruns")), "loco/test/CAMN-V1")


@pytest.fixture
def parent(recorder):
    return recorder.open_run("plan/search/1", "cluster-0/search", {"phase": "p"}, {"seed": 1})


def trial(recorder, parent, number, curves, status=TrialStatus.COMPLETED, reason=""):
    config = TrialConfig(dropout_phi=0.1 + number / 1000)
    tags = {"phase": "search", "seed": 100 + number, "trial_number": number}
    run = recorder.open_run(
        f"trial-{number:04d}", f"trial-{number:04d}", tags, config.as_dict(), parent
    )
    recorder.close_run(run, status, reason, curves, {"seconds_training": 2.5})
    return run, config


def test_a_trial_comes_back_as_it_was(recorder, parent):
    rng = np.random.default_rng(0)
    curves = {name: rng.random(300) for name in METRICS}
    assert sum(map(len, curves.values())) > 2 * BATCH
    run, config = trial(recorder, parent, 7, curves)
    (stored,) = children(recorder.store, recorder.experiment_id, parent)
    assert (stored.run_id, stored.key, stored.status) == (run, "trial-0007", "FINISHED")
    assert (stored.config, stored.seed) == (config, 107)
    result = read_result(recorder.store, stored)
    assert result.status is TrialStatus.COMPLETED
    assert result.seconds_training == 2.5
    for name in METRICS:
        np.testing.assert_array_equal(result.curves[name], curves[name])


def test_undefined_values_are_left_out_and_come_back_undefined(recorder, parent):
    curves = {name: np.array([0.5, np.nan, 0.7]) for name in METRICS}
    run, _ = trial(recorder, parent, 0, curves)
    result = read_result(recorder.store, get_run(recorder.store, run))
    np.testing.assert_array_equal(result.curves["val_mcc"], [0.5, np.nan, 0.7])


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (TrialStatus.STOPPED_BY_SCHEDULER, "FINISHED"),
        (TrialStatus.DIVERGED, "FAILED"),
        (TrialStatus.INTERRUPTED, "KILLED"),
    ],
)
def test_every_ending_has_a_state_in_mlflow_and_a_reason(recorder, parent, status, shown):
    run, _ = trial(recorder, parent, 1, {}, status, "because")
    stored = get_run(recorder.store, run)
    assert (stored.status, stored.ended, stored.tags["reason"]) == (shown, status, "because")


def test_children_are_complete_beyond_a_page(recorder, parent, monkeypatch):
    monkeypatch.setattr("sie.tracking.queries.PAGE", 3)
    for number in range(8):
        trial(recorder, parent, number, {})
    keys = [run.key for run in children(recorder.store, recorder.experiment_id, parent)]
    assert keys == [f"trial-{number:04d}" for number in range(8)]


def test_artifacts_are_kept(recorder, parent, tmp_path):
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    recorder.save_figure(parent, figure, "line")
    recorder.save_json(parent, {"array": np.arange(3), "value": np.float32(0.5)}, "values.json")
    (tmp_path / "file.csv").write_text("id\n")
    recorder.save_file(parent, tmp_path / "file.csv", "tables")
    client = recorder.store.client()
    names = {item.path for item in client.list_artifacts(parent)}
    assert names == {"figures", "values.json", "tables"}
    figures = {item.path for item in client.list_artifacts(parent, "figures")}
    assert figures == {"figures/line.png", "figures/line.svg"}
    text = Path(client.download_artifacts(parent, "values.json")).read_text()
    assert json.loads(text) == {"array": [0, 1, 2], "value": 0.5}


def test_time_in_mlflow_is_counted(recorder, parent):
    before = recorder.seconds
    recorder.log(parent, metrics={"x": 1.0})
    assert recorder.seconds > before


def test_an_unknown_run_is_the_users_mistake(recorder):
    with pytest.raises(InputError, match="holds no run"):
        get_run(recorder.store, "0" * 32)


def test_a_store_that_has_gone_is_one_line(recorder):
    broken = Recorder.__new__(Recorder)
    broken.__dict__.update(recorder.__dict__)
    broken.store = Store("http://127.0.0.1:9")
    broken._client = broken.store.client()
    with pytest.raises(TrackingError) as caught:
        broken.log("x", metrics={"a": 1.0})
    assert "\n" not in str(caught.value)
