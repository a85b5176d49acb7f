"""Comparisons on a real Ray and in a real store: nothing twice, nothing lost."""

import dataclasses
import os
import signal
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from sie.comparison.claim import claim
from sie.comparison.compare import compare
from sie.comparison.record import Evaluation, Kind
from sie.comparison.workers import Job, run_jobs
from sie.errors import TrackingError
from sie.search.session import start_ray, stop_ray
from sie.tracking.queries import children, get_run, search
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store
from sie.training.record import TrialStatus


@pytest.fixture(scope="module", autouse=True)
def ray_cluster():
    yield start_ray(None)
    stop_ray()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(None, tmp_path_factory.mktemp("mlruns"))


@pytest.fixture
def recorder(store, request):
    return Recorder(store, f"kfold/{request.node.name}")


class Counted:
    """Tells how much was evaluated, and with which progress it began."""

    def __init__(self):
        self.lines = []
        self.began = []

    def __call__(self, done, total):
        self.began.append((done, total))
        return self.lines.append


def run(systems, folds, n_seeds, recorder):
    counted = Counted()
    results = compare(systems, folds, n_seeds, recorder, {"dataset": "toy"}, 2, counted)
    return results, counted


def plain(result):
    return [{**e.to_plain(), "seconds": 0} for e in result.evaluations]


def test_the_second_start_evaluates_only_what_is_new(network, forest, controls, folds, recorder):
    first, counted = run([network, forest, *controls], folds, 1, recorder)
    assert counted.began == [(0, 8)]
    assert len(counted.lines) == 8
    again, counted = run([network, forest, *controls], folds, 1, recorder)
    assert counted.began == [(8, 8)]
    assert not counted.lines
    assert [plain(result) for result in again] == [plain(result) for result in first]
    more, counted = run([network, forest, *controls], folds, 2, recorder)
    # controls are means over draws themselves: one evaluation a split
    assert counted.began == [(8, 12)]
    assert plain(more[0])[::2] == plain(first[0])
    fewer, counted = run([network, forest, *controls], folds, 1, recorder)
    assert [plain(result) for result in fewer] == [plain(result) for result in first]
    assert [result.run_id for result in more] == [result.run_id for result in first]


def test_runs_tell_what_they_are(forest, folds, recorder):
    (result,), _ = run([forest], folds, 2, recorder)
    parent = get_run(recorder.store, result.run_id)
    below = children(recorder.store, recorder.experiment_id, result.run_id)
    assert parent.status == "FINISHED"
    assert [run.key for run in below] == [f"kfold-{f}-seed-0{s}" for f in (0, 1) for s in (0, 1)]
    assert {run.tags["phase"] for run in below} == {Kind.BASELINE}
    assert {run.tags["dataset"] for run in below} == {"toy"}
    assert below[0].tags["split_hash"] == folds[0].hash
    assert below[0].params["model"] == "forest"
    of_folds = [
        [e.scores["auc_pr"] for e in result.evaluations if e.split == f.name] for f in folds
    ]
    assert parent.metrics["val_auc_pr"] == pytest.approx(np.mean(of_folds))


def test_every_repeat_is_what_its_seed_gives(network, folds, recorder):
    (result,), _ = run([network], folds, 2, recorder)
    runs = children(recorder.store, recorder.experiment_id, result.run_id)
    seeds = {(run.tags["split"], run.seed): int(run.tags["random_seed"]) for run in runs}
    assert len(set(seeds.values())) == 2
    for item in result.evaluations:
        split = next(fold for fold in folds if fold.name == item.split)
        alone = network.evaluate(split, seeds[item.split, item.seed], None)
        assert item.probabilities == pytest.approx(alone.probabilities, abs=1e-4)


def test_a_second_command_waits_until_the_first_has_ended(forest, folds, recorder, caplog):
    done = []
    second = Thread(target=lambda: done.append(run([forest], folds, 1, recorder)))
    with claim(recorder):
        second.start()
        second.join(timeout=0.5)
        assert second.is_alive()
        assert not search(recorder.store, [recorder.experiment_id], "")
    second.join(timeout=60)
    ((_, counted),) = done
    assert len(counted.lines) == 2
    assert "waiting until it has ended" in caplog.text


def test_a_store_that_is_away_for_a_while_loses_nothing(forest, folds, recorder, monkeypatch):
    write, calls = recorder.open_run, []

    def failing(*arguments, **more):
        calls.append(arguments)
        if 2 <= len(calls) <= 4:
            raise TrackingError("away")
        return write(*arguments, **more)

    monkeypatch.setattr(recorder, "open_run", failing)
    monkeypatch.setattr("sie.comparison.compare.WRITING_PAUSES_S", (0.01, 0.01))
    (result,), _ = run([forest], folds, 1, recorder)
    assert len(result.evaluations) == 2
    below = children(recorder.store, recorder.experiment_id, result.run_id)
    assert len(below) == 2


class Broken:
    """A system that raises, or kills its worker a few times."""

    name, kind, params = "broken", Kind.BASELINE, {}

    def __init__(self, folder: Path, kills: int):
        self.folder, self.kills = folder, kills
        self.hash = f"broken-{kills}"

    def evaluate(self, split, seed, programs):
        count = len(list(self.folder.iterdir()))
        (self.folder / str(count)).touch()
        if self.kills < 0:
            raise ValueError("cannot\nbe done")
        if count < self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        return Evaluation(split.name, seed, scores={"auc_pr": 0.5})


@pytest.mark.parametrize(
    ("kills", "status", "reason", "tries"),
    [
        (-1, TrialStatus.FAILED, "ValueError: cannot", 1),
        (2, TrialStatus.COMPLETED, "", 3),
        (9, TrialStatus.FAILED, "worker lost 3 times", 3),
    ],
)
def test_failures_and_lost_workers(folds, tmp_path, kills, status, reason, tries):
    ended = []
    job = Job(Broken(tmp_path, kills), folds[0], 4, 5)
    run_jobs([job], 1, lambda job, evaluation: ended.append(evaluation))
    (evaluation,) = ended
    assert (evaluation.status, evaluation.seed) == (status, 4)
    assert evaluation.reason.startswith(reason)
    assert len(list(tmp_path.iterdir())) == tries


def test_what_failed_is_evaluated_again(forest, folds, recorder):
    missing = dataclasses.replace(forest, labels={**forest.labels, folds[0].validation[0]: None})
    (result,), _ = run([missing], folds[:1], 1, recorder)
    assert result.evaluations[0].status is TrialStatus.FAILED
    _, counted = run([missing], folds[:1], 1, recorder)
    assert counted.began == [(0, 1)]
