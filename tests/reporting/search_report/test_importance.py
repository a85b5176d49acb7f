import dataclasses

import numpy as np
import pytest

from sie.reporting.search_report.importance import LEAST_TRIALS, caution, importances, obstacle
from sie.reporting.search_report.trial_table import trial_table


@pytest.fixture(scope="module")
def table(study):
    return trial_table(study)


@pytest.fixture(scope="module")
def found(table):
    return importances(table, draws=0.1)


def test_the_hyperparameter_that_matters_stands_out_by_every_method(found):
    assert [item.method for item in found] == ["fANOVA", "PED-ANOVA"]
    for item in found:
        assert item.names[0] == "max_lr"
        assert item.beyond_chance[0]
    assert found[0].beyond_chance.tolist() == [True, False, False]
    assert found[0].values[0] > 0.8


def test_importances_fall_and_sum_to_one(found):
    for item in found:
        assert item.values.sum() == pytest.approx(1.0)
        assert (np.diff(item.values) <= 0).all()
        low, high = item.interval
        assert (low <= high).all()


def test_the_same_seed_gives_the_same_numbers(table, found):
    again = importances(table, draws=0.1)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.halves, other.halves)


def test_noise_does_not_stand_out(table):
    rng = np.random.default_rng(3)
    noise = dataclasses.replace(table, outcome=rng.normal(size=len(table)))
    for item in importances(noise, draws=0.1):
        assert item.beyond_chance.sum() <= 1


def test_too_few_trials_give_none_and_few_give_a_warning(table):
    few = _first(table, LEAST_TRIALS - 1)
    assert importances(few) == ()
    assert "too few" in obstacle(few)
    assert "read the intervals" in caution(_first(table, 20))
    assert obstacle(_first(table, 20)) == ""
    assert importances(dataclasses.replace(table, axes=table.axes[:1])) == ()
    assert "nothing to compare" in obstacle(dataclasses.replace(table, axes=table.axes[:1]))
    flat = dataclasses.replace(table, outcome=np.zeros(len(table)))
    assert importances(flat) == () and "scored the same" in obstacle(flat)


def _first(table, n):
    axes = tuple(dataclasses.replace(axis, values=axis.values[:n]) for axis in table.axes)
    parts = {
        name: getattr(table, name)[:n]
        for name in ("outcome", "objective", "clusters", "numbers", "ends")
    }
    return dataclasses.replace(table, axes=axes, **parts)
