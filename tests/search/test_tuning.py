"""Ray for real: trials that fail, workers that are killed, tasks in reused workers."""

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from search_examples import make_ended, make_plan, make_result

from sie.errors import SearchAborted, SieError
from sie.features.record import OrbitFeatures
from sie.models.atomsets import initial_weights
from sie.models.config import TrialConfig
from sie.models.pretrained import StartingWeights
from sie.search.loco import repeat_tasks
from sie.search.record import EndedTrial
from sie.search.selection import RankedTrial
from sie.search.session import start_ray, stop_ray
from sie.search.space import parse_space
from sie.search.tuning import run_search, run_tasks
from sie.search.worker import TrainingJob
from sie.splits.record import Split
from sie.training.record import TrialStatus
from sie.training.run import train

SMALL = TrialConfig(n_layers=1, n_neurons=4, readout_width=8, batch_size=16)


def make_job(max_epochs):
    rng = np.random.default_rng(0)
    ids = tuple(f"s{i}" for i in range(40))
    rows = rng.normal(size=(80, 4)).astype(np.float32)
    features = OrbitFeatures(ids, rows, np.ones(80, np.float32), np.arange(0, 81, 2))
    labels = {entry: i % 2 for i, entry in enumerate(ids)}
    split = Split("loco-0", ids[:30], ids[30:], {"cluster": 0})
    plan = make_plan(max_epochs=max_epochs, top=1, repeats=3, trials=8)
    return plan, TrainingJob(features, labels, split, plan.budget, plan.rule.within(max_epochs))


@pytest.fixture(scope="module")
def ray_cluster():
    yield start_ray(None)
    stop_ray()


@pytest.mark.usefixtures("ray_cluster")
def test_trials_that_all_fail_end_the_search_in_one_line():
    plan, job = make_job(10)
    labels = {k: v for k, v in job.labels.items() if k != "s3"}
    with pytest.raises(SearchAborted, match="the first 5 trials all failed: InputError") as caught:
        run_search(plan, dataclasses.replace(job, labels=labels), 2, [])
    assert "s3" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("ray_cluster")
def test_what_an_observer_requires_ends_the_search_as_it_is():
    plan, job = make_job(10)

    class Stops:
        def __init__(self):
            self.started, self.ended = [], []

        def require(self):
            if self.ended:
                raise SieError("another process has taken over")

        def trial_started(self, task):
            self.started.append(task.key)

        def trial_reported(self, task, epoch, objective, curve):
            pass

        def trial_ended(self, ended):
            self.ended.append(ended.task.key)

    stops = Stops()
    tasks = repeat_tasks(plan, [RankedTrial(SMALL, 0.5, (0,))])
    with pytest.raises(SieError, match=r"^another process has taken over$"):
        run_tasks(tasks, job, 1, [stops])
    assert stops.ended == [tasks[0].key] and len(set(stops.started)) == len(stops.started)


def test_what_failed_in_an_earlier_start_does_not_end_this_one():
    plan, job = make_job(10)
    past = [
        EndedTrial(make_ended(n, 0.5).task, make_result([], TrialStatus.FAILED), 0.0)
        for n in range(plan.budget.trials)
    ]
    assert len(run_search(plan, job, 1, [], past).trials) == plan.budget.trials


@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_workers_trial_is_trained_again_and_equals_a_local_training(tmp_path):
    plan, job = make_job(30)
    tasks = repeat_tasks(plan, [RankedTrial(SMALL, 0.5, (0,))])

    class Killer:
        """Kills the worker of the first trial that reports, once."""

        def __init__(self):
            self.killed = False

        def trial_started(self, task):
            pass

        def require(self):
            pass

        def trial_reported(self, task, epoch, objective, curve):
            victims = workers_of_this_cluster()
            if not self.killed and victims:
                os.kill(victims[0], signal.SIGKILL)
                self.killed = True

        def trial_ended(self, ended):
            pass

    killer = Killer()
    end = run_tasks(tasks, job, 1, [killer])
    assert killer.killed
    assert [trial.result.status for trial in end.trials] == [TrialStatus.COMPLETED] * 3
    for trial in end.trials:
        alone = train(job.features, job.labels, job.split, trial.task.config, trial.task.seed, 30)
        for name, curve in alone.curves.items():
            np.testing.assert_array_equal(trial.result.curves[name], curve)


@pytest.mark.usefixtures("ray_cluster")
def test_trials_start_from_pretrained_weights_of_their_shape():
    plan, job = make_job(10)
    weights = initial_weights(SMALL, 4, seed=99)
    shape = SMALL.n_layers, SMALL.n_neurons, SMALL.readout_width, SMALL.readout_steps
    warm = dataclasses.replace(job, starts=StartingWeights({shape: weights}, "hash"))
    other = dataclasses.replace(SMALL, n_neurons=8)
    tasks = repeat_tasks(plan, [RankedTrial(SMALL, 0.5, (0,)), RankedTrial(other, 0.4, (1,))])
    for trial in run_tasks(tasks[:2], warm, 1, []).trials:
        task = trial.task
        start = weights if task.config == SMALL else None
        alone = train(
            job.features, job.labels, job.split, task.config, task.seed, 10, weights=start
        )
        np.testing.assert_array_equal(trial.result.curves["val_loss"], alone.curves["val_loss"])


def workers_of_this_cluster():
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue
        if name.startswith("ray::") and "TrialWorker" in name:
            found.append(int(folder.name))
    return found


@pytest.mark.usefixtures("ray_cluster")
def test_trials_of_every_recipe_are_what_a_local_training_of_their_record_gives():
    plan, job = make_job(10)
    parameters = {
        "optimiser": {"choice": ["lamb", "adamw"]},
        "schedule": {"choice": ["cosine", "constant"]},
        "standardise": {"choice": [True, False]},
        "pooling": {"choice": ["set2set", "attention"]},
        "label_smoothing": {"uniform": [0.0, 0.2]},
        "readout_width": {"value": 8, "when": {"pooling": "set2set"}},
        **{name: {"value": getattr(SMALL, name)} for name in ("n_layers", "n_neurons")},
    }
    budget = dataclasses.replace(plan.budget, trials=4)
    plan = dataclasses.replace(plan, budget=budget, space=parse_space({"parameters": parameters}))
    trials = run_search(plan, job, 1, []).trials
    assert len({trial.task.config for trial in trials}) == 4
    for trial in trials:
        texts = {name: str(value) for name, value in trial.task.config.as_params().items()}
        config = TrialConfig.from_mapping(texts)  # as MLflow keeps it and --rerun-trial reads it
        alone = train(job.features, job.labels, job.split, config, trial.task.seed, 10)
        for name, curve in trial.result.curves.items():
            expected = alone.curves[name][: len(curve)]
            np.testing.assert_allclose(curve, expected, rtol=1e-5, atol=1e-6, err_msg=name)
