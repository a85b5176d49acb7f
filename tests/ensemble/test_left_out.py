"""Networks trained without each cluster on a real Ray, against the trainer; kept, gone on with."""

import dataclasses

import numpy as np
import pytest

from sie.ensemble.building import Material, forest_of
from sie.ensemble.left_out import (
    KeptAnswers,
    LeftOutAnswer,
    LeftOutTrainer,
    calibration_members,
    left_out_jobs,
    left_out_seconds,
    predict_left_out,
)
from sie.ensemble.record import CalibrationPart, ForestPart, KnownCompounds, Member, Recipe
from sie.errors import SieError
from sie.models.config import TrialConfig
from sie.splits.record import Clustering
from sie.training.program import ProgramCache
from sie.training.trainer import Trainer

SMALL = TrialConfig(
    n_layers=1, n_neurons=4, readout_width=8, batch_size=16, init_lr=1e-3, max_lr=3e-3
)
GENTLE = dataclasses.replace(SMALL, dropout_phi=0.3)
EPOCHS = 8


def recipe_of(*configs, seeds=1, weight=0.5):
    members = tuple(
        Member(cluster, 0, config, 7 + seed)
        for cluster, config in enumerate(configs)
        for seed in range(3)
    )
    forest = ForestPart(weight, 5, 20) if weight else None
    return Recipe("d", "CAMN", "V1", "a", "b", "e", "c", "s", {0: "run"}, EPOCHS, members,
                  forest=forest, calibration=CalibrationPart("platt", seeds))  # fmt: skip


@pytest.fixture
def material(problem):
    return Material(problem.features, problem.labels)


@pytest.fixture
def known(problem):
    rng = np.random.default_rng(2)
    ids = problem.features.ids
    labels = np.array([problem.labels[entry] for entry in ids], dtype=np.int8)
    fractions = rng.dirichlet([1, 1, 1], len(ids))
    return KnownCompounds(ids, ids, labels, np.zeros(len(ids)), ("Li", "O", "S"), fractions,
                          np.zeros((len(ids), 4)))  # fmt: skip


class Told:
    def __init__(self):
        self.began, self.lines = [], []

    def __call__(self, *numbers):
        self.began.append(numbers)
        return self.lines.append


def test_the_first_networks_of_each_configuration_go_without_each_cluster(problem):
    recipe = recipe_of(SMALL, GENTLE, seeds=2)
    assert list(calibration_members(recipe)) == [0, 1, 3, 4]
    assert calibration_members(recipe.of_networks) == {}
    jobs = left_out_jobs(recipe, problem.clustering, problem.labels)
    assert [(job.cluster, job.number) for job in jobs] == [
        (cluster, number) for cluster in range(4) for number in (0, 1, 3, 4)
    ]
    members = dict(zip(problem.clustering.ids, problem.clustering.labels, strict=True))
    for job in jobs:
        assert {members[entry] for entry in job.left_out} == {job.cluster}
        assert sorted(job.train + job.left_out) == sorted(problem.clustering.ids)
    assert len({job.name for job in jobs}) == len(jobs)
    # a cluster that holds all of one class must be learnt from
    ids = problem.clustering.ids
    lone = Clustering(ids, np.array([problem.labels[entry] for entry in ids]))
    assert left_out_jobs(recipe, lone, problem.labels) == []


def test_the_time_is_in_proportion_to_what_is_trained_on(problem, material):
    recipe = recipe_of(SMALL)
    jobs = left_out_jobs(recipe, problem.clustering, problem.labels)
    whole = left_out_seconds(recipe, jobs, material, 1, 1e9)
    assert left_out_seconds(recipe, jobs[:2], material, 1, 1e9) == pytest.approx(whole / 2)


