"""Training on a real Ray: as the search trains, cut off, gone on with, with lost workers."""

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from sie.ensemble.building import Material, assemble, train_members
from sie.ensemble.kept import KeptMembers
from sie.ensemble.record import KnownCompounds, Member, Recipe
from sie.errors import SieError
from sie.models.atomsets import initial_weights
from sie.models.config import TrialConfig
from sie.models.pretrained import StartingWeights
from sie.training.trainer import Trainer

SMALL = TrialConfig(
    n_layers=1, n_neurons=4, readout_width=8, batch_size=16, init_lr=1e-3, max_lr=3e-3
)
GENTLE = dataclasses.replace(SMALL, dropout_phi=0.3, max_lr=2e-3)
WIDE = dataclasses.replace(SMALL, n_neurons=8)
KNOWN = KnownCompounds((), (), np.zeros(0, np.int8), np.zeros(0), (), np.zeros((0, 0)),
                       np.zeros((0, 4)))  # fmt: skip


def recipe_of(*configs, seeds=3, epochs=12):
    members = tuple(
        Member(cluster, 0, config, 7 + seed)
        for cluster, config in enumerate(configs)
        for seed in range(seeds)
    )
    return Recipe("d", "CAMN", "V1", "a", "b", "e", "c", "s", {0: "run"}, epochs, members)


@pytest.fixture
def material(problem):
    return Material(problem.features, problem.labels)


class Progress:
    """Counts what is told, and does something at the first call."""

    def __init__(self, first=lambda: None):
        self.told, self.began, self._first = 0, [], first

    def __call__(self, n_kept, n_rest, n_epochs):
        self.began.append((n_kept, n_rest, n_epochs))
        return self.advance

    def advance(self, line):
        self.told += 1
        if self.told == 1:
            self._first()


@pytest.mark.usefixtures("ray_cluster")
def test_members_learn_and_are_those_of_the_recipe(material, tmp_path):
    recipe = recipe_of(SMALL, WIDE, GENTLE, seeds=2, epochs=25)
    progress = Progress()
    trained = train_members(
        recipe, material, KeptMembers(tmp_path / "k", recipe, "code"), 2, progress
    )
    assert sorted(trained) == list(range(6))
    ((n_kept, n_rest, n_epochs),) = progress.began
    assert (n_kept, n_rest) == (0, 6)
    assert progress.told == n_epochs
    for number, member in trained.items():
        expected = initial_weights(recipe.members[number].config, 4, seed=0)
        assert {k: v.shape for k, v in member.weights.items()} == {
            k: v.shape for k, v in expected.items()
        }
    # each is what the trainer of the search makes of the same configuration, seed and entries
    ids = material.features.ids
    trainer = Trainer(material.features, material.labels, ids, ids[:4])
    for number in (1, 2):
        trainer.start(recipe.members[number].config, recipe.members[number].seed, 25)
        trainer.run_epochs(25)
        np.testing.assert_allclose(
            trained[number].train_loss, trainer.curves["train_loss"], rtol=1e-3
        )
    scores = np.array([trained[i].weights["score/kernel"].ravel() for i in (0, 1, 4, 5)])
    assert len({tuple(row) for row in scores}) == 4
    # SMALL and GENTLE share a shape; their neighbours in the program do not matter
    alone = dataclasses.replace(recipe, members=recipe.members[1:2])
    (again,) = train_members(
        alone, material, KeptMembers(tmp_path / "a", alone, "code"), 1, Progress()
    ).values()
    for name, array in trained[1].weights.items():
        np.testing.assert_allclose(again.weights[name], array, atol=2e-4)


