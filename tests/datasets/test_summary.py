from __future__ import annotations

import math
from collections import Counter

import pytest

from sie.datasets.assemble import Measurement, assemble
from sie.datasets.duplicates import median_of_groups
from sie.datasets.summary import element_counts, summary_table


@pytest.fixture
def database(rock_salt):
    crystals = {
        "a": rock_salt(),
        "b": rock_salt("Br", a=5.5),
        "c": rock_salt({"Cl": 0.5, "Br": 0.5}, a=5.3),
        "d": rock_salt(),
        "e": rock_salt(),
    }
    items = [
        Measurement("a", 1, 1e-3, extra={"family": "x"}),
        Measurement("b", 0, 1e-10, censored=True, extra={"family": ""}),
        Measurement("c", 1, extra={"family": "y"}),
        Measurement("d", 0, 1e-7, extra={"family": "x"}),
        Measurement("e", 0, extra={"family": "x"}),
    ]
    return assemble("mine", items, lambda entry: (crystals[entry], ""))


GROUPS = {"a": 0, "b": 1, "c": 2, "d": 0, "e": 0}


def test_counts_of_all_ordered_and_disordered(database):
    table = summary_table(database, GROUPS)
    assert table.index.tolist() == ["all", "ordered", "disordered"]
    assert table["sigma_values"].tolist() == [3, 3, 0]
    assert table["entries"].tolist() == [5, 4, 1]
    assert table["unique_structures"].tolist() == [3, 2, 1]
    assert table["positive"].tolist() == [2, 1, 1]
    assert table["negative"].tolist() == [3, 3, 0]
    assert table["positive_fraction"].tolist() == [0.4, 0.25, 1.0]
    assert table["censored"].tolist() == [1, 1, 0]
    assert table["class_only"].tolist() == [2, 1, 1]
    assert table["elements"].tolist() == [3, 3, 3]
    assert table["families"].tolist() == [2, 1, 1]
    assert table.loc["ordered", "median_log10_sigma"] == pytest.approx(-7)
    assert math.isnan(table.loc["disordered", "median_log10_sigma"])


def test_values_of_left_out_duplicates_still_count(database):
    kept, duplicates = median_of_groups(database, GROUPS)
    table = summary_table(kept, GROUPS, duplicates)
    assert table["sigma_values"].tolist() == [3, 3, 0]
    assert table["entries"].tolist() == table["unique_structures"].tolist() == [3, 2, 1]


def test_the_parts_add_up(starter):
    table = summary_table(starter)
    added = ["sigma_values", "entries", "positive", "negative", "censored", "class_only"]
    for column in added:
        assert table.loc["all", column] == table.loc[["ordered", "disordered"], column].sum()
    assert "unique_structures" not in table
    assert table.loc["all", "space_groups"] == starter.table["space_group"].nunique()


def test_every_element_is_counted_once_an_entry(starter):
    counts = element_counts(starter)
    expected = Counter(
        symbol
        for crystal in starter.structures.values()
        for symbol in {element.symbol for site in crystal for element in site.species}
    )
    assert counts == expected
    assert next(iter(counts)) == "Li"
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_a_database_without_families_or_one_part(rock_salt):
    database = assemble("one", [Measurement("a", 1, 1e-3)], lambda entry: (rock_salt(), ""))
    table = summary_table(database)
    assert "families" not in table
    assert table.loc["disordered", "entries"] == 0
    assert math.isnan(table.loc["disordered", "positive_fraction"])
