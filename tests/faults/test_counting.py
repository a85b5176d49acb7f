"""The counting itself: a whole search counts as whole, and everything that is broken in one shows.

The search is written by sie's own record, without training, and broken in SQLite.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from faults.counting import Count, count
from faults.local_drills import STOPPED, faulty_trial, wrong_end
from faults.searches import EXPERIMENT, HOOK, PLANNED, TRIALS, Search, Start
from faults.service_drills import left_in_order
from search_examples import make_plan, make_result

from sie.models.config import TrialConfig
from sie.search.record import EndedTrial, Phase, PhaseTime, SearchOutcome, TimeUse, TrialTask
from sie.search.recording import SearchRecord
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

VICTIM = "trial-0003"
LINE = (
    "error: lost the Ray cluster: its head 127.0.0.2:6379 has not answered for 40 s; what had "
    "ended is recorded: start the cluster, and the same command goes on from there"
)
OF_VICTIM = f"run_uuid = (select run_uuid from tags where key = 'sie.key' and value = '{VICTIM}')"


def hooked_record(witness: Path) -> type:
    """The record of searches as the hook makes it in a driver."""
    spec = importlib.util.spec_from_file_location("drill_hook", HOOK / "sitecustomize.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    hook.PLAN["witness"] = str(witness)
    module = SimpleNamespace(SearchRecord=type("Hooked", (SearchRecord,), {}))
    hook._witness(module)
    return module.SearchRecord


def ended_trial(number: int, key: str, phase: Phase) -> EndedTrial:
    config = TrialConfig(max_lr=3e-3, dropout_phi=round(0.05 * number, 2))
    curve = 0.4 + 0.01 * np.arange(10 + number)
    status, reason = TrialStatus.COMPLETED, ""
    if number == 1:
        status, reason = TrialStatus.DIVERGED, "training not finite in epoch 12"
    if number == 2:
        status, reason = TrialStatus.FAILED, "RuntimeError: the drill raises"
    result = dataclasses.replace(make_result(curve, status, reason), seconds_training=1.5 + number)
    return EndedTrial(TrialTask(key, phase, number, config, number), result, 0.5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a search that nothing happened to."""
    folder = tmp_path_factory.mktemp("drills") / "whole"
    searched = Search(folder, folder / "cache")
    recorder = Recorder(searched.store(), EXPERIMENT)
    record = hooked_record(searched.witness)(recorder, make_plan(), folder.name, folder / "mlruns")
    trials = [ended_trial(n, f"trial-{n:04d}", Phase.SEARCH) for n in range(TRIALS)]
    for trial in [*trials, ended_trial(0, "repeat-0123abcd-00", Phase.REPEAT)]:
        record.trial_started(trial.task)
        record.trial_ended(trial)
    record.flush()
    phase = PhaseTime(0.0, 0.0, 0.0)
    use = TimeUse(0.0, 1.0, phase, phase, 0.0, 1)
    record.close(SearchOutcome(record.parent, (), (), (), (), None, False, use), 0.4)
    return folder


@pytest.fixture
def searched(whole, tmp_path) -> Search:
    """A copy of it, to be broken."""
    folder = tmp_path / whole.name
    shutil.copytree(whole, folder)
    return Search(folder, folder / "cache")


def change(searched: Search, statement: str) -> None:
    with sqlite3.connect(searched.folder / "mlruns" / "mlflow.db") as database:
        assert database.execute(statement).rowcount > 0, statement
    database.close()


