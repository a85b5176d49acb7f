"""Names of views, and which columns they mean."""

import numpy as np
import pytest

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.features.views import View, dimension_of, parse_view, seen_through, union


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("CAMN-V0", (("CAMN", 0),)),
        ("CAMNS-V1+V2", (("CAMNS", 1), ("CAMNS", 2))),
        ("CAMN-V1+CAMNS-V1", (("CAMN", 1), ("CAMNS", 1))),
        ("CAN-V3+V0+CANS-V1", (("CAN", 3), ("CAN", 0), ("CANS", 1))),
    ],
)
def test_a_name_says_representations_and_levels(name, blocks):
    view = parse_view(name)
    assert view == View(blocks)
    assert str(view) == name
    assert (
        dimension_of(name, 0) == view.dimension == sum(32 if level else 16 for _, level in blocks)
    )


@pytest.mark.parametrize(
    "name",
    ["", "CAMN", "V1", "CAMN-V4", "CAMN-V1+V1", "camn-V0", "CAMN-V0+", "CAMN-V1+CAMNS", "X-V1"],
)
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match=f"view {name.replace('+', '.')}"):
        parse_view(name)


def test_the_union_has_every_column_once():
    whole = union(["CAMN-V1", "CAMNS-V2+V1", "CAMN-V0+V1+CAMNS-V1"])
    assert str(whole) == "CAMN-V0+V1+CAMNS-V1+V2"
    assert union([str(whole)]) == whole


def test_a_view_finds_its_columns_in_its_own_order():
    whole = "CAMN-V0+V1+CAMNS-V1"
    rows = np.arange(3 * 80, dtype=np.float32).reshape(3, 80)
    features = OrbitFeatures(("a", "b"), rows, np.ones(3, "f4"), np.array([0, 1, 3]))
    seen = seen_through(features, whole, "CAMNS-V1+CAMN-V0")
    np.testing.assert_array_equal(seen.rows, np.hstack([rows[:, 48:], rows[:, :16]]))
    assert (seen.ids, seen.multiplicity.tolist()) == (features.ids, [1, 1, 1])
    assert seen_through(features, whole, "") is seen_through(features, whole, whole) is features
    assert dimension_of("", 80) == 80
    with pytest.raises(InputError, match="view CAMN-V2: its columns are not among"):
        seen_through(features, whole, "CAMN-V2")
    with pytest.raises(InputError, match="rows of 80 numbers, not of CAMN-V0"):
        seen_through(features, "CAMN-V0", "CAMN-V1")
