"""An ensemble meets no test set but its own."""

import dataclasses

import pytest
from ensemble_examples import small_ensemble

from sie.datasets.record import Database
from sie.datasets.registry import load_dataset
from sie.errors import InputError
from sie.evaluation.held_out import require_own_data, require_own_test_set
from sie.search.problem import DevelopmentData, draw_test_set


@pytest.fixture(scope="module")
def database():
    whole = load_dataset("starter")
    parts = ["test" if i % 5 == 0 else "train" for i in range(len(whole))]
    return Database(whole.name, whole.table.assign(split=parts), whole.structures)


def recipe_for(**changes):
    return dataclasses.replace(small_ensemble().recipe, **changes)


def test_another_dataset_is_refused(database):
    require_own_data(recipe_for(dataset_hash=database.hash), database)
    with pytest.raises(InputError, match=f"{'d' * 12}.*{database.hash}"):
        require_own_data(recipe_for(), database)


def test_another_test_set_is_refused_with_the_option_that_gives_the_right_one(database):
    groups = {entry: i for i, entry in enumerate(database.ids)}
    hashes = {name: draw_test_set(database, groups, name).hash for name in ("random", "official")}
    for name, other in (("random", "official"), ("official", "random")):
        data = development(database, groups, hashes[name])
        require_own_test_set(recipe_for(hold_out_hash=hashes[name]), data, database, name)
        wrong = recipe_for(hold_out_hash=hashes[other])
        with pytest.raises(InputError, match=f"give --test-set {other}"):
            require_own_test_set(wrong, data, database, name)
        with pytest.raises(InputError, match="build it again"):
            require_own_test_set(recipe_for(), data, database, name)


def development(database, groups, hold_out_hash) -> DevelopmentData:
    """Only the groups and the hash are looked at."""
    return DevelopmentData(
        database.name, database.hash, {}, {}, {}, None, {}, groups, hold_out_hash, None
    )
