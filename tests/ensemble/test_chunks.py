"""Every member once, in chunks that share a program and leave no worker without work."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from sie.ensemble.chunks import make_chunks
from sie.ensemble.record import Member
from sie.models.config import TrialConfig

SMALL = TrialConfig(n_layers=1, n_neurons=4, readout_width=8)
WIDE = dataclasses.replace(SMALL, n_neurons=8)
MEMBER = Member(0, 0, SMALL, 1)
SHAPES = st.builds(
    TrialConfig,
    n_layers=st.sampled_from([1, 2]),
    n_neurons=st.sampled_from([8, 16]),
    batch_size=st.sampled_from([16, 32]),
    dropout_phi=st.sampled_from([0.0, 0.1]),
)


@given(st.lists(SHAPES, min_size=1, max_size=60), st.integers(1, 8), st.integers(1, 10))
def test_chunks_hold_every_member_once_and_share_a_program(configs, workers, largest):
    members = {2 * i: Member(0, 0, config, i) for i, config in enumerate(configs)}
    chunks = make_chunks(members, workers, largest)
    numbers = [number for chunk in chunks for number in chunk.numbers]
    assert sorted(numbers) == sorted(members)
    for chunk in chunks:
        assert [members[number] for number in chunk.numbers] == list(chunk.members)
        assert 1 <= len(chunk.numbers) <= largest
        shared = {
            (m.config.n_layers, m.config.n_neurons, m.config.readout_width, m.config.batch_size)
            for m in chunk.members
        }
        assert len(shared) == 1
    assert len(chunks) >= min(workers, len(members))
    # chunks of one group differ by one member at most
    sizes = {}
    for chunk in chunks:
        c = chunk.members[0].config
        sizes.setdefault((c.n_layers, c.n_neurons, c.batch_size), []).append(len(chunk.numbers))
    assert all(max(own) - min(own) <= 1 for own in sizes.values())


def test_one_shape_is_cut_so_that_no_worker_waits():
    def sizes(n, workers):
        return [len(c.numbers) for c in make_chunks(dict(enumerate([MEMBER] * n)), workers)]

    assert sizes(100, 2) == [10] * 10
    assert sizes(20, 4) == [5] * 4
    assert sorted(sizes(50, 4)) == [6] * 6 + [7] * 2
    assert sizes(3, 8) == [1] * 3
    assert sizes(0, 4) == []
    costly = make_chunks({0: MEMBER, 1: dataclasses.replace(MEMBER, config=WIDE)}, 2)
    assert costly[0].members[0].config == WIDE
