from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sie.datasets.assemble import Measurement, assemble
from sie.datasets.duplicates import REASON, duplicates_table, median_of_groups
from sie.datasets.record import Database, LeftOut

CRYSTAL = Structure(Lattice.cubic(3), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def database_of(*items: Measurement, left_out=()) -> Database:
    return assemble("mine", items, lambda entry: (CRYSTAL, f"{entry}.cif"), left_out)


def one_group(*items: Measurement):
    database = database_of(*items)
    return median_of_groups(database, dict.fromkeys(database.ids, 0))


def kept(*items: Measurement) -> str:
    stays, (group,) = one_group(*items)
    assert stays.ids == (group.kept,)
    return group.kept


def measured(entry: str, sigma: float) -> Measurement:
    return Measurement(entry, int(sigma >= 1e-4), sigma)


def bound(entry: str, sigma: float) -> Measurement:
    return Measurement(entry, 0, sigma, censored=True)


def class_only(entry: str, label: int) -> Measurement:
    return Measurement(entry, label)


SIGMAS = st.floats(-15, 0).map(lambda x: 10.0**x)


@given(st.lists(SIGMAS, min_size=2, max_size=9), st.randoms())
def test_the_median_stays_whatever_the_order(sigmas, random):
    items = [measured(f"e{i}", sigma) for i, sigma in enumerate(sigmas)]
    random.shuffle(items)
    stays, (group,) = one_group(*items)
    assert stays.table.loc[group.kept, "sigma_S_per_cm"] == statistics.median_low(sigmas)
    assert sorted(group.sigmas) == list(group.sigmas)
    first_of_equals = one_group(*reversed(items))[1][0]
    assert first_of_equals == group


def test_who_goes_is_named_with_who_stays():
    old = LeftOut("x", "no CIF")
    items = [measured("c", 1e-3), measured("a", 1e-5), measured("b", 1e-6), measured("d", 1e-7)]
    database = database_of(*items, left_out=[old])
    stays, (group,) = median_of_groups(database, {"c": 4, "a": 4, "b": 1, "d": 4})
    assert stays.ids == ("a", "b")
    assert stays.left_out == (
        old,
        LeftOut("c", f"{REASON}a", "c.cif"),
        LeftOut("d", f"{REASON}a", "d.cif"),
    )
    assert (group.kept, group.ids, group.removed) == ("a", ("d", "a", "c"), ("d", "c"))
    assert group.mixed


def test_groups_come_in_the_order_of_their_first_entry():
    database = database_of(*(measured(name, 1e-5) for name in "abcdef"))
    groups = dict(zip("abcdef", (5, 0, 5, 1, 0, 0), strict=True))
    stays, found = median_of_groups(database, groups)
    assert [group.ids for group in found] == [("a", "c"), ("b", "e", "f")]
    assert stays.ids == ("a", "d", "e")


def test_without_duplicates_nothing_changes():
    database = database_of(measured("a", 1e-3), measured("b", 1e-5))
    assert median_of_groups(database, {"a": 0, "b": 1}) == (database, ())


def test_upper_bounds_rank_at_their_value_below_an_equal_measurement():
    assert kept(bound("a", 1e-5), measured("b", 1e-9)) == "b"
    assert kept(bound("a", 1e-10), measured("b", 1e-9), measured("c", 1e-8)) == "b"
    assert kept(measured("a", 1e-6), bound("b", 1e-6)) == "b"
    assert kept(bound("a", 1e-10), bound("b", 1e-9), measured("c", 1e-8)) == "b"


def test_a_class_does_not_count_beside_conductivities():
    assert kept(class_only("a", 1), class_only("b", 1), measured("c", 1e-9)) == "c"
    _, (group,) = one_group(class_only("a", 1), measured("b", 1e-9))
    assert group.ids == ("b", "a")
    assert math.isnan(group.sigmas[1])
    assert group.n_sigmas == 1


@pytest.mark.parametrize(("labels", "label"), [((1, 0), 0), ((1, 0, 1), 1), ((0, 0, 1), 0)])
def test_without_any_conductivity_the_median_class_stays(labels, label):
    items = [class_only(f"e{i}", value) for i, value in enumerate(labels)]
    assert one_group(*items)[0].labels.tolist() == [label]


def test_the_table_has_a_row_for_every_member():
    _, found = one_group(measured("a", 1e-3), bound("b", 1e-9), measured("c", 1e-5))
    table = duplicates_table(found)
    assert table["id"].tolist() == ["b", "c", "a"]
    assert table["stays"].tolist() == [False, True, False]
    assert table["censored"].tolist() == [True, False, False]
    np.testing.assert_allclose(table["sigma_S_per_cm"], [1e-9, 1e-5, 1e-3])
    assert duplicates_table(()).columns.tolist() == table.columns.tolist()


def in_part(entry: str, sigma: float, part: str) -> Measurement:
    return Measurement(entry, int(sigma >= 1e-4), sigma, extra={"split": part})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [(("test", "test"), "test"), (("test", "train"), "train"), (("train", "test"), "train")],
)
def test_a_crystal_on_both_sides_of_an_official_division_trains(parts, expected):
    items = [in_part("a", 1e-6, parts[0]), in_part("b", 1e-3, parts[1])]
    stays, _ = one_group(*items)
    assert stays.ids == ("a",)  # the part does not decide which one stays
    assert stays.table.loc["a", "split"] == expected
    alone, _ = median_of_groups(database_of(*items), {"a": 0, "b": 1})
    assert tuple(alone.table["split"]) == parts
