"""Poolings, activations and standardised rows: TensorFlow, NumPy and members side by side agree."""

import numpy as np
import pytest
import tensorflow as tf

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models.atomsets import build_atomsets
from sie.models.config import TrialConfig
from sie.models.forward import attention, log_odds, stack
from sie.models.inputs import input_shapes, input_statistics, standardised
from sie.models.pretrained import StartingWeights
from sie.models.shapes import require_shapes, weight_shapes

D = 5
KINDS = [
    TrialConfig(n_layers=2, n_neurons=8, readout_width=16, activation="silu"),
    TrialConfig(n_layers=1, n_neurons=8, readout_width=16, readout_steps=1, activation="tanh"),
    TrialConfig(n_layers=2, n_neurons=8, pooling="mean"),
    TrialConfig(n_layers=1, n_neurons=8, pooling="attention", activation="tanh"),
    TrialConfig(n_layers=2, n_neurons=8, pooling="attention", standardise=True),
    TrialConfig(n_layers=2, n_neurons=8, readout_width=16, standardise=True),
]


def drawn(n=9):
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 6, n)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    rows = rng.normal(2.0, 3.0, (offsets[-1], D)).astype(np.float32)
    multiplicity = rng.integers(1, 9, offsets[-1]).astype(np.float32)
    return OrbitFeatures(tuple(f"s{i}" for i in range(n)), rows, multiplicity, offsets)


def kept(config, seed=0):
    """A network whose biases are not zero, and its weights with the inputs' statistics."""
    model = build_atomsets(config, D, seed)
    rng = np.random.default_rng(seed)
    weights = {
        name: (array + rng.normal(0, 0.3, array.shape)).astype(np.float32)
        for name, array in model.named_weights().items()
    }
    model.assign_weights(weights)
    statistics = input_statistics(drawn()) if config.standardise else {}
    return model, {**weights, **statistics}


def shape_id(config):
    return "-".join(map(str, (*config.kind, config.standardise)))


@pytest.mark.parametrize("config", KINDS, ids=shape_id)
def test_numpy_scores_are_those_of_tensorflow(config):
    features = drawn()
    networks = [kept(config, seed) for seed in (0, 1)]
    found = log_odds(stack([weights for _, weights in networks]), config, features)
    for (model, weights), own in zip(networks, found, strict=True):
        seen = standardised(features, weights)
        owner = np.repeat(np.arange(len(seen)), np.diff(seen.offsets)).astype(np.int32)
        inputs = (tf.constant(array) for array in (seen.rows, seen.multiplicity, owner))
        np.testing.assert_allclose(own, model.logits(*inputs), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("config", KINDS, ids=shape_id)
def test_names_and_shapes_are_those_of_the_network(config):
    model, weights = kept(config)
    assert {k: v.shape for k, v in model.named_weights().items()} == weight_shapes(config, D)
    require_shapes(weights, config, D, with_inputs=True)
    grouped = [variable.ref() for group in model.norm_groups() for variable in group]
    assert sorted(map(hash, grouped)) == sorted(
        hash(v.ref()) for v in model.named_variables().values()
    )
    if input_shapes(config, D):
        with pytest.raises(InputError, match="input/mean"):
            require_shapes(model.named_weights(), config, D, with_inputs=True)


def test_pooling_by_its_equations():
    features = drawn()
    for pooling in ("mean", "attention"):
        config = TrialConfig(n_layers=1, n_neurons=8, pooling=pooling)
        _, weights = kept(config)
        x = features.rows @ weights["phi/0/kernel"] + weights["phi/0/bias"]
        x = np.maximum(x, 0).astype(float)
        shares, scores = [], []
        for a, b in zip(features.offsets, features.offsets[1:], strict=False):
            score = x[a:b] @ weights.get("readout/query", np.zeros(8))
            share = features.multiplicity[a:b] * np.exp(score)
            shares.append(share / share.sum())
            rho = shares[-1] @ x[a:b] @ weights["rho/0/kernel"] + weights["rho/0/bias"]
            scores.append(np.maximum(rho, 0) @ weights["score/kernel"] + weights["score/bias"])
        stacked = stack([weights])
        found = log_odds(stacked, config, features)[0]
        np.testing.assert_allclose(found, np.ravel(scores), rtol=1e-4, atol=1e-5)
        found = attention(stacked, config, features)[0]
        np.testing.assert_allclose(found, np.concatenate(shares), rtol=1e-4, atol=1e-6)


def test_pretrained_weights_go_to_networks_of_their_kind_only():
    starts = StartingWeights({(3, 64, 512, 3): {"a": np.zeros(1)}})
    assert starts.of(TrialConfig(optimiser="adam")) is not None
    for other in ({"standardise": True}, {"activation": "tanh"}, {"pooling": "mean"}):
        assert starts.of(TrialConfig(**other)) is None
