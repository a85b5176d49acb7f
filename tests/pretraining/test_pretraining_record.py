from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sie.errors import InputError
from sie.pretraining.record import Crystal, collect

GOOD = Crystal(
    "a", 1, 3.0 * np.eye(3).reshape(-1), np.array([3, 9]), np.array([0, 0, 0, 0.5, 0.5, 0.5])
)


def test_crystals_come_back_as_they_went_in(table, structures):
    assert table.ids == tuple(structures)
    for i, structure in enumerate(structures.values()):
        found = table.structure(i)
        np.testing.assert_array_equal(found.lattice.matrix, structure.lattice.matrix)
        np.testing.assert_array_equal(found.frac_coords, structure.frac_coords)
        assert found.species == structure.species


def test_a_shuffled_table_is_the_same_crystals_in_another_order(table):
    mixed = table.shuffled(3)
    assert sorted(mixed.ids) == sorted(table.ids)
    assert mixed.ids != table.ids
    assert mixed.label_of() == table.label_of()
    place = table.ids.index(mixed.ids[7])
    assert mixed.structure(7) == table.structure(place)
    assert mixed.hash == table.shuffled(3).hash != table.hash


def test_formula_keys_are_equal_for_equal_reduced_compositions(table, structures):
    keys = dict(zip(table.ids, table.formula_keys(), strict=True))
    formulas = {entry: item.reduced_formula for entry, item in structures.items()}
    for first in table.ids:
        for second in table.ids:
            assert (keys[first] == keys[second]) == (formulas[first] == formulas[second])
    twice = collect(
        "two", [GOOD, replace(GOOD, id="b", label=0, numbers=np.array([9, 3]))], Counter()
    )
    assert len(set(twice.formula_keys())) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "no id"),
        ({"label": None}, "no class"),
        ({"lattice": np.ones(8)}, "do not fit together"),
        ({"numbers": np.array([3])}, "do not fit together"),
        ({"numbers": np.array([], dtype=int), "frac_coords": np.array([])}, "do not fit"),
        ({"frac_coords": np.array([0, 0, 0, 0, np.nan, 0])}, "not finite"),
        ({"lattice": np.ones(9)}, "no volume"),
        ({"numbers": np.array([0, 3])}, "no element"),
        ({"numbers": np.array([119, 3])}, "no element"),
    ],
)
def test_what_cannot_be_used_is_counted_by_reason(change, reason):
    left_out = Counter()
    kept = [GOOD, replace(GOOD, id="b", label=0), replace(GOOD, **{"id": "c", **change})]
    assert len(collect("toy", kept, left_out)) == 2
    ((found, count),) = left_out.items()
    assert reason in found
    assert count == 1


def test_an_id_counts_once(table):
    left_out = Counter()
    kept = collect("toy", [GOOD, replace(GOOD, label=0), replace(GOOD, id="b", label=0)], left_out)
    assert kept.labels.tolist() == [1, 0]
    assert left_out == {"id is there before": 1}


def test_one_class_is_no_task():
    with pytest.raises(InputError, match="2 usable crystals with 2 metals") as caught:
        collect("toy", [GOOD, replace(GOOD, id="b")], Counter({"no CIF": 3}))
    assert "3 left out; most often: no CIF" in str(caught.value)
    assert "\n" not in str(caught.value)