@pytest.mark.usefixtures("ray_cluster")
def test_what_ended_before_an_interruption_is_not_trained_again(material, tmp_path):
    recipe = recipe_of(SMALL, WIDE, seeds=2, epochs=6)

    class Interrupted(KeptMembers):
        def save(self, number, trained):
            if len(list(tmp_path.rglob("*.npz"))) == 2:
                raise KeyboardInterrupt
            super().save(number, trained)

    with pytest.raises(KeyboardInterrupt):
        train_members(recipe, material, Interrupted(tmp_path, recipe, "code"), 1, Progress())
    kept = KeptMembers(tmp_path, recipe, "code")
    first = kept.read()
    assert len(first) == 2
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    progress = Progress()
    trained = train_members(recipe, material, kept, 1, progress)
    assert progress.began[0][:2] == (2, 2)
    assert sorted(trained) == [0, 1, 2, 3]
    for path, changed in files.items():
        assert path.stat().st_mtime_ns == changed
    for number, member in first.items():
        for name, array in member.weights.items():
            np.testing.assert_array_equal(trained[number].weights[name], array)
    # all there: nothing is trained, and Ray is not asked
    progress = Progress()
    assert sorted(train_members(recipe, material, kept, 1, progress)) == [0, 1, 2, 3]
    assert progress.began == [(4, 0, 0)]


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.long
def test_a_killed_worker_costs_its_chunk_once_more(material, tmp_path):
    recipe = recipe_of(SMALL, seeds=4, epochs=400)
    kept = KeptMembers(tmp_path / "k", recipe, "code")

    def kill():
        victims = trainers_of_this_cluster()
        assert victims
        os.kill(victims[0], signal.SIGKILL)

    progress = Progress(kill)
    trained = train_members(recipe, material, kept, 2, progress)
    assert sorted(trained) == [0, 1, 2, 3]
    assert progress.told == progress.began[0][2]  # no epoch counts twice


@pytest.mark.usefixtures("ray_cluster")
def test_members_start_from_pretrained_weights_of_their_shape(material, tmp_path):
    weights = initial_weights(SMALL, 4, seed=99)
    shape = SMALL.n_layers, SMALL.n_neurons, SMALL.readout_width, SMALL.readout_steps
    slow = dataclasses.replace(SMALL, init_lr=1e-9, max_lr=1e-9)
    recipe = recipe_of(slow, dataclasses.replace(slow, n_neurons=8), seeds=1, epochs=1)
    warm = dataclasses.replace(material, starts=StartingWeights({shape: weights}, "hash"))
    trained = train_members(recipe, warm, KeptMembers(tmp_path, recipe, "code"), 1, Progress())
    for name, array in weights.items():
        np.testing.assert_allclose(trained[0].weights[name], array, atol=1e-5)
    assert trained[1].weights["phi/0/kernel"].shape == (4, 8)


@pytest.mark.usefixtures("ray_cluster")
def test_a_chunk_that_fails_is_one_line_and_the_others_are_kept(material, tmp_path):
    recipe = recipe_of(SMALL, WIDE, seeds=1, epochs=3)
    shape = SMALL.n_layers, SMALL.n_neurons, SMALL.readout_width, SMALL.readout_steps
    broken = StartingWeights({shape: {"phi/0/kernel": np.zeros((9, 9))}}, "hash")
    kept = KeptMembers(tmp_path, recipe, "code")
    with pytest.raises(SieError, match="1 of 2 trainings failed, first the training of") as caught:
        train_members(recipe, dataclasses.replace(material, starts=broken), kept, 1, Progress())
    assert "\n" not in str(caught.value)
    assert list(kept.read()) == [1]


@pytest.mark.usefixtures("ray_cluster")
def test_diverged_members_are_left_out_and_named(material, tmp_path):
    wild = dataclasses.replace(SMALL, init_lr=1e30, max_lr=1e35)
    recipe = recipe_of(SMALL, wild, seeds=2, epochs=8)
    kept = KeptMembers(tmp_path, recipe, "code")
    trained = train_members(recipe, material, kept, 1, Progress())
    assert [bool(trained[i].diverged) for i in range(4)] == [False, False, True, True]
    ensemble = assemble(recipe, trained, KNOWN, {})
    assert ensemble.members == recipe.members[:2]
    assert len(ensemble.left_out) == 2
    assert ensemble.left_out[0].startswith("cluster 1, rank 1, seed 7: ")
    # a diverged member is known as such and not trained again
    read = kept.read()
    assert read[2].weights is None
    assert read[2].diverged == trained[2].diverged
    only = {i: trained[i] for i in (2, 3)}
    with pytest.raises(SieError, match="all 2 networks diverged"):
        assemble(recipe, only, KNOWN, {})


def trainers_of_this_cluster():
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue
        if name.startswith("ray::MemberTrainer"):
            found.append(int(folder.name))
    return found
