"""Baselines learn from the development entries alone; the reference is chosen without the test."""

import dataclasses

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from sie.datasets.registry import load_dataset
from sie.evaluation.baselines import FALLBACK, choose_reference, joined, predict_test, vectors
from sie.evaluation.held_out import open_test_set
from sie.features.descriptors import Descriptors
from sie.models.baselines import Inputs
from sie.search.problem import prepare_development

NAMES = ("forest-fractions", "boosting-fractions")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    database = load_dataset("starter")
    path = tmp_path_factory.mktemp("clusters") / "clusters.csv"
    rows = [f"{entry},{i % 2}" for i, entry in enumerate(database.ids)]
    path.write_text("\n".join(["id,cluster", *rows]))
    data, held, _ = prepare_development(database, path)
    return database, data, open_test_set(database, held)


def test_columns_are_those_of_development():
    development = Descriptors(("a",), ("Cl", "Li"), np.array([[0.5, 0.5]]))
    test = Descriptors(("b", "c"), ("Br", "Li"), np.array([[0.5, 0.5], [0.75, 0.25]]))
    both = joined(development, test)
    assert (both.ids, both.names) == (("a", "b", "c"), ("Cl", "Li"))
    assert both.values.tolist() == [[0.5, 0.5], [0, 0.5], [0, 0.25]]


def test_a_forest_is_that_of_scikit_learn_on_the_development_entries(prepared):
    _, data, test = prepared
    own = vectors(data.crystals, NAMES), vectors(test.structures, NAMES)
    assert list(own[0]) == [Inputs.FRACTIONS]
    inputs = {kind: joined(part, own[1][kind]) for kind, part in own[0].items()}
    labels = {**data.labels, **dict(zip(test.ids, test.labels, strict=True))}
    found = predict_test("forest-fractions", inputs, labels, test.split).probabilities
    x, y = own[0][Inputs.FRACTIONS], [data.labels[i] for i in test.split.train]
    forest = RandomForestClassifier(400, random_state=0).fit(x.rows_of(test.split.train), y)
    expected = forest.predict_proba(inputs[Inputs.FRACTIONS].rows_of(test.ids))[:, 1]
    np.testing.assert_allclose(found, expected)
    turned = {**labels, **{entry: 1 - labels[entry] for entry in test.ids}}
    again = predict_test("forest-fractions", inputs, turned, test.split).probabilities
    np.testing.assert_array_equal(found, again)


def test_the_reference_is_the_best_over_left_out_clusters(prepared):
    _, data, _ = prepared
    inputs = vectors(data.crystals, NAMES)
    name, scores = choose_reference(data, inputs, NAMES)
    assert scores[name] == max(scores.values())
    assert set(scores) == set(NAMES)
    single = dataclasses.replace(
        data, clustering=dataclasses.replace(data.clustering, labels=0 * data.clustering.labels)
    )
    assert choose_reference(single, inputs, NAMES) == (FALLBACK, {})


def test_the_test_structures_are_those_held_out(prepared):
    database, data, test = prepared
    assert set(test.structures) == set(test.ids) == set(database.ids) - set(data.crystals)
    table = database.table.loc[list(test.ids)]
    assert test.labels.tolist() == table["label"].tolist()
    assert test.formulas == tuple(table["formula"])
    assert test.log10_sigma.tolist() == table["log10_sigma"].tolist()
    assert test.censored.tolist() == table["censored"].tolist()
    assert test.split.train == tuple(sorted(data.crystals))
