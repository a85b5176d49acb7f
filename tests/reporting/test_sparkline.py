import math

import pytest

from sie.reporting.sparkline import BLOCKS, PLAIN, sparkline


def test_a_rise_from_low_to_high_takes_every_mark():
    assert sparkline([n / 7 for n in range(8)], 0, 1) == BLOCKS


@pytest.mark.parametrize("n", [0, 1, 5, 24, 25, 500])
def test_no_line_is_wider_than_asked_for(n):
    assert len(sparkline([0.5] * n, 0, 1)) == min(n, 24)


def test_a_long_curve_is_averaged_not_sampled():
    ups_and_downs = [0.0, 1.0] * 50
    assert set(sparkline(ups_and_downs, 0, 1, width=10)) == {BLOCKS[4]}


def test_values_beyond_the_scale_are_cut_off():
    assert sparkline([-9, 9], 0, 1) == BLOCKS[0] + BLOCKS[-1]


def test_what_is_no_number_leaves_a_gap():
    assert sparkline([0, math.nan, math.inf, 1], 0, 1, marks=PLAIN) == "_  @"


def test_a_flat_curve_is_in_the_middle():
    assert sparkline([0.3, 0.3], 0.3, 0.3) == BLOCKS[4] * 2
