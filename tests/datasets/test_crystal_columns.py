from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymatgen.core import DummySpecies, Element, Lattice, Species, Structure

from sie.datasets.crystal_columns import CHUNK, crystal_columns, crystals
from sie.datasets.record import structure_hash
from sie.errors import SieError

SYMBOLS = st.sampled_from(["Li", "La", "Zr", "O", "S", "H"])
STATES = st.sampled_from([1, -2, 0, 0.5, -1 / 7, 4.0])


def there_and_back(structures: dict[str, Structure]) -> list[Structure]:
    return list(crystals(pa.table(crystal_columns(structures))))


def same(first: Structure, second: Structure) -> None:
    assert np.array_equal(first.lattice.matrix, second.lattice.matrix)
    assert np.array_equal(first.frac_coords, second.frac_coords)
    for ours, theirs in zip(first, second, strict=True):
        assert dict(ours.species) == dict(theirs.species)
        assert [type(kind) for kind in ours.species] == [type(kind) for kind in theirs.species]
        for kind in ours.species:
            state = getattr(kind, "oxi_state", None)
            assert [getattr(k, "oxi_state", None) for k in theirs.species if k == kind] == [state]
    assert structure_hash(first) == structure_hash(second)


@st.composite
def structures(draw) -> Structure:
    n = draw(st.integers(1, 5))
    coords = draw(arrays(np.float64, (n, 3), elements=st.floats(-2, 2)))
    lengths = draw(st.tuples(*[st.floats(2, 30)] * 3))
    charged = draw(st.booleans())
    sites = []
    for _ in range(n):
        symbols = draw(st.lists(SYMBOLS, min_size=1, max_size=3, unique=True))
        shares = [draw(st.floats(0.01, 1)) / len(symbols) for _ in symbols]
        kinds = [Species(s, draw(STATES)) if charged else Element(s) for s in symbols]
        sites.append(dict(zip(kinds, shares, strict=True)))
    return Structure(Lattice.from_parameters(*lengths, 90, 103.7, 90), sites, coords)


@settings(max_examples=60, deadline=None)
@given(st.lists(structures(), min_size=1, max_size=4))
def test_crystals_come_back_to_the_last_bit(made):
    back = there_and_back({str(i): crystal for i, crystal in enumerate(made)})
    for ours, theirs in zip(made, back, strict=True):
        same(ours, theirs)


def test_every_starter_crystal_comes_back(starter):
    for ours, theirs in zip(
        starter.structures.values(), there_and_back(dict(starter.structures)), strict=True
    ):
        same(ours, theirs)


def test_more_crystals_than_a_chunk_keep_their_order():
    made = {str(i): Structure(Lattice.cubic(3 + i), ["Li"], [[0, 0, 0]]) for i in range(CHUNK + 5)}
    lengths = [round(crystal.lattice.a) for crystal in there_and_back(made)]
    assert lengths == list(range(3, CHUNK + 8))


def test_equal_sites_are_written_once(starter):
    columns = crystal_columns(starter.structures)
    garnet = max(starter.structures.values(), key=len)
    text = max(columns["crystal.fillings"].to_pylist(), key=len)
    assert len(text) < 400 < len(garnet.to(fmt="json"))


@pytest.mark.parametrize(
    "species", [DummySpecies("X", 1), Species("Fe", 2, spin=5)], ids=["dummy", "spin"]
)
def test_what_has_no_place_is_refused(species):
    crystal = Structure(Lattice.cubic(3), [species], [[0, 0, 0]])
    with pytest.raises(SieError, match=r"odd: species .* cannot be kept"):
        crystal_columns({"odd": crystal})
