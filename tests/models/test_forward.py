"""Scores in NumPy against the TensorFlow network, maml's layer and structures written out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from threadpoolctl import threadpool_info, threadpool_limits

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models import atomsets_forward, forward
from sie.models.config import TrialConfig
from sie.models.forward import attention, log_odds, stack
from sie.models.readout_weights import to_maml
from sie.models.shapes import weight_shapes

D = 4
CONFIG = TrialConfig(n_layers=2, n_neurons=6, readout_width=8)


def weights_of(config, seed, scale=0.6):
    """Weights larger than at the start, so that gates close and attention is uneven."""
    rng = np.random.default_rng(seed)
    shapes = weight_shapes(config, D).items()
    return {name: scale * rng.normal(size=shape).astype(np.float32) for name, shape in shapes}


def features_of(counts, seed=0, multiplicity=None):
    rng = np.random.default_rng(seed)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    rows = rng.normal(size=(offsets[-1], D)).astype(np.float32)
    if multiplicity is None:
        multiplicity = rng.integers(1, 9, size=offsets[-1])
    ids = tuple(f"s{i}" for i in range(len(counts)))
    return OrbitFeatures(ids, rows, np.asarray(multiplicity, dtype=np.float32), offsets)


MEMBERS = [weights_of(CONFIG, seed) for seed in range(3)]
STACKED = stack(MEMBERS)
FEATURES = features_of([3, 1, 6, 2, 1])


def by_hand(weights, config, features):
    """Log-odds and last shares of one member, structure by structure, as the equations are written.

    Every site has a row of its own, memory vectors are formed, and sums run in float64.
    """
    w = {name: array.astype(float) for name, array in weights.items()}

    def dense(x, part):
        for i in range(config.n_layers):
            x = np.maximum(x @ w[f"{part}/{i}/kernel"] + w[f"{part}/{i}/bias"], 0)
        return x

    odds, shares = [], []
    recurrent = np.concatenate([w["readout/hidden_kernel"], w["readout/read_kernel"]])
    for first, last in zip(features.offsets, features.offsets[1:], strict=False):
        times = features.multiplicity[first:last].astype(int)
        sites = np.repeat(features.rows[first:last].astype(float), times, axis=0)
        memory = dense(sites, "phi") @ w["readout/kernel"] + w["readout/bias"]
        star = np.zeros(2 * config.readout_width)
        for _ in range(config.readout_steps):
            into, out, cell = np.split(star @ recurrent + w["readout/gate_bias"], 3)
            into, out = (np.clip(0.2 * x + 0.5, 0, 1) for x in (into, out))
            query = out * np.tanh(into * np.tanh(cell))
            share = np.exp(memory @ query - (memory @ query).max())
            share /= share.sum()
            star = np.concatenate([query, share @ memory])
        odds.append(dense(star, "rho") @ w["score/kernel"][:, 0] + w["score/bias"][0])
        ends = np.cumsum(times)
        shares.extend(np.add.reduceat(share, ends - times))
    return np.array(odds), np.array(shares)


def network(weights, config):
    from sie.models.atomsets import AtomSets

    model = AtomSets(config, D)
    model.assign_weights(weights)
    return model


@pytest.mark.parametrize("n_neurons", [6, 12])
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_log_odds_are_those_of_the_network(steps, n_layers, n_neurons):
    config = replace(CONFIG, readout_steps=steps, n_layers=n_layers, n_neurons=n_neurons)
    members = [weights_of(config, seed) for seed in range(3)]
    owner = np.repeat(np.arange(len(FEATURES)), np.diff(FEATURES.offsets)).astype(np.int32)
    inputs = FEATURES.rows, FEATURES.multiplicity, owner
    expected = [network(weights, config).logits(*inputs).numpy() for weights in members]
    found = log_odds(stack(members), config, FEATURES)
    assert found.dtype == np.float32
    assert found.shape == (3, len(FEATURES))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.ptp(found, axis=0).min() > 1e-3  # the members differ


def test_many_structures_are_those_of_the_predictor(monkeypatch):
    from sie.training.program import Predictor, ResidentFeatures

    monkeypatch.setattr(forward, "CHUNK", 100)
    counts = np.random.default_rng(1).integers(1, 9, size=303)  # a last chunk of three
    features = features_of(counts)
    data = ResidentFeatures(features)
    expected = [Predictor(network(weights, CONFIG))(data) for weights in MEMBERS[:2]]
    found = log_odds(stack(MEMBERS[:2]), CONFIG, features)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    shares = attention(stack(MEMBERS[:2]), CONFIG, features)
    assert shares.shape == (2, len(features.rows))
    np.testing.assert_allclose(shares[1], by_hand(MEMBERS[1], CONFIG, features)[1], atol=1e-5)


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_scores_and_shares_are_those_of_the_equations(steps, pays, monkeypatch):
    monkeypatch.setattr(atomsets_forward, "_folding_pays", lambda *_: pays)
    config = replace(CONFIG, readout_steps=steps)
    odds, shares = zip(*(by_hand(weights, config, FEATURES) for weights in MEMBERS), strict=True)
    np.testing.assert_allclose(log_odds(STACKED, config, FEATURES), odds, rtol=1e-4, atol=1e-5)
    found = attention(STACKED, config, FEATURES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, shares, rtol=1e-4, atol=1e-6)
    assert np.ptp(found[:, 0]) > 1e-3  # uneven, and not the same for all members


def test_shares_are_mamls():
    """The readout of maml gives its memory's mean alone: rows that can be told from it."""
    from maml.models.dl._layers import WeightedSet2Set

    features = features_of([2, 2, 2])
    config = replace(CONFIG, n_layers=1)
    weights = weights_of(config, 5)
    readout = {k.removeprefix("readout/"): v for k, v in weights.items() if k.startswith("readout")}
    peer = WeightedSet2Set(T=config.readout_steps, n_hidden=config.readout_width)
    peer.build([(1, None, config.n_neurons), (1, None), (1, None)])
    peer.set_weights(to_maml(readout))
    rows = np.maximum(features.rows @ weights["phi/0/kernel"] + weights["phi/0/bias"], 0)
    owner = np.repeat(np.arange(3), 2).astype(np.int32)
    read = peer([rows[None], features.multiplicity[None], owner[None]]).numpy()[0]
    mean = read[:, config.readout_width :]  # the attended memory, a x_0 + (1 - a) x_1
    memory = rows @ readout["kernel"] + readout["bias"]
    apart = memory[::2] - memory[1::2]
    of_first = np.sum((mean - memory[1::2]) * apart, axis=1) / np.sum(apart**2, axis=1)
    (found,) = attention(stack([weights]), config, features)
    np.testing.assert_allclose(found[::2], of_first, rtol=1e-3, atol=1e-4)


