import numpy as np
import pandas as pd
import pytest
from evaluation_examples import made_up_record

from sie.evaluation.scores import evaluation_scores
from sie.evaluation.tables import (
    calibration_table,
    differences_table,
    misclassified_table,
    scores_table,
    structures_table,
)


@pytest.fixture(scope="module")
def record():
    return made_up_record()


def test_every_structure_stands_with_its_distances(record):
    table = structures_table(record)
    found = record.predictions
    assert sorted(table["id"]) == sorted(found.ids)
    assert table["p_si_from_boundary"].abs().is_monotonic_increasing
    measured = table["log10_sigma"].notna()
    sides = (table["log10_sigma_from_boundary"] >= 0)[measured]
    assert (sides == (table["label"] == 1)[measured]).all()
    assert ((table["p_si_from_boundary"] > 0) == (table["class"] == 1)).all()


def test_the_misclassified_are_those_that_are_wrong_the_surest_first(record):
    wrong = misclassified_table(record)
    p = pd.Series(record.predictions.p_si, index=record.predictions.ids)
    y = pd.Series(record.predictions.labels, index=record.predictions.ids)
    assert set(wrong["id"]) == set(p.index[(p > 0.5) != (y == 1)])
    assert 0 < len(wrong) < len(p)
    assert wrong["p_si_from_boundary"].abs().is_monotonic_decreasing
    assert not [name for name in wrong.columns if "forest" in name]


def test_scores_and_differences_fit(record):
    scores = scores_table(record).set_index("system")
    assert list(scores["kind"]) == ["ensemble", "baseline", "control", "control"]
    ours = evaluation_scores(record.predictions.labels, record.predictions.p_si)
    assert scores.loc["ensemble", list(ours)].to_dict() == pytest.approx(ours)
    assert (scores["auc_pr_low"] <= scores["auc_pr"]).all()
    assert (scores["auc_pr"] <= scores["auc_pr_high"]).all()
    positive = record.predictions.labels.mean()
    assert scores.loc["mean", "auc_pr"] == pytest.approx(positive)
    assert scores.loc["shuffled", "mcc"] == pytest.approx(0, abs=0.05)
    assert scores.loc["shuffled", "n_resamples"] == 1000
    differences = differences_table(record).set_index("system")
    assert list(differences.index) == ["forest-fractions", "mean"]
    expected = scores.loc["ensemble", "brier"] - scores.loc["mean", "brier"]
    assert differences.loc["mean", "brier"] == pytest.approx(expected)
    assert differences["reference"].tolist() == [True, False]


def test_bins_hold_every_structure(record):
    bins = calibration_table(record)
    assert bins["structures"].sum() == len(record.predictions)
    full = bins[bins["structures"] > 0]
    assert full["mean_p_si"].between(full["low"], full["high"]).all()
    assert np.average(full["superionic_share"], weights=full["structures"]) == pytest.approx(
        record.predictions.labels.mean()
    )
