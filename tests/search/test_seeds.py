from hypothesis import given
from hypothesis import strategies as st

from sie.search.seeds import derive_seed


@given(st.integers(), st.lists(st.one_of(st.text(max_size=5), st.integers()), max_size=3))
def test_seeds_fit_every_generator_and_repeat(master, labels):
    seed = derive_seed(master, *labels)
    assert 0 <= seed < 2**31
    assert seed == derive_seed(master, *labels)


def test_every_label_and_the_master_seed_matter():
    seeds = {derive_seed(m, phase, n) for m in (1, 2) for phase in "ab" for n in range(50)}
    assert len(seeds) == 200
