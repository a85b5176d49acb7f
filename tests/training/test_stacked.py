"""Members trained side by side against each of them trained alone by `Trainer`."""

from dataclasses import replace

import numpy as np
import pytest

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models.atomsets import initial_weights
from sie.models.readout_weights import folds
from sie.training.stacked import StackedTrainer
from sie.training.trainer import Trainer

D = 4
SEEDS = (3, 3, 11)


@pytest.fixture(scope="module")
def stacked(features, labels, split):
    return StackedTrainer(features, labels, split.train)


@pytest.fixture(scope="module")
def configs(config):
    """Three of one shape that differ in everything else."""
    return [
        config,
        replace(config, dropout_phi=0.4, dropout_rho=0.0, l2_phi=0.1, init_lr=1e-3),
        replace(config, dropout_phi=0.2, dropout_rho=0.3, l2_rho=1.0, l2_phi=0.0, max_lr=1e-2),
    ]


def alone(trainer, configs, epochs, weights=None, seeds=SEEDS):
    """Train one member after the other; for each its weights and training losses."""
    results = []
    for i, (config, seed) in enumerate(zip(configs, seeds, strict=True)):
        trainer.start(config, seed, epochs, weights and weights[i])
        trainer.run_epochs(epochs)
        results.append((trainer.weights(), trainer.curves["train_loss"]))
    return results


def require_equal(members, expected, atol=2e-6):
    """Rounding was seen to reach 1e-7 in 10 epochs and 2e-7 in 40."""
    for member, (weights, losses) in zip(members, expected, strict=True):
        assert member.diverged == ""
        np.testing.assert_allclose(member.train_loss, losses, rtol=1e-5)
        assert member.weights.keys() == weights.keys()
        for name, value in weights.items():
            found = member.weights[name]
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, value, rtol=0, atol=atol, err_msg=name)


def test_a_member_is_what_training_it_alone_gives(stacked, trainer, configs):
    for epochs in (1, 3):  # 9 updates: slow and fast weights have met once
        members = stacked.train(configs, SEEDS, epochs)
        require_equal(members, alone(trainer, configs, epochs))
    # two with the same seed differ by their hyperparameters, so these do count
    first, second, _ = (member.weights["rho/0/kernel"] for member in members)
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("width", [8, 48])
def test_so_it_is_in_other_shapes(steps, width, stacked, trainer, configs):
    shape = {"n_layers": 2, "n_neurons": 6, "readout_steps": steps, "readout_width": width}
    # 45 structures: the last batch has one alone, whose first half is empty
    given = [replace(config, batch_size=11, **shape) for config in configs[:2]]
    assert folds(6, width) == (width == 48)
    members = stacked.train(given, (0, 1), 2)
    require_equal(members, alone(trainer, given, 2, seeds=(0, 1)))


@pytest.mark.parametrize("masks", [1, 3])
def test_so_it_is_with_other_masks(masks, features, labels, split, configs, programs):
    parts = features, labels, split.train
    trainer = Trainer(*parts, split.validation, programs, masks_per_orbit=masks)
    members = StackedTrainer(*parts, masks_per_orbit=masks).train(configs, SEEDS, 2)
    require_equal(members, alone(trainer, configs, 2))


def test_rounding_stays_small_over_a_cycle_of_the_learning_rate(stacked, trainer, configs):
    gentle = [replace(config, max_lr=1e-2) for config in configs]
    require_equal(stacked.train(gentle, SEEDS, 20), alone(trainer, gentle, 20), atol=2e-5)


def test_given_weights_are_started_from(stacked, trainer, configs):
    weights = [initial_weights(configs[0], D, seed) for seed in (70, 71, 72)]
    before = [{name: array.copy() for name, array in each.items()} for each in weights]
    require_equal(
        stacked.train(configs, SEEDS, 2, weights), alone(trainer, configs, 2, weights=weights)
    )
    for each, copy in zip(weights, before, strict=True):
        for name, array in each.items():
            np.testing.assert_array_equal(array, copy[name])
    for member, start in zip(stacked.train(configs, SEEDS, 0, weights), weights, strict=True):
        assert member.train_loss.shape == (0,)
        for name, array in member.weights.items():
            np.testing.assert_array_equal(array, start[name])


