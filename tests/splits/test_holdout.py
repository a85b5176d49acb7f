"""The test set: the draw written out by hand, independent of order and of labels."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.errors import InputError
from sie.splits.holdout import hold_out

ids_of = st.sets(st.text(min_size=1, max_size=6), min_size=10, max_size=80)


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
