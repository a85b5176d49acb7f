"""The embedding of a site is linear in its occupancies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from sie.errors import InputError
from sie.features.embedding import embed_sites
from sie.features.weights import bundled_weights

AMOUNTS = st.dictionaries(st.sampled_from(["Li", "Na", "P", "S", "Cl", "Pu"]), st.floats(0.01, 1.0))


@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, st.floats(0.1, 1.0))
def test_occupancies_add_up_and_scale(a, b, share):
    table = bundled_weights().embedding
    together = Composition(a) + Composition(b)
    rows = embed_sites(
        [Composition(a), Composition(b), together, Composition(a) * share, Composition({})], table
    )
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows[2], rows[0] + rows[1], atol=1e-5)
    np.testing.assert_allclose(rows[3], share * rows[0], atol=1e-5)
    assert not rows[4].any()


def test_a_full_site_is_its_element():
    table = bundled_weights().embedding
    np.testing.assert_array_equal(
        embed_sites([Composition("Li"), Composition("S")], table), table[[3, 16]]
    )


def test_an_element_beyond_the_network_is_refused():
    with pytest.raises(InputError, match="Am has no MEGNet embedding"):
        embed_sites([Composition("Am")], bundled_weights().embedding)
