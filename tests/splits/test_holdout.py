"""The test set: the draw written out by hand, independent of order and of labels."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sie.errors import InputError
from sie.splits.holdout import hold_out, official_hold_out

ids_of = st.sets(st.text(min_size=1, max_size=6), min_size=10, max_size=80)


@settings(deadline=None)  # the first draw imports scikit-learn
@given(ids_of, st.floats(0.05, 0.9), st.integers(0, 1000))
def test_equals_the_draw_written_out(ids, fraction, seed):
    drawn = hold_out(ids, fraction, seed)
    ordered = sorted(ids)
    n_test = math.ceil(fraction * len(ids))
    order = np.random.RandomState(seed).permutation(len(ids))
    assert drawn.test == tuple(sorted(ordered[i] for i in order[:n_test]))
    assert drawn.development == tuple(sorted(ordered[i] for i in order[n_test:]))
    assert drawn.method == {"kind": "random", "fraction": fraction, "seed": seed}


@given(ids_of, st.randoms())
def test_order_of_ids_does_not_matter(ids, random):
    shuffled = list(ids)
    random.shuffle(shuffled)
    assert hold_out(shuffled) == hold_out(sorted(ids))


def test_size_of_the_article():
    drawn = hold_out([f"{i:03d}" for i in range(548)])
    assert (len(drawn.development), len(drawn.test)) == (493, 55)


def test_labels_cannot_enter():
    assert list(inspect.signature(hold_out).parameters) == ["ids", "fraction", "seed"]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_fraction_outside_the_open_interval_is_refused(fraction):
    with pytest.raises(InputError, match="0 < fraction < 1 must hold"):
        hold_out(["a", "b", "c"], fraction)


def test_nothing_left_to_train_on_is_refused():
    with pytest.raises(InputError, match="of 1 entries leaves nothing"):
        hold_out(["a"])


def test_repeated_ids_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="unique"):
        hold_out(["a", "a", "b"])


PARTS = st.lists(
    st.tuples(st.sampled_from(["train", "test"]), st.integers(0, 5)), min_size=1, max_size=30
)


@given(PARTS)
def test_the_official_test_set_shares_no_crystal_with_training(rows):
    parts = {f"e{i}": part for i, (part, _) in enumerate(rows)}
    groups = {f"e{i}": group for i, (_, group) in enumerate(rows)}
    trains = {groups[entry] for entry in parts if parts[entry] == "train"}
    expected = sorted(e for e in parts if parts[e] == "test" and groups[e] not in trains)
    if not expected or not trains:
        with pytest.raises(InputError, match="no entry is left in"):
            official_hold_out(parts, groups)
        return
    drawn = official_hold_out(parts, groups)
    assert drawn.test == tuple(expected)
    assert set(drawn.development) == set(parts) - set(expected)
    assert not {groups[e] for e in drawn.test} & {groups[e] for e in drawn.development}
    moved = drawn.method["moved_to_training"]
    assert set(moved) == {e for e in parts if parts[e] == "test"} - set(drawn.test)


@pytest.mark.parametrize("odd", ["", "fold 1", "validation"])
def test_an_entry_in_neither_part_is_named(odd):
    with pytest.raises(InputError, match=r"split of b is .* \(1 such entries\)"):
        official_hold_out({"a": "train", "b": odd, "c": "test"}, {"a": 0, "b": 1, "c": 2})
