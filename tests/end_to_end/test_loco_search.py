"""The main job for real: Ray, TensorFlow, MLflow on SQLite, the embedded starter set."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from sie.search.selection import OBJECTIVE, SelectionRule, best_window
from sie.splits.archive import load_hold_out, load_splits
from sie.tracking.queries import children, read_result, search
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store
from sie.training.record import METRICS, TrialStatus

pytestmark = pytest.mark.end_to_end

TINY = ("--trials", 4, "--top", 2, "--repeats", 2, "--max-epochs", 12, "--grace-epochs", 4)
QUICK = ("--cluster", 0, "--search-space", "quick", *TINY)


@pytest.fixture(scope="module")
def finished(terminal):
    ran = terminal.run("loco_search.py", *QUICK, "--mode", "repeatable", "--max-concurrent", 2)
    assert ran.code == 0, ran.out + ran.err
    return ran


@pytest.fixture(scope="module")
def record(finished, terminal):
    store = open_store(None, terminal.folder / "mlruns")
    recorder = Recorder(store, "loco/starter/CAMNS-V1")
    (parent,) = search(store, [recorder.experiment_id], "tags.phase = 'cluster-search'")
    return store, recorder.experiment_id, parent


def test_it_says_what_it_found_and_what_to_do_next(finished):
    assert "winner of cluster 0: AUC-PR" in finished.out
    assert "mlflow ui --workers 1 --backend-store-uri sqlite:///mlruns/mlflow.db" in finished.out
    assert "experiments/loco_search.py --cluster all" in finished.out
    assert "--trials 4 --top 2 --repeats 2 --max-epochs 12" in finished.out
    assert finished.err == ""


def test_the_command_that_shows_the_record_can_be_called(finished, terminal):
    command = re.search(r"look at them: \S+ (\S+) ui", finished.out)[1]
    assert (terminal.folder / command).is_file() or shutil.which(command)


def test_every_trial_and_repeat_has_one_run_with_full_curves(record):
    store, experiment, parent = record
    runs = children(store, experiment, parent.run_id)
    searched = [run for run in runs if run.tags["phase"] == "search"]
    repeated = [run for run in runs if run.tags["phase"] == "repeat"]
    assert [run.key for run in searched] == [f"trial-{n:04d}" for n in range(4)]
    assert len(repeated) == 4
    for run in runs:
        result = read_result(store, run)
        assert result.status.counts
        assert result.n_epochs in (4, 8, 12)
        assert set(result.curves) == set(METRICS)
        assert all(len(curve) == result.n_epochs for curve in result.curves.values())
        for tag in ("dataset_hash", "features_hash", "split_hash", "space_hash", "plan_hash"):
            assert run.tags[tag] == parent.tags[tag]
    for run in repeated:
        assert read_result(store, run).status is TrialStatus.COMPLETED


def test_the_recorded_winner_follows_from_the_recorded_curves(record):
    store, experiment, parent = record
    client = store.client()
    winner = json.loads(Path(client.download_artifacts(parent.run_id, "winner.json")).read_text())
    rule = SelectionRule().within(12)
    means = {}
    for run in children(store, experiment, parent.run_id):
        if run.tags["phase"] == "repeat":
            means.setdefault(run.config, []).append(read_result(store, run).curves[OBJECTIVE])
    best = {
        config: best_window(np.mean(curves, axis=0), rule).mean for config, curves in means.items()
    }
    config = max(best, key=lambda key: best[key])
    assert winner["config"] == config.as_dict()
    assert winner["val_auc_pr_mean"] == pytest.approx(best[config])
    assert parent.metrics["best_val_auc_pr"] == pytest.approx(best[config])


def test_the_parent_documents_the_search(record):
    store, _, parent = record
    names = {item.path for item in store.client().list_artifacts(parent.run_id)}
    assert {
        "plan.json",
        "space.json",
        "dataset.md",
        "leakage.json",
        "splits.json",
        "hold_out.json",
        "repeats.json",
        "winner.json",
        "entries.csv",
        "run.yaml",
        "figures",
    } <= names
    assert parent.status == "FINISHED"
    (data,) = store.client().get_run(parent.run_id).inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("starter", parent.tags["dataset_hash"])
    assert "Winner of cluster 0" in parent.tags["mlflow.note.content"]


def test_every_run_has_a_score_and_a_rank(record):
    store, experiment, parent = record
    runs = children(store, experiment, parent.run_id)
    assert all({"best_val_auc_pr", "rank"} <= run.metrics.keys() for run in (parent, *runs))
    for phase, places in (("search", [1, 2, 3, 4]), ("repeat", [1, 1, 2, 2])):
        own = [run for run in runs if run.tags["phase"] == phase]
        assert sorted(run.metrics["rank"] for run in own) == places


def test_test_ids_never_reach_a_trial(record):
    store, _, parent = record
    client = store.client()
    held = load_hold_out(Path(client.download_artifacts(parent.run_id, "hold_out.json")))
    archive = load_splits(Path(client.download_artifacts(parent.run_id, "splits.json")))
    (split,) = archive.splits
    entries = Path(client.download_artifacts(parent.run_id, "entries.csv")).read_text()
    rows = entries.splitlines()
    assert rows[0] == "id,formula,log10_sigma,label"
    assert {row.partition(",")[0] for row in rows[1:]} == set(held.development)
    assert set(split.train) | set(split.validation) == set(held.development)
    assert len(held.test) >= 10
    assert set(held.test).isdisjoint(held.development)
    assert parent.tags["hold_out_hash"] == held.hash
    assert parent.tags["split_hash"] == split.hash


@pytest.mark.long
def test_one_worker_gives_the_same_trials_in_repeatable_mode(record, terminal):
    store, experiment, parent = record
    ran = terminal.run(
        "loco_search.py", *QUICK, "--mode", "repeatable", "--max-concurrent", 1, "--name", "alone"
    )
    assert ran.code == 0, ran.out + ran.err
    (other,) = search(store, [experiment], "tags.search_name = 'alone'")
    pairs = zip(
        children(store, experiment, parent.run_id),
        children(store, experiment, other.run_id),
        strict=True,
    )
    for one, two in pairs:
        assert (one.key, one.config, one.seed) == (two.key, two.config, two.seed)
        assert one.ended is two.ended
        first, second = read_result(store, one), read_result(store, two)
        for name in METRICS:
            np.testing.assert_array_equal(first.curves[name], second.curves[name])


def test_a_recorded_trial_can_be_trained_again_bit_for_bit(record, terminal):
    store, experiment, parent = record
    run = children(store, experiment, parent.run_id)[-1]
    ran = terminal.run("loco_search.py", "--rerun-trial", run.run_id, "--json")
    assert ran.code == 0, ran.out + ran.err
    assert "equal bit for bit" in ran.err
    result = json.loads(ran.out)["result"]
    assert result["equal"] and result["recorded_run_id"] == run.run_id
    assert result["objective"] == result["recorded_objective"]


def test_the_kept_options_are_a_file_that_plans_the_same_search(record, terminal):
    store, experiment, parent = record
    kept = store.client().download_artifacts(parent.run_id, "run.yaml")
    ran = terminal.run("loco_search.py", "--config", kept, "--dry-run", "--json", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    answer = json.loads(ran.out)
    (plan,) = answer["result"]["plans"]
    assert plan["plan_hash"] == parent.tags["plan_hash"]
    assert answer["options"]["grace_epochs"] == 4
    assert len(search(store, [experiment], "tags.search_name = 'search'")) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--cluster", 99), "cluster 99 does not exist; choose one of (entries/positives): 0 ("),
        (("--cluster", "three"), "give numbers or all"),
        (("--cluster", 0, "--dataset", "obelx"), "did you mean 'obelix'?"),
        (("--cluster", 0, "--search-space", "none.yaml"), "none.yaml: cannot read"),
        (("--cluster", 0, "--trials", 0), "must be a whole number, 1 or more"),
        (("--cluster", 0, "--level", "V9"), "must be V0, V1, V2 or V3"),
        (("--cluster", 0, "--tracking-uri", "./mlruns"), "use sqlite:///FILE"),
        (("--cluster", 0, "--dataset", "table"), "--table"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(terminal, options, text):
    ran = terminal.run("loco_search.py", *options)
    assert ran.code == 2
    assert text in ran.err
    assert "Traceback" not in ran.err


def test_a_server_that_is_away_is_one_line_and_exit_code_1(terminal):
    ran = terminal.run("loco_search.py", *QUICK, "--tracking-uri", "http://127.0.0.1:9")
    assert ran.code == 1
    assert "cannot be reached" in ran.err
    assert ran.err.count("\n") == 1