@st.composite
def crystals(draw):
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    n_rows = sum(counts)
    sites = st.floats(0.125, 50, width=32) | st.integers(1, 50).map(float)
    multiplicity = draw(st.lists(sites, min_size=n_rows, max_size=n_rows))
    values = st.floats(-3, 3, width=32)
    rows = draw(arrays(np.float32, (n_rows, D), elements=values))
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    ids = tuple(map(str, range(len(counts))))
    return OrbitFeatures(ids, rows, np.array(multiplicity, dtype=np.float32), offsets)


@settings(deadline=None, max_examples=50)
@given(crystals())
def test_company_supercells_and_split_orbits_change_nothing(features):
    odds = log_odds(STACKED, CONFIG, features)
    shares = attention(STACKED, CONFIG, features)
    np.testing.assert_allclose(np.add.reduceat(shares, features.offsets[:-1], axis=1), 1, rtol=1e-5)
    assert (shares >= 0).all()
    first = features.select(features.ids[:1])
    np.testing.assert_allclose(log_odds(STACKED, CONFIG, first), odds[:, :1], rtol=1e-4, atol=1e-5)
    # every row three times with a third of its multiplicity, in a cell four times as large
    n_rows = len(features.rows)
    split = OrbitFeatures(
        features.ids,
        features.rows.repeat(3, axis=0),
        (4 * features.multiplicity / 3).repeat(3),
        3 * features.offsets,
    )
    np.testing.assert_allclose(log_odds(STACKED, CONFIG, split), odds, rtol=1e-4, atol=1e-5)
    parts = attention(STACKED, CONFIG, split).reshape(len(MEMBERS), n_rows, 3)
    np.testing.assert_allclose(parts.sum(axis=2), shares, rtol=1e-4, atol=1e-6)


