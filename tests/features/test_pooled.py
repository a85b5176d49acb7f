"""Pooling by orbits against NumPy over every site."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sie.features.pooled import pooled
from sie.features.record import OrbitFeatures


@st.composite
def orbit_features(draw):
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, scale = sum(counts), draw(st.sampled_from([1e-3, 1.0, 1e3]))
    rows = (100 + scale * rng.normal(size=(n, 3))).astype(np.float32)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    multiplicity = rng.integers(1, 9, size=n).astype(np.float32)
    return OrbitFeatures(tuple(f"e{i}" for i in range(len(counts))), rows, multiplicity, offsets)


@settings(max_examples=50, deadline=None)
@given(orbit_features())
def test_equals_numpy_over_all_sites(features):
    found = pooled(features)
    assert found.ids == features.ids
    assert found.names == tuple(
        f"{of}_{k}" for of in ("mean", "sd", "min", "max") for k in range(3)
    )
    for i, got in enumerate(found.values):
        own = slice(features.offsets[i], features.offsets[i + 1])
        rows = features.rows[own].astype(np.float64)
        sites = np.repeat(rows, features.multiplicity[own].astype(int), axis=0)
        expected = [sites.mean(0), sites.std(0), sites.min(0), sites.max(0)]
        np.testing.assert_allclose(got, np.concatenate(expected), rtol=1e-9, atol=1e-11)


@settings(max_examples=20, deadline=None)
@given(orbit_features())
def test_supercells_pool_alike(features):
    tripled = OrbitFeatures(
        features.ids, features.rows, 3 * features.multiplicity, features.offsets
    )
    np.testing.assert_allclose(
        pooled(tripled).values, pooled(features).values, rtol=1e-12, atol=1e-12
    )


def test_one_site_has_no_spread():
    one = OrbitFeatures(
        ("e",), np.float32([[0.1, -2]]), np.float32([3]), np.array([0, 1], dtype=np.int64)
    )
    np.testing.assert_array_equal(pooled(one).values[0, 2:4], [0, 0])
