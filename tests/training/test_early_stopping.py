import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sie.training.early_stopping import EarlyStopping


def by_keras(rule, curve):
    """The epoch after which Keras' callback ends a training with these scores."""
    import tensorflow as tf

    callback = tf.keras.callbacks.EarlyStopping(
        monitor="score",
        min_delta=rule.min_gain,
        patience=rule.patience,
        mode="max",
        start_from_epoch=rule.start_epoch,
    )
    callback.set_model(tf.keras.Sequential())
    callback.on_train_begin()
    for epoch, value in enumerate(curve):
        callback.on_epoch_end(epoch, {"score": value})
        if callback.model.stop_training:
            return epoch + 1
    return None


@settings(deadline=None)
@given(
    curve=st.lists(st.sampled_from([0.1, 0.2, 0.2005, 0.202, 0.5, np.nan]), max_size=40),
    patience=st.integers(2, 6),
    start=st.integers(0, 8),
)
def test_stops_when_keras_does(curve, patience, start):
    rule = EarlyStopping(patience=patience, start_epoch=start)
    found = rule.stop_epoch(np.array(curve))
    assert found == by_keras(rule, curve)


def test_the_articles_rule_on_a_flat_curve():
    flat = np.full(500, 0.4)
    # epochs 1-30 are not looked at, 31 is the first best, 100 epochs without a gain follow
    assert EarlyStopping().stop_epoch(flat) == 131
    assert EarlyStopping().stop_epoch(flat[:130]) is None


def test_steady_gains_never_stop_and_gains_too_small_do():
    assert EarlyStopping().stop_epoch(np.linspace(0, 1, 500)) is None
    assert EarlyStopping().stop_epoch(0.4 + 1e-6 * np.arange(500)) == 131


def test_an_undefined_metric_stops_at_the_first_chance():
    assert EarlyStopping().stop_epoch(np.full(500, np.nan)) == 130
