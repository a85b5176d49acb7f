import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.hashing import content_hash, file_sha256

plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@given(plain)
def test_a_hash_is_twelve_digits_and_repeats(value):
    assert content_hash(value) == content_hash(value)
    assert len(content_hash(value)) == 12
    int(content_hash(value), 16)


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_a_mapping_does_not_matter(mapping):
    assert content_hash(mapping) == content_hash(dict(reversed(mapping.items())))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (["ab"], ["a", "b"]),
        ([["a"], "b"], [["a", "b"]]),
        (1, 1.0),
        (1, "1"),
        (None, "None"),
        (True, 1),
        ({"a": 1}, ["a", 1]),
        (np.zeros(2, np.float32), np.zeros(2, np.float64)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (b"1", "1"),
    ],
)
def test_values_that_differ_hash_apart(one, two):
    assert content_hash(one) != content_hash(two)


def test_numbers_from_numpy_hash_as_plain_ones():
    assert content_hash(np.float64(0.1), np.int64(3)) == content_hash(0.1, 3)


def test_the_order_in_memory_does_not_matter():
    array = np.arange(6).reshape(2, 3)
    assert content_hash(np.asfortranarray(array)) == content_hash(array)


def test_files_are_hashed_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    assert file_sha256(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
