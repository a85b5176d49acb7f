"""The worker alone, without Ray around it."""

import dataclasses
import os

import numpy as np
import pytest
from search_examples import make_plan

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.search import tuning
from sie.search.record import Phase, TrialTask
from sie.search.worker import TrainingJob, TrialWorker
from sie.splits.record import Split
from sie.training import memory, threads
from sie.training.trainer import Trainer

SMALL = TrialConfig(n_layers=1, n_neurons=4, readout_width=8, batch_size=16)


@pytest.fixture
def job():
    rng = np.random.default_rng(0)
    ids = tuple(f"s{i}" for i in range(40))
    rows = rng.normal(size=(80, 4)).astype(np.float32)
    features = OrbitFeatures(ids, rows, np.ones(80, np.float32), np.arange(0, 81, 2))
    labels = {entry: i % 2 for i, entry in enumerate(ids)}
    plan = make_plan(max_epochs=20)
    split = Split("loco-0", ids[:30], ids[30:], {"cluster": 0})
    return TrainingJob(features, labels, split, plan.budget, plan.rule.within(20))


def task(number):
    return TrialTask(f"trial-{number:04d}", Phase.SEARCH, number, SMALL, seed=number)


def new_worker(job):
    """A worker as Ray's with_parameters sets it up, without what Ray's constructor does."""
    worker = TrialWorker.__new__(TrialWorker)
    worker.setup({"task": task(0)}, job=job)
    return worker


def play(worker):
    while True:
        report = worker.step()
        if report["done"]:
            return report


def test_memory_is_given_back_before_every_trial(job, monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "return_freed_memory", lambda: calls.append(1))
    monkeypatch.setattr(threads, "limit_threads", lambda n: None)
    worker = new_worker(job)
    assert play(worker)["status"] == "completed"
    for number in (1, 2):
        assert worker.reset_config({"task": task(number)})
        play(worker)
    assert len(calls) == 3


def test_a_trial_sees_the_columns_of_its_view(job, monkeypatch):
    monkeypatch.setattr(threads, "limit_threads", lambda n: None)
    whole, views = "CAMN-V0+V1+CAMNS-V1", ("CAMN-V1+V0", "CAMNS-V1", "CAMN-V1+V0")
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(80, 80)).astype(np.float32)
    wide = dataclasses.replace(job.features, rows=rows)
    worker = new_worker(dataclasses.replace(job, features=wide, seen_as=whole))
    for view in views:
        columns = np.r_[16:48, 0:16] if view == views[0] else np.r_[48:80]
        config = dataclasses.replace(SMALL, view=view)
        worker.reset_config({"task": dataclasses.replace(task(3), config=config)})
        curves = []
        while not (report := worker.step())["done"]:
            curves += report["curves"]["train_loss"]
        narrow = dataclasses.replace(wide, rows=np.ascontiguousarray(rows[:, columns]))
        trainer = Trainer(narrow, job.labels, job.split.train, job.split.validation)
        trainer.start(SMALL, 3, 20)
        trainer.run_epochs(20)
        curves += report["curves"]["train_loss"]
        np.testing.assert_array_equal(curves, trainer.curves["train_loss"])


def test_a_failure_is_a_status_with_a_reason(job, monkeypatch):
    monkeypatch.setattr(threads, "limit_threads", lambda n: None)
    broken = dataclasses.replace(job, labels={})
    report = new_worker(broken).step()
    assert (report["status"], report["done"]) == ("failed", True)
    assert report["reason"].startswith("InputError: training id s0")


def test_as_many_trials_wait_as_there_are_workers(monkeypatch):
    name = "TUNE_MAX_PENDING_TRIALS_PG"
    monkeypatch.delenv(name, raising=False)
    with tuning._pending_trials(7):
        assert os.environ[name] == "7"
    assert name not in os.environ
    monkeypatch.setenv(name, "2")  # the user's word counts
    with tuning._pending_trials(7):
        assert os.environ[name] == "2"
    assert os.environ[name] == "2"
