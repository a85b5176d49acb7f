"""The evaluation of a real, calibrated ensemble with random weights on the starter set."""

import numpy as np
import pytest
from ensemble_examples import calibrated_ensemble
from evaluation_examples import ensemble_for, made_up

from sie.datasets.registry import load_dataset
from sie.ensemble.predictor import SuperionicEnsemble
from sie.evaluation.bootstrap import Interval
from sie.evaluation.evaluating import evaluate, score_systems
from sie.evaluation.record import Kind
from sie.evaluation.scores import evaluation_scores
from sie.search.problem import prepare_development


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    database = load_dataset("starter")
    path = tmp_path_factory.mktemp("clusters") / "clusters.csv"
    rows = [f"{entry},{i % 2}" for i, entry in enumerate(database.ids)]
    path.write_text("\n".join(["id,cluster", *rows]))
    data, held, shared = prepare_development(database, path)
    made = ensemble_for("starter", database.hash, held.hash, calibrated_ensemble)
    ensemble = SuperionicEnsemble(made)
    names = ("forest-fractions",)
    record = evaluate(ensemble, database, data, held, shared, {"x": 1}, baselines=names)
    return database, data, held, ensemble, record


def test_every_system_is_scored_on_the_test_set(evaluated):
    database, data, held, ensemble, record = evaluated
    assert record.predictions.ids == held.test
    kinds = {item.name: item.kind for item in record.systems}
    assert kinds == {
        "ensemble": Kind.ENSEMBLE,
        "forest-fractions": Kind.BASELINE,
        "mean": Kind.CONTROL,
        "shuffled": Kind.CONTROL,
    }
    structures = {entry: database.structures[entry] for entry in held.test}
    scores = ensemble.score(structures)
    np.testing.assert_allclose(record.predictions.p_si, scores.p_si)
    assert np.abs(scores.p_si - scores.raw).max() > 0.1  # calibrated
    labels = database.table.loc[list(held.test), "label"].to_numpy()
    expected = evaluation_scores(labels, record.predictions.p_si)
    found = {name: item.value for name, item in record.ensemble.scores.items()}
    assert found == pytest.approx(expected)
    assert record.reference == "forest-fractions"
    assert 0 < record.system("forest-fractions").settings["loco_auc_pr"] <= 1
    assert record.about["x"] == 1
    assert record.about["training_fraction"] == pytest.approx(np.mean(list(data.labels.values())))


def test_the_mean_control_scores_the_positive_fraction():
    made = made_up()
    systems = {item.name: item for item in score_systems(made, 0.3)}
    positive = made.labels.mean()
    assert systems["mean"].scores["auc_pr"].value == pytest.approx(positive)
    brier = positive * 0.7**2 + (1 - positive) * 0.3**2
    assert systems["mean"].scores["brier"].value == pytest.approx(brier)
    assert systems["mean"].scores["mcc"] == Interval(0, 0, 0, 2000)
    assert systems["shuffled"].ensemble_minus == {}
    # two of n labels differ in expectation 2 p (1 - p) of the time
    expected = 2 * made.labels.sum() * (len(made) - made.labels.sum()) / len(made) ** 2
    assert systems["shuffled"].scores["brier"].value == pytest.approx(expected, abs=0.01)
