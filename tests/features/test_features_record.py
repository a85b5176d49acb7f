import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.features.record import OrbitFeatures


@pytest.fixture
def features() -> OrbitFeatures:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    shares = np.array([1, 12, 3], np.float32)
    return OrbitFeatures(("a", "b"), rows, shares, np.array([0, 2, 3]))


def test_copies_share_the_multiplicity_of_their_orbit(features):
    made = features.copied(4)
    assert made.offsets.tolist() == [0, 5, 8]
    assert made.multiplicity.tolist() == [1, 3, 3, 3, 3, 1, 1, 1]
    np.testing.assert_array_equal(made.rows, features.rows[[0, 1, 1, 1, 1, 2, 2, 2]])


def test_one_copy_of_each_is_the_same(features):
    assert features.copied(1).hash == features.hash


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    most=st.integers(1, 6),
    data=st.data(),
)
def test_weighted_sums_of_copies_are_those_of_the_rows(counts, most, data):
    n = sum(counts)
    shares = data.draw(st.lists(st.integers(1, 48), min_size=n, max_size=n))
    rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    offsets = np.append(0, np.cumsum(counts))
    ids = tuple(str(i) for i in range(len(counts)))
    features = OrbitFeatures(ids, rows, np.array(shares, np.float32), offsets)
    made = features.copied(most)
    assert len(made.rows) == np.minimum(shares, most).sum()
    for one in (features, made):
        sums = np.add.reduceat(one.rows * one.multiplicity[:, None], one.offsets[:-1])
        expected = np.add.reduceat(rows * np.array(shares)[:, None], offsets[:-1])
        np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-4)