@pytest.mark.usefixtures("ray_cluster")
def test_predictions_are_those_of_trainings_without_the_cluster(problem, material, known, tmp_path):
    recipe, told = recipe_of(SMALL, GENTLE), Told()
    kept = KeptAnswers(tmp_path)
    found = predict_left_out(recipe, material, problem.clustering, known, kept, 1, told)
    assert told.began == [(0, 8, 8)] and len(told.lines) == 8
    np.testing.assert_array_equal(found.clusters, np.repeat([0, 1, 2, 3], 8))
    np.testing.assert_array_equal(found.labels, [problem.labels[entry] for entry in found.ids])
    for cluster in (1, 3):
        own = found.clusters == cluster
        left_out = tuple(np.array(found.ids)[own])
        train = tuple(sorted(set(problem.clustering.ids) - set(left_out)))
        trainer, expected = Trainer(problem.features, problem.labels, train, left_out), []
        for number in (0, 3):
            trainer.start(recipe.members[number].config, recipe.members[number].seed, EPOCHS)
            trainer.run_epochs(EPOCHS)
            expected.append(trainer.validation_probabilities())
        np.testing.assert_allclose(found.networks[own], np.mean(expected, axis=0), atol=1e-4)
        rows = [known.ids.index(entry) for entry in left_out]
        forest = forest_of(recipe, known, train).probabilities(known.fractions[rows])
        np.testing.assert_array_equal(found.forest[own], forest)
    np.testing.assert_allclose(found.raw, 0.5 * found.networks + 0.5 * found.forest)
    # all there: Ray is not asked, and networks alone need no forest
    alone = recipe_of(SMALL, GENTLE, weight=0)
    plain = predict_left_out(alone, material, problem.clustering, known, kept, 1, told)
    assert told.began[1] == (8, 0, 0)
    assert plain.forest is None
    np.testing.assert_array_equal(plain.raw, found.networks)
    # what is damaged or of other entries is trained again
    files = sorted(tmp_path.iterdir())
    assert len(files) == 8
    files[2].write_text(files[2].read_text()[:-9])
    files[5].write_text(files[0].read_text())
    jobs = left_out_jobs(recipe, problem.clustering, problem.labels)
    assert sorted(kept.read(jobs)) == [0, 1, 3, 4, 6, 7]


def test_networks_that_diverge_are_left_out_of_the_mean(problem, material, known, tmp_path):
    recipe, kept = recipe_of(SMALL, GENTLE), KeptAnswers(tmp_path)
    jobs = left_out_jobs(recipe, problem.clustering, problem.labels)
    for place, job in enumerate(jobs):
        kept.save(job, LeftOutAnswer(np.full(8, 0.1 * (place + 1))))
    kept.save(jobs[0], LeftOutAnswer(None, "training not finite in epoch 2"))
    found = predict_left_out(recipe, material, problem.clustering, known, kept, 1, Told())
    np.testing.assert_allclose(found.networks, np.repeat([0.2, 0.35, 0.55, 0.75], 8))
    kept.save(jobs[1], LeftOutAnswer(None, "training not finite in epoch 2"))
    with pytest.raises(SieError, match="all networks trained without cluster 0 diverged"):
        predict_left_out(recipe, material, problem.clustering, known, kept, 1, Told())


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.long
def test_a_training_that_fails_is_one_line(problem, material, known, tmp_path):
    broken = dataclasses.replace(
        material.features, rows=np.full_like(material.features.rows, np.nan)
    )
    bad = dataclasses.replace(material, features=broken)
    with pytest.raises(SieError, match="4 of 4 trainings failed, first the training of") as caught:
        predict_left_out(
            recipe_of(SMALL), bad, problem.clustering, known, KeptAnswers(tmp_path), 1, Told()
        )
    assert "\n" not in str(caught.value)


def test_a_network_sees_the_columns_of_its_view(problem):
    """Columns of other views may hold anything."""
    rng = np.random.default_rng(3)
    plain = problem.features
    rows = rng.normal(size=(len(plain.rows), 48)).astype(np.float32)
    whole = dataclasses.replace(plain, rows=rows)
    seen = dataclasses.replace(plain, rows=np.ascontiguousarray(rows[:, 16:]))
    recipe = recipe_of(dataclasses.replace(SMALL, view="CAMN-V1"))
    job = left_out_jobs(recipe, problem.clustering, problem.labels)[0]
    material = Material(whole, problem.labels, seen_as="CAMN-V0+V1")
    trainer = LeftOutTrainer()
    trainer._programs = ProgramCache()  # this process has its number of threads already
    answer = trainer.train(material, job, 3)
    alone = Trainer(seen, problem.labels, job.train, job.left_out)
    alone.start(job.member.config, job.member.seed, 3, None)
    alone.run_epochs(3)
    np.testing.assert_array_equal(answer.probabilities, alone.validation_probabilities())