def test_a_search_that_nothing_happened_to_counts_as_whole(searched):
    found = count(searched)
    assert (found.planned, found.ended, found.lost, found.doubled) == (PLANNED, PLANNED, (), ())
    assert found.statuses[VICTIM] == "completed"
    assert wrong_end(found, "trial-0001", "diverged", "not finite") == ""
    assert wrong_end(found, "trial-0002", "failed", "the drill raises") == ""


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("delete from metrics where key = 'val_auc_pr' and step > 5 and {}", "val_auc_pr 5"),
        ("delete from metrics where key = 'val_auc_pr' and {}", "val_auc_pr 0"),
        ("delete from metrics where key = 'val_f1' and step = 2 and {}", "val_f1 12"),
        ("delete from metrics where step > 7 and {}", "train_loss 7, val_loss 7"),
        ("update latest_metrics set value = 12 where key = 'n_epochs' and {}", "n_epochs is 12"),
        ("update latest_metrics set value = 9 where key = 'seconds_training' and {}", "4.500000 s"),
        ("update params set value = '0.001' where key = 'max_lr' and {}", "parameters hash to"),
        ("update params set value = 'much' where key = 'max_lr' and {}", "no configuration"),
        ("delete from params where key = 'batch_size' and {}", "lacks the parameters batch_size"),
        ("update tags set value = 'abc' where key = 'config_hash' and {}", "config_hash is abc"),
        ("update runs set status = 'RUNNING' where {}", "MLflow calls it RUNNING"),
        ("update runs set status = 'SCHEDULED' where {}", "MLflow calls it SCHEDULED"),
        ("update tags set value = 'early_stopped' where key = 'status' and {}", "status is"),
        ("update tags set value = 'x' where key = 'reason' and {}", "reason is 'x', was ''"),
        ("update tags set value = 'running' where key = 'status' and {}", "never ended"),
        ("update runs set lifecycle_stage = 'deleted' where {}", "never ended"),
    ],
)
def test_what_is_broken_in_a_run_counts_as_lost(searched, statement, text):
    change(searched, statement.format(OF_VICTIM))
    found = count(searched)
    assert found.lost and all(VICTIM in line for line in found.lost)
    assert any(text in line for line in found.lost), found.lost
    assert found.doubled == ()


def test_a_whole_record_of_another_length_than_the_training_counts_as_lost(searched):
    change(searched, f"delete from metrics where step > 7 and {OF_VICTIM}")
    change(searched, f"update latest_metrics set value = 7 where key = 'n_epochs' and {OF_VICTIM}")
    assert count(searched).lost == (f"{VICTIM}: n_epochs is 7.0, was 13",)


def test_a_second_value_at_an_epoch_counts_as_doubled(searched):
    columns = "key, value, timestamp + 1, run_uuid, step, is_nan"
    change(
        searched,
        "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) "
        f"select {columns} from metrics where key = 'val_loss' and step = 3 and {OF_VICTIM}",
    )
    found = count(searched)
    assert (found.lost, found.doubled) == ((), (f"{VICTIM}: curve twice",))


def test_a_trial_without_the_wanted_reason_is_remarked(searched):
    change(searched, "update tags set value = '' where key = 'reason'")
    assert wrong_end(count(searched), "trial-0001", "diverged", "not finite")
    reasons = {"trial-0001": "hung: over 10 s"}
    found = Count(1, 1, (), (), {"trial-0001": "timed_out"}, reasons)
    assert wrong_end(found, "trial-0001", "timed_out", "hung") == ""
    assert wrong_end(found, "trial-0001", "diverged", "hung")
    assert wrong_end(found, "trial-0002", "timed_out", "hung")
    with pytest.raises(ValueError, match="empty word"):
        faulty_trial(None, None, "nan", "diverged", "")


def test_the_summary_of_a_stopped_search_is_its_own():
    progress = "cluster 0 search: 6/10, best 0.507, 1 stopped, 2 interrupted, 21 s so far\n"
    end = (
        "25 s wall time (search 21 s, repeats 0 s) on 2 workers: 24% training\n"
        "results: MLflow experiment loco/starter/CAMNS-V1, run 82c7\nlook at them: mlflow ui\n"
        "stopped; what had ended is recorded: the same command goes on from there\n"
    )
    assert STOPPED.search(progress + end)
    lines = end.splitlines(keepends=True)
    for missing in (0, 1, 3):
        rest = "".join(line for i, line in enumerate(lines) if i != missing)
        assert not STOPPED.search(progress + rest)
    assert not STOPPED.search(progress + "stopped\n")


@pytest.mark.parametrize(
    ("code", "errors", "remarks"),
    [
        (1, [LINE], 0),
        (1, [], 1),
        (1, [LINE, LINE], 1),
        (1, [LINE, "Failed to connect to GCS within 60 seconds"], 1),
        (1, ["error: the MLflow store has not answered in 120 s"], 1),
        (0, [LINE], 1),
        (-6, ["Fatal Python error: Aborted"], 2),
    ],
)
def test_a_search_without_a_head_ends_with_one_line(tmp_path, code, errors, remarks):
    (tmp_path / "err-0.txt").write_text("".join(f"{line}\n" for line in errors))
    start = Start(SimpleNamespace(wait=lambda seconds: None, returncode=code), tmp_path, 0)
    assert len(left_in_order(start)) == remarks
