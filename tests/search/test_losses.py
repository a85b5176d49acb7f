"""Ray for real: trials that hang in native code or lose their worker; a head that goes away."""

import ctypes
import dataclasses
import os
import signal
import sys
import types
from collections.abc import Callable

import numpy as np
import pytest
from ray import cloudpickle
from search_examples import make_plan

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.pretrained import StartingWeights
from sie.search import losses
from sie.search.record import Phase, TrialTask
from sie.search.session import start_ray, stop_ray
from sie.search.tuning import run_tasks
from sie.search.worker import TrainingJob
from sie.splits.record import Split
from sie.training.record import TrialStatus

SMALL = TrialConfig(n_layers=1, n_neurons=4, readout_width=8, batch_size=16)
MARKED = dataclasses.replace(SMALL, n_neurons=8)


@dataclasses.dataclass(frozen=True)
class Sabotage(StartingWeights):
    """Weights that do something to the worker of every trial with the marked configuration."""

    harm: Callable[[], object] = int

    def of(self, config):
        """Do it."""
        if config == MARKED:
            self.harm()


def sleep_with_pythons_lock():
    ctypes.PyDLL(None).sleep(600)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def make_job(harm, **budget):
    rng = np.random.default_rng(0)
    ids = tuple(f"s{i}" for i in range(40))
    rows = rng.normal(size=(80, 4)).astype(np.float32)
    features = OrbitFeatures(ids, rows, np.ones(80, np.float32), np.arange(0, 81, 2))
    labels = {entry: i % 2 for i, entry in enumerate(ids)}
    split = Split("loco-0", ids[:30], ids[30:], {"cluster": 0})
    plan = make_plan(max_epochs=10, **budget)
    starts = Sabotage(harm=harm)
    rule = plan.rule.within(10)
    return TrainingJob(features, labels, split, plan.budget, rule, starts=starts)


class Impatient:
    """Lets the trial that does harm be silent for a few seconds only."""

    def __init__(self, monkeypatch, name):
        self._monkeypatch, self._name, self._usual = monkeypatch, name, getattr(losses, name)

    def trial_started(self, task):
        """Set the allowance that holds for this trial."""
        self._monkeypatch.setattr(losses, self._name, 4.0 if task.number == 1 else self._usual)

    def require(self):
        pass

    def trial_reported(self, task, epoch, objective, curve):
        """Nothing."""

    def trial_ended(self, ended):
        """Nothing."""


def run(harm, observer=None, **budget):
    """Three trials of which the second does harm."""
    configs = [SMALL, MARKED, SMALL]
    tasks = [TrialTask(f"repeat-{i}", Phase.REPEAT, i, c, i) for i, c in enumerate(configs)]
    end = run_tasks(tasks, make_job(harm, **budget), 1, [observer] if observer else [])
    assert [trial.task.number for trial in end.trials] == [0, 1, 2]
    first, harmed, last = (trial.result for trial in end.trials)
    assert first.status is last.status is TrialStatus.COMPLETED
    return harmed


@pytest.fixture(scope="module", autouse=True)
def ray_cluster():
    # workers cannot import the tests
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield start_ray(None)
    stop_ray()


def test_a_trial_that_hangs_in_native_code_times_out_and_the_search_goes_on(monkeypatch):
    observer = Impatient(monkeypatch, "STARTING_S")
    hung = run(sleep_with_pythons_lock, observer, trial_time_limit_s=2.0)
    assert (hung.status, hung.reason) == (
        TrialStatus.TIMED_OUT,
        "hung: over 2 s without a report",
    )


@pytest.mark.long
def test_a_trial_without_a_limit_may_not_be_silent_for_ever(monkeypatch):
    hung = run(sleep_with_pythons_lock, Impatient(monkeypatch, "SILENT_S"))
    assert (hung.status, hung.reason) == (TrialStatus.TIMED_OUT, "hung: no report for 4 s")


@pytest.mark.long
def test_a_trial_that_kills_its_worker_is_tried_three_times_then_failed():
    lost = run(die)
    assert lost.status is TrialStatus.FAILED
    assert lost.reason.startswith("its worker was lost 3 times, its process died")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Ray ended it because its node ran out of memory", "ran out of memory"),
        ("1 worker(s) were killed due to the node running low on memory.", "ran out of memory"),
        ("The actor died because its node has died. Node Id: 12", "its node died"),
        ("Worker unexpectedly exits with a connection error code 2", "its process died"),
    ],
)
def test_the_newest_loss_gives_the_reason(tmp_path, text, reason):
    path = tmp_path / "error.txt"
    path.write_text(f"Failure # 1 (occurred at 1)\nanother\nFailure # 2 (occurred at 2)\n{text}\n")
    metadata = types.SimpleNamespace(num_failures=2)
    trial = types.SimpleNamespace(trial_id="a", error_file=str(path), run_metadata=metadata)
    status, why = losses.Losses().verdict(trial)
    assert status is TrialStatus.FAILED
    assert reason in why
