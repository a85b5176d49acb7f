"""Statistics of input rows against scikit-learn's StandardScaler."""

from dataclasses import replace

import numpy as np
from sklearn.preprocessing import StandardScaler

from sie.features.record import OrbitFeatures
from sie.models.inputs import MEAN, SCALE, input_statistics, standardised


def drawn(seed=0, n=20, d=5):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 7, n)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    rows = rng.normal(3.0, [0.01, 1.0, 5.0, 100.0, 2.0], (offsets[-1], d)).astype(np.float32)
    multiplicity = rng.integers(1, 9, offsets[-1]).astype(np.float32)
    return OrbitFeatures(tuple(f"s{i}" for i in range(n)), rows, multiplicity, offsets)


def test_statistics_are_scikit_learns_with_a_weight_of_one_for_every_structure():
    features = drawn()
    weights = np.concatenate(
        [
            features.multiplicity[a:b] / features.multiplicity[a:b].sum()
            for a, b in zip(features.offsets, features.offsets[1:], strict=False)
        ]
    )
    peer = StandardScaler().fit(features.rows.astype(float), sample_weight=weights)
    found = input_statistics(features)
    np.testing.assert_allclose(found[MEAN], peer.mean_, rtol=1e-6)
    np.testing.assert_allclose(found[SCALE], peer.scale_, rtol=1e-6)
    rows = standardised(features, found).rows
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, peer.transform(features.rows), atol=2e-3, rtol=1e-4)


def test_supercells_change_nothing():
    features = drawn()
    larger = replace(features, multiplicity=features.multiplicity.copy())
    larger.multiplicity[: features.offsets[3]] *= 8
    for name, array in input_statistics(features).items():
        np.testing.assert_allclose(input_statistics(larger)[name], array, rtol=1e-5)


def test_constant_columns_become_zero():
    features = drawn()
    rows = features.rows.copy()
    rows[:, 1], rows[:, 2] = 0.1, 0.0
    found = input_statistics(replace(features, rows=rows))
    assert (found[SCALE][[1, 2]] == 1).all()
    new = standardised(replace(features, rows=rows), found).rows
    assert np.abs(new[:, [1, 2]]).max() < 1e-7
    assert np.isfinite(new).all()


def test_rows_stay_as_they_are_without_statistics():
    features = drawn()
    assert standardised(features, {}).rows is features.rows
