"""From the starter set to what a search sees: nothing of the test set among it."""

import pytest

from sie.datasets.registry import load_dataset
from sie.search.problem import prepare_problem
from sie.splits.clusters_file import write_clusters
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
