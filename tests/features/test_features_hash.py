"""Features are named by what they are made from."""

import pytest
from pymatgen.core import Lattice, Structure

from sie.features.cache import features_hash


@pytest.fixture
def salt():
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.1), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def test_everything_that_matters_changes_the_name(salt):
    other = salt.copy()
    other.scale_lattice(1.02 * salt.volume)
    names = {
        features_hash({"a": salt}, "CAMN", 1),
        features_hash({"b": salt}, "CAMN", 1),
        features_hash({"a": salt}, "CAN", 1),
        features_hash({"a": salt}, "CAMN", 2),
        features_hash({"a": other}, "CAMN", 1),
    }
    assert len(names) == 5


def test_order_does_not(salt):
    other = salt.copy()
    other.scale_lattice(1.02 * salt.volume)
    one = features_hash({"a": salt, "b": other}, "CAMN", 1)
    assert one == features_hash({"b": other, "a": salt}, "CAMN", 1)
