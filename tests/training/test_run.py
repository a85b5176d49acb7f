import logging
from dataclasses import replace

import numpy as np
import pytest

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.splits.record import Split
from sie.training.early_stopping import EarlyStopping
from sie.training.record import METRICS, TrialStatus
from sie.training.run import CHUNK_EPOCHS, train


@pytest.fixture
def run(features, labels, split, config, programs):
    def call(max_epochs=12, features=features, config=config, **options):
        return train(features, labels, split, config, 0, max_epochs, programs=programs, **options)

    return call


def lengths(result):
    assert result.curves.keys() == set(METRICS)
    (length,) = {len(curve) for curve in result.curves.values()}
    assert length == result.n_epochs
    return length


def test_a_trial_runs_to_its_last_epoch(run):
    seen = []
    result = run(on_chunk=lambda trainer: seen.append((trainer.epoch, trainer.done)))
    assert (result.status, result.reason) == (TrialStatus.COMPLETED, "")
    assert lengths(result) == 12
    assert seen == [(CHUNK_EPOCHS, False), (12, True)]
    assert result.seconds_training > 0
    assert result.seconds_setup > 0


def test_no_gain_stops_a_trial_at_its_epoch(run):
    rule = EarlyStopping(patience=3, min_gain=2.0, start_epoch=2)  # no score can rise by 2
    result = run(max_epochs=40, early_stopping=rule)
    assert result.status is TrialStatus.EARLY_STOPPED
    assert result.reason == "no gain of 2 in val_auc_pr for 3 epochs"
    assert lengths(result) == 2 + 1 + 3
    whole = run(max_epochs=40)
    np.testing.assert_array_equal(result.curves["val_loss"], whole.curves["val_loss"][:6])


def test_a_time_limit_ends_a_trial_after_a_chunk(run):
    result = run(max_epochs=40, time_limit_s=1e-3)
    assert (result.status, result.reason) == (TrialStatus.TIMED_OUT, "over 0.001 s")
    assert lengths(result) == CHUNK_EPOCHS
    assert run(max_epochs=5, time_limit_s=1e-3).status is TrialStatus.COMPLETED


def test_huge_features_diverge_without_nan_in_the_curves(run, features):
    huge = OrbitFeatures(
        features.ids, features.rows * np.float32(1e30), features.multiplicity, features.offsets
    )
    result = run(features=huge, max_epochs=40)
    assert result.status is TrialStatus.DIVERGED
    assert "not finite in epoch" in result.reason
    assert lengths(result) < 40
    assert all(np.isfinite(curve).all() for curve in result.curves.values())
    assert not result.status.counts


def test_an_absurd_learning_rate_diverges(run, config):
    result = run(config=replace(config, init_lr=1e30, max_lr=1e30), max_epochs=40)
    assert result.status is TrialStatus.DIVERGED
    assert all(np.isfinite(curve).all() for curve in result.curves.values())


def test_validation_without_a_positive_is_no_divergence(features, labels, config, programs):
    negative = tuple(entry for entry in features.ids if not labels[entry])
    split = Split("negatives", tuple(set(features.ids) - set(negative[:5])), negative[:5])
    result = train(features, labels, split, config, 0, 3, programs=programs)
    assert result.status is TrialStatus.COMPLETED
    assert np.isnan(result.curves["val_auc_pr"]).all()
    assert np.isfinite(result.curves["val_loss"]).all()


def test_an_exception_is_a_failed_trial_with_its_reason_and_a_logged_traceback(run, caplog):
    def break_down(trainer):
        raise OSError("disk full\nsecond line")

    with caplog.at_level(logging.ERROR):
        result = run(on_chunk=break_down)
    assert (result.status, result.reason) == (TrialStatus.FAILED, "OSError: disk full")
    assert lengths(result) == CHUNK_EPOCHS
    assert "break_down" in caplog.text


def test_weights_of_another_shape_fail_before_the_first_epoch(run):
    result = run(weights={"phi/0/kernel": np.zeros((2, 2))})
    assert result.status is TrialStatus.FAILED
    assert "weights do not fit this network" in result.reason
    assert lengths(result) == 0


def test_ctrl_c_ends_a_trial_with_what_it_has(run):
    def press(trainer):
        raise KeyboardInterrupt

    result = run(on_chunk=press)
    assert (result.status, result.reason) == (TrialStatus.INTERRUPTED, "stopped by the user")
    assert lengths(result) == CHUNK_EPOCHS


def test_a_split_of_unknown_ids_is_the_users_mistake(features, labels, config):
    with pytest.raises(InputError, match="has no features"):
        train(features, labels, Split("wrong", ("a",), ("b",)), config, 0, 1)
