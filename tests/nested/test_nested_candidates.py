"""The list of candidates is a fixed one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sie.nested.candidates import (
    GIVEN,
    WIDEST_READOUT,
    Candidate,
    by_hand,
    drawn,
)
from sie.search.space import read_space

SPACE = read_space(Path(__file__).parents[2] / "search_spaces" / "extended.yaml")


def test_the_list_is_the_same_every_time_and_a_longer_one_begins_with_a_shorter():
    long, short = drawn(SPACE, 12, 0), drawn(SPACE, 5, 0)
    assert long[:5] == short
    assert drawn(SPACE, 5, 1) != short
    assert len({c.hash for c in [*long, *by_hand()]}) == 12 + len(by_hand())
    assert all(
        c.config.readout_width <= WIDEST_READOUT for c in long if c.config.pooling == "set2set"
    )


def test_the_list_is_that_of_a_space_without_views_and_starts():
    bare = replace(SPACE, parameters=tuple(p for p in SPACE.parameters if p.name not in GIVEN))
    assert len(bare.parameters) == len(SPACE.parameters) - 2
    assert drawn(SPACE, 12, 0) == drawn(bare, 12, 0)
    assert all(c.config.view == "" and c.config.pretrained is None for c in drawn(SPACE, 12, 0))


def test_a_candidate_survives_writing_and_its_name_is_not_its_hash():
    candidate = by_hand()[0]
    assert Candidate.from_mapping(candidate.as_dict()) == candidate
    assert Candidate(candidate.view, candidate.config, "other").hash == candidate.hash
