from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sie.features.record import OrbitFeatures
from sie.training.batches import make_batches
from sie.training.stacked_batches import PARTS, stack_batches


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=20),
    st.integers(1, 4),
    st.integers(1, 22),
    st.integers(0, 2**31),
)
def test_every_member_reads_what_it_reads_alone(counts, n_members, batch_size, seed):
    rng = np.random.default_rng(seed)
    offsets = np.append(0, np.cumsum(counts))
    multiplicity = rng.integers(1, 9, size=offsets[-1]).astype(np.float32)
    rows = np.arange(offsets[-1], dtype=np.float32)[:, np.newaxis]
    features = OrbitFeatures(tuple(map(str, range(len(counts)))), rows, multiplicity, offsets)
    orders = [rng.permutation(len(counts)) for _ in range(n_members)]
    stacked = stack_batches(features, orders, batch_size)
    n_batches = (len(stacked.bounds) - 1) // PARTS
    for member, order in enumerate(orders):
        alone = make_batches(features, order, batch_size)
        assert len(alone) == n_batches
        np.testing.assert_array_equal(stacked.order[member], order)
        np.testing.assert_array_equal(stacked.bounds[::PARTS], alone.bounds)
        real = stacked.multiplicity[member] > 0
        index = stacked.row_index[member]
        np.testing.assert_array_equal(index[real], alone.row_index)
        np.testing.assert_array_equal(stacked.place[member][real], np.arange(len(rows)))
        np.testing.assert_array_equal(stacked.multiplicity[member][real], multiplicity[index[real]])
        for i in range(n_batches * PARTS):
            part = slice(stacked.row_bounds[i], stacked.row_bounds[i + 1])
            n_structures = stacked.bounds[i + 1] - stacked.bounds[i]
            owner = stacked.owner[member, part]
            assert (np.diff(owner) >= 0).all()
            # every structure of the part has real rows, and padding belongs to the part
            assert set(owner[real[part]]) == set(range(n_structures)) == set(owner)
            of_structure = order[stacked.bounds[i] + owner]
            expected = np.searchsorted(offsets, index[part], side="right") - 1
            np.testing.assert_array_equal(of_structure, expected)


@given(st.integers(1, 60), st.integers(1, 61))
def test_parts_are_those_of_the_attention_of_one_member(n, batch_size):
    offsets = np.arange(n + 1)
    features = OrbitFeatures(
        tuple(map(str, range(n))), np.zeros((n, 1), np.float32), np.ones(n, np.float32), offsets
    )
    stacked = stack_batches(features, [np.arange(n)], batch_size)
    bounds = np.append(np.arange(0, n, batch_size), n)
    halves = [first + (last - first) // 2 for first, last in pairwise(bounds)]
    np.testing.assert_array_equal(stacked.bounds[1::2], halves)
    np.testing.assert_array_equal(stacked.row_bounds, stacked.bounds)  # nothing to pad
    assert (stacked.multiplicity == 1).all()
