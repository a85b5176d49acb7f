"""What a training aims at, against scikit-learn and Keras."""

import numpy as np
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from sie.models.config import TrialConfig
from sie.training.aims import loss_terms

LABELS = np.array([0, 1, 0, 0, 1, 0, 0], np.float32)


def test_the_articles_recipe_aims_at_the_labels_themselves():
    targets, weights = loss_terms(TrialConfig(), LABELS)
    np.testing.assert_array_equal(targets, LABELS)
    np.testing.assert_array_equal(weights, 1)
    assert targets.dtype == weights.dtype == np.float32


def test_smoothing_is_that_of_keras():
    targets, _ = loss_terms(TrialConfig(label_smoothing=0.3), LABELS)
    logits = np.linspace(-2, 3, len(LABELS)).astype(np.float32)
    peer = tf.keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.3)
    ours = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))
    np.testing.assert_allclose(ours, peer(LABELS, logits), rtol=1e-5)


def test_weights_are_those_of_scikit_learn():
    _, weights = loss_terms(TrialConfig(class_weight="balanced"), LABELS)
    peer = compute_class_weight("balanced", classes=np.array([0.0, 1.0]), y=LABELS)
    np.testing.assert_allclose(weights, peer[LABELS.astype(int)], rtol=1e-6)


def test_a_single_class_is_not_weighted():
    _, weights = loss_terms(TrialConfig(class_weight="balanced"), np.ones(4, np.float32))
    np.testing.assert_array_equal(weights, 1)
