import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sie.features.record import OrbitFeatures
from sie.training.batches import make_batches, n_batches


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(1, 7), min_size=1, max_size=20),
    batch_size=st.integers(1, 25),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_every_batch_holds_its_structures_rows(counts, batch_size, seed, data):
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    owner_of_row = np.repeat(np.arange(len(counts)), counts)
    features = OrbitFeatures(
        tuple(map(str, range(len(counts)))),
        np.zeros((offsets[-1], 1), np.float32),
        np.ones(offsets[-1], np.float32),
        offsets,
    )
    n = data.draw(st.integers(1, len(counts)))
    order = np.random.default_rng(seed).permutation(len(counts))[:n]

    batches = make_batches(features, order, batch_size)

    assert len(batches) == n_batches(n, batch_size) == len(batches.row_bounds) - 1
    seen = []
    for i in range(len(batches)):
        structures = batches.order[batches.bounds[i] : batches.bounds[i + 1]]
        assert 1 <= len(structures) <= batch_size
        assert len(structures) == batch_size or i == len(batches) - 1
        here = slice(batches.row_bounds[i], batches.row_bounds[i + 1])
        rows, owner = batches.row_index[here], batches.owner[here]
        expected = np.concatenate([np.flatnonzero(owner_of_row == s) for s in structures])
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_array_equal(structures[owner], owner_of_row[rows])
        seen.extend(structures)
    np.testing.assert_array_equal(seen, order)
    for array in (batches.order, batches.row_index, batches.owner, batches.row_bounds):
        assert array.dtype == np.int32
