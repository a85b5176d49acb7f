"""Views are read from their names, and the list of candidates is a fixed one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.nested.candidates import (
    WIDEST_READOUT,
    Candidate,
    by_hand,
    drawn,
    levels_of,
    side_by_side,
)
from sie.search.space import read_space

SPACE = read_space(Path(__file__).parents[2] / "search_spaces" / "extended.yaml")


def features(width: int, multiplicity: tuple[float, ...] = (1, 2, 3)) -> OrbitFeatures:
    rows = np.random.default_rng(width).normal(size=(3, width)).astype(np.float32)
    return OrbitFeatures(("a", "b"), rows, np.array(multiplicity, "f4"), np.array([0, 2, 3]))


@pytest.mark.parametrize(
    ("view", "expected"),
    [("CAMN-V0", ("CAMN", (0,))), ("CAMNS-V1+V2", ("CAMNS", (1, 2))), ("CAN-V3", ("CAN", (3,)))],
)
def test_a_view_says_representation_and_levels(view, expected):
    assert levels_of(view) == expected


@pytest.mark.parametrize("view", ["CAMN", "CAMN-V4", "CAMN-V1+V1", "camn-V0", "CAMN-V0+"])
def test_other_names_are_refused(view):
    with pytest.raises(InputError, match="view"):
        levels_of(view)


def test_rows_stand_side_by_side():
    one, other = features(2), features(5)
    both = side_by_side([one, other])
    assert both.dimension == 7
    assert np.array_equal(both.rows[:, :2], one.rows)
    assert np.array_equal(both.rows[:, 2:], other.rows)
    with pytest.raises(InputError, match="same orbits"):
        side_by_side([one, features(5, (1, 2, 4))])


def test_the_list_is_the_same_every_time_and_a_longer_one_begins_with_a_shorter():
    long, short = drawn(SPACE, 12, 0), drawn(SPACE, 5, 0)
    assert long[:5] == short
    assert drawn(SPACE, 5, 1) != short
    assert len({c.hash for c in [*long, *by_hand()]}) == 12 + len(by_hand())
    assert all(
        c.config.readout_width <= WIDEST_READOUT for c in long if c.config.pooling == "set2set"
    )


def test_a_candidate_survives_writing_and_its_name_is_not_its_hash():
    candidate = by_hand()[0]
    assert Candidate.from_mapping(candidate.as_dict()) == candidate
    assert Candidate(candidate.view, candidate.config, "other").hash == candidate.hash