def test_a_training_repeats_and_does_not_depend_on_place_or_company(stacked, configs):
    first = stacked.train(configs, SEEDS, 3)
    stacked.train(configs[::-1], (7, 8, 9), 2)
    again = stacked.train(configs, SEEDS, 3)
    turned = stacked.train(configs[::-1], SEEDS[::-1], 3)[::-1]
    (single,) = stacked.train(configs[1:2], SEEDS[1:2], 3)
    for name, value in first[1].weights.items():
        np.testing.assert_array_equal(again[1].weights[name], value)
        for other in (turned[1], single):
            np.testing.assert_allclose(other.weights[name], value, rtol=0, atol=2e-6)


def test_a_diverged_member_leaves_the_others_as_they_are(stacked, trainer, configs):
    hot = [configs[0], replace(configs[1], init_lr=1e30, max_lr=1e30), configs[2]]
    members = stacked.train(hot, SEEDS, 4)
    trainer.start(hot[1], SEEDS[1], 4)
    trainer.run_epochs(4)
    assert members[1].diverged == trainer.diverged != ""
    assert members[1].weights is None
    np.testing.assert_allclose(members[1].train_loss, trainer.curves["train_loss"], rtol=1e-5)
    others = [members[0], members[2]]
    expected = alone(trainer, [hot[0], hot[2]], 4, seeds=(SEEDS[0], SEEDS[2]))
    require_equal(others, expected)
    # nor does anything of it stay in the program
    require_equal(stacked.train(configs, SEEDS, 1), alone(trainer, configs, 1))


def test_weights_that_are_not_finite_end_their_member_alone(stacked, trainer, configs):
    whole = [replace(config, batch_size=45) for config in configs]
    weights = [initial_weights(configs[0], D, seed) for seed in (70, 71, 72)]
    # as the penalty of a huge weight: the one loss of the epoch is finite, what it leads to is not
    weights[0]["rho/0/kernel"][:] = -1e25
    members = stacked.train(whole, SEEDS, 1, weights)
    assert members[0].diverged == "training not finite in epoch 1"
    assert members[0].train_loss.shape == (0,)
    assert members[0].weights is None
    expected = alone(trainer, whole[1:], 1, weights=weights[1:], seeds=SEEDS[1:])
    require_equal(members[1:], expected)


def test_nothing_goes_on_when_all_have_diverged(stacked, configs):
    seen = []
    hot = [replace(config, init_lr=1e30, max_lr=1e30) for config in configs]
    members = stacked.train(hot, SEEDS, 50, on_epoch=seen.append)
    last = max(len(member.train_loss) for member in members) + 1
    assert seen == list(range(1, last + 1))
    assert last < 50
    assert all(member.weights is None and member.diverged for member in members)


def test_epochs_are_told_as_they_end(stacked, configs):
    seen = []
    stacked.train(configs, SEEDS, 3, on_epoch=seen.append)
    assert seen == [1, 2, 3]


def test_one_program_serves_all_trainings_of_a_shape_and_number(features, labels, split, configs):
    stacked = StackedTrainer(features, labels, split.train)
    for batch_size in (16, 45):
        given = [replace(config, batch_size=batch_size) for config in configs]
        stacked.train(given, SEEDS, 1)
    (program,) = stacked._programs.values()
    assert program._compiled.experimental_get_tracing_count() == 1


def test_what_does_not_fit_is_refused(stacked, features, labels, split, configs):
    with pytest.raises(InputError, match="no member to train"):
        stacked.train([], [], 1)
    with pytest.raises(InputError, match="3 configurations, 2 seeds"):
        stacked.train(configs, (1, 2), 1)
    with pytest.raises(InputError, match="3 configurations, 3 seeds and 1 sets of weights"):
        stacked.train(configs, SEEDS, 1, [{}])
    for name in ("n_layers", "n_neurons", "readout_width", "readout_steps", "batch_size"):
        other = replace(configs[1], **{name: 5})
        with pytest.raises(InputError, match=f"must have one {name}, but got"):
            stacked.train([configs[0], other], (0, 1), 1)
    wide = [initial_weights(configs[0], 32, seed) for seed in SEEDS]
    with pytest.raises(InputError, match="rows of 4 numbers, but the network takes 32"):
        stacked.train(configs, SEEDS, 1, wide)
    with pytest.raises(InputError, match="training id nowhere has no features"):
        StackedTrainer(features, labels, ("nowhere",))
    with pytest.raises(InputError, match="training part of the split is empty"):
        StackedTrainer(features, labels, ())
    rows = features.rows.copy()
    rows[0] = np.inf
    spoilt = OrbitFeatures(features.ids, rows, features.multiplicity, features.offsets)
    with pytest.raises(InputError, match="features of training id s0 are not finite"):
        StackedTrainer(spoilt, labels, split.train)