def test_rows_of_multiplicity_zero_change_nothing_however_large():
    at = [0, 3, 13]
    padded = OrbitFeatures(
        FEATURES.ids,
        np.insert(FEATURES.rows, at, 1e4, axis=0),
        np.insert(FEATURES.multiplicity, at, 0),
        FEATURES.offsets + np.array([0, 1, 2, 2, 2, 3]),
    )
    expected = log_odds(STACKED, CONFIG, FEATURES)
    np.testing.assert_allclose(log_odds(STACKED, CONFIG, padded), expected, rtol=1e-5, atol=1e-6)
    shares = attention(STACKED, CONFIG, padded)
    assert (shares[:, padded.multiplicity == 0] == 0).all()


def test_a_single_row_has_the_whole_share_and_no_structure_gives_no_score():
    np.testing.assert_array_equal(attention(STACKED, CONFIG, FEATURES)[:, [3, 12]], 1)
    nothing = features_of([])
    assert log_odds(STACKED, CONFIG, nothing).shape == (3, 0)
    assert attention(STACKED, CONFIG, nothing).shape == (3, 0)


def test_scores_beyond_the_range_of_exp_stay_finite():
    wild = stack([weights_of(CONFIG, 1, scale=30.0)])
    assert np.isfinite(log_odds(wild, CONFIG, FEATURES)).all()
    assert np.isfinite(attention(wild, CONFIG, FEATURES)).all()


def test_a_member_scores_the_same_alone_and_on_any_number_of_threads():
    together = log_odds(STACKED, CONFIG, FEATURES)
    before = threadpool_info()
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            np.testing.assert_array_equal(log_odds(STACKED, CONFIG, FEATURES), together)
    alone = [log_odds(stack([weights]), CONFIG, FEATURES)[0] for weights in MEMBERS]
    np.testing.assert_array_equal(alone, together)
    assert threadpool_info() == before


def test_nothing_given_is_changed():
    given = {name: array.copy() for name, array in STACKED.items()}
    rows = FEATURES.rows.copy()
    log_odds(STACKED, CONFIG, FEATURES)
    attention(STACKED, CONFIG, FEATURES)
    np.testing.assert_array_equal(FEATURES.rows, rows)
    for name, array in given.items():
        np.testing.assert_array_equal(STACKED[name], array)


def test_what_does_not_fit_is_refused():
    wide = OrbitFeatures(
        ("a",), np.zeros((1, 32), np.float32), np.ones(1, np.float32), np.arange(2)
    )
    for function in (log_odds, attention):
        with pytest.raises(InputError, match="rows of 32 numbers, but the network takes 4"):
            function(STACKED, CONFIG, wide)
        with pytest.raises(InputError, match="weights do not fit this network: phi/1"):
            function(STACKED, replace(CONFIG, n_layers=1), FEATURES)
        with pytest.raises(InputError, match=r"rho/0/kernel has shape \(16, 6\), expected"):
            function(STACKED, replace(CONFIG, readout_width=9), FEATURES)
        with pytest.raises(InputError, match=r"phi/0/kernel has shape"):
            function(STACKED, replace(CONFIG, n_neurons=7), FEATURES)


def test_tensorflow_is_not_imported():
    code = "import sys, sie.models.forward; print([m for m in sys.modules if 'tensorflow' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
