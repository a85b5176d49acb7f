"""From the starter set to what a search sees: nothing of the test set among it."""

import numpy as np
import pytest

from sie.datasets.record import Database
from sie.datasets.registry import load_dataset
from sie.datasets.storage import DataRecord, load_record, save_record
from sie.errors import InputError
from sie.features.pooled import pooled
from sie.features.views import seen_through
from sie.search.problem import prepare_development, prepare_problem
from sie.splits.clusters_file import write_clusters
from sie.splits.holdout import hold_out
from sie.splits.left_out import loco_split
from sie.structures.representations import Representation


@pytest.fixture(scope="module")
def database():
    return load_dataset("starter")


@pytest.fixture(scope="module")
def prepared(database):
    return prepare_problem(database, Representation.CAMN, 0)


def test_no_test_id_is_in_the_problem(database, prepared):
    problem, held, _ = prepared
    assert set(problem.features.ids) == set(held.development) == set(problem.labels)
    assert set(problem.clustering.ids) == set(held.development)
    assert len(held.test) == pytest.approx(0.1 * len(database), abs=1)
    labels = dict(zip(database.ids, database.labels, strict=True))
    assert all(problem.labels[entry] == labels[entry] for entry in held.development)


def test_leakage_is_counted_for_the_split_and_for_the_test_set(prepared):
    problem, held, shared = prepared
    split = loco_split(problem.clustering, 0, problem.labels)
    report = problem.leakage(split)
    assert (report.n_train, report.n_validation) == (len(split.train), len(split.validation))
    assert report.same_cluster == 0
    assert shared.n_validation == len(held.test)
    seen = {problem.formulas[entry] for entry in held.development}
    same = [entry for entry in held.test if problem.formulas[entry] in seen]
    assert shared.same_formula == len(same)


def test_clusters_can_be_given(database, prepared, tmp_path):
    problem, _, _ = prepared
    path = tmp_path / "clusters.csv"
    write_clusters(path, problem.clustering)
    again, held, _ = prepare_problem(database, Representation.CAMN, 0, path)
    assert again.clustering.hash == problem.clustering.hash
    assert again.features_hash == problem.features_hash
    assert again.hold_out_hash == held.hash


def test_the_floor_is_the_positive_fraction(prepared):
    problem, _, _ = prepared
    split = loco_split(problem.clustering, 0, problem.labels)
    positives = sum(problem.labels[entry] for entry in split.validation)
    assert problem.positive_fraction(split) == positives / len(split.validation)
    assert problem.sizes(split).dimension == 16
    assert problem.experiment == "loco/starter/CAMN-V0"


def with_parts(database: Database, test: set[str]) -> Database:
    parts = ["Test " if entry in test else "train" for entry in database.ids]
    table = database.table.assign(split=parts)
    return Database(database.name, table, database.structures, database.left_out)


def test_the_official_test_set_is_taken_where_asked_for(database, prepared, tmp_path):
    problem, random, _ = prepared
    chosen = set(random.development[:20])
    stated = with_parts(database, chosen)
    save_record(tmp_path, DataRecord(stated))
    stated = load_record(tmp_path).database
    data, held, _ = prepare_development(stated, test_set="official")
    moved = set(held.method["moved_to_training"])
    assert set(held.test) == chosen - moved
    assert set(data.crystals) == set(held.development) == set(stated.ids) - set(held.test)
    assert data.hold_out_hash == held.hash != problem.hold_out_hash
    assert data.dataset_hash == problem.dataset_hash == stated.hash


def test_a_stated_division_changes_nothing_by_default(database, prepared):
    _, held, _ = prepared
    stated = with_parts(database, set(held.development[:20]))
    assert prepare_development(stated)[1] == held == hold_out(database.ids)
    # what searches of earlier versions carry
    assert (database.hash, held.hash) == ("7622bf253bdf", "a904d667acbc")


@pytest.mark.parametrize(
    ("test_set", "message"), [("official", "no column 'split'"), ("mine", "random, official")]
)
def test_a_test_set_that_there_is_not_is_refused(database, test_set, message):
    with pytest.raises(InputError, match=message) as caught:
        prepare_development(database, test_set=test_set)
    assert "\n" not in str(caught.value)


def test_several_views_are_seen_through_once(database, prepared):
    problem, held, _ = prepared
    views = ("CAMNS-V0", "CAMN-V0")
    both, again, _ = prepare_problem(database, Representation.CAMN, 1, views=views)
    assert again == held
    assert (both.views, both.seen_as, both.features.dimension) == (views, "CAMNS-V0+CAMN-V0", 32)
    assert both.experiment == "loco/starter/CAMNS-V0+CAMN-V0"
    assert "-".join(both.names) == both.seen_as
    assert both.features_hash != problem.features_hash
    own = seen_through(both.features, both.seen_as, "CAMN-V0")
    mean, expected = (pooled(features).values[:, :16] for features in (own, problem.features))
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    (only,) = {prepare_problem(database, Representation.CAMNS, 1, views=["CAMN-V0"])[0].seen_as}
    assert only == problem.seen_as == "CAMN-V0"
