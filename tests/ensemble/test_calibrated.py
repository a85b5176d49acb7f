"""Calibration on left-out clusters: what is fitted, what it is worth, and as plain values."""

import dataclasses
import json

import numpy as np
import pytest
from ensemble_examples import left_out_predictions

from sie.ensemble.calibrated import (
    COVERAGES,
    METHODS,
    NOTE,
    SET_COLUMNS,
    SET_WORDS,
    Calibration,
    percent,
)
from sie.ensemble.calibration import fit_platt
from sie.errors import InputError
from sie.training.metrics import binary_metrics


@pytest.fixture(scope="module")
def found():
    return left_out_predictions()


@pytest.fixture(scope="module", params=list(METHODS))
def calibration(request, found):
    return Calibration.fit(request.param, found)


def test_what_was_all_near_two_fifths_is_spread_and_keeps_its_order(calibration, found):
    raw = np.sort(found.raw)
    after = calibration(raw)
    assert (np.diff(after) >= 0).all()
    assert after[-1] > 0.8 and after[0] < 0.2
    assert np.isnan(calibration(np.array([np.nan, 0.4]))).tolist() == [True, False]


def test_sets_are_those_of_raw_scores_class_by_class(calibration, found):
    for coverage in COVERAGES:
        sets = calibration.prediction_sets(found.raw, coverage)
        assert sets.shape == (len(found.ids), 2)
        for label in (0, 1):
            held = sets[found.labels == label, label].mean()
            # n own entries: as close to the coverage as n allows
            assert coverage <= held <= coverage + 2 / (found.labels == label).sum()
        words = calibration.set_words(found.raw)[f"set_{percent(coverage)}"]
        one, other = (np.flatnonzero(sets[:, k] & ~sets[:, 1 - k]) for k in (1, 0))
        assert {words[i] for i in one} == {"superionic"}
        assert {words[i] for i in other} <= {"not superionic"}
    assert set(calibration.set_words(found.raw)) == set(SET_COLUMNS)
    assert set(SET_WORDS.values()) == {"neither", "not superionic", "superionic", "undecided"}
    wider, narrower = (calibration.prediction_sets(found.raw, c).sum() for c in (0.95, 0.5))
    assert wider > narrower
    with pytest.raises(InputError, match="0 < confidence < 1"):
        calibration.prediction_sets(found.raw, 1.0)


def test_its_worth_is_seen_on_clusters_that_it_was_not_fitted_on(found):
    calibration = Calibration.fit("platt", found)
    worth, y = calibration.worth, found.labels
    after = np.empty(len(y))
    for cluster in (0, 1, 2, 5):
        own = found.clusters == cluster
        after[own] = fit_platt(y[~own], found.raw[~own])(found.raw[own])
    assert worth["brier"] == pytest.approx(np.mean((after - y) ** 2))
    assert worth["brier_raw"] == pytest.approx(np.mean((found.raw - y) ** 2))
    bins = np.minimum((after * 5).astype(int), 4)
    parts = [abs((after - y)[bins == b].sum()) for b in range(5)]
    assert worth["ece"] == pytest.approx(sum(parts) / len(y))
    assert worth["ece"] < worth["ece_raw"]
    for name, p in (("", found.raw), ("_networks", found.networks), ("_forest", found.forest)):
        of_clusters = [
            binary_metrics(y[found.clusters == c], p[found.clusters == c])["auc_pr"]
            for c in (0, 1, 2)  # the last has one class
        ]
        assert worth[f"auc_pr{name}"] == pytest.approx(np.mean(of_clusters))
    for coverage in COVERAGES:
        held = []
        for cluster in (0, 1, 2, 5):
            own = found.clusters == cluster
            others = dataclasses.replace(
                found, **{n: getattr(found, n)[~own] for n in vars(found) if n != "ids"},
                ids=tuple(np.array(found.ids)[~own]),
            )  # fmt: skip
            sets = Calibration.fit("platt", others).prediction_sets(found.raw[own], coverage)
            held += sets[np.arange(own.sum()), y[own]].tolist()
        name = f"coverage_{percent(coverage)}"
        assert worth[name] == pytest.approx(np.mean(held))
        by_class = worth[f"{name}_0"] * (y == 0).mean() + worth[f"{name}_1"] * (y == 1).mean()
        assert by_class == pytest.approx(worth[name])
        assert 0 < worth[f"set_size_{percent(coverage)}"] <= 2


def test_networks_alone_have_no_score_of_a_forest():
    alone = Calibration.fit("platt", left_out_predictions(forest=False))
    assert "auc_pr_forest" not in alone.worth
    plain = json.loads(json.dumps(alone.as_dict(), allow_nan=False))
    assert Calibration.from_mapping(plain).left_out.forest is None


def test_clusters_whose_others_hold_one_class_keep_their_raw_scores():
    small = left_out_predictions(8)
    labels = np.where(small.clusters == 0, small.labels, 0)
    labels[0] = 1
    calibration = Calibration.fit("platt", dataclasses.replace(small, labels=labels))
    assert np.isfinite(calibration.worth["ece"])


def test_plain_values_give_it_back(calibration, found):
    plain = json.loads(json.dumps(calibration.as_dict(), allow_nan=False))
    assert plain["note"] == NOTE and "optimistic" in NOTE
    again = Calibration.from_mapping(plain)
    np.testing.assert_array_equal(again(found.raw), calibration(found.raw))
    assert again.sets == calibration.sets and again.method == calibration.method
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(again.left_out, name), value)
    for coverage in (0.8, 0.7):
        np.testing.assert_array_equal(
            again.prediction_sets(found.raw, coverage),
            calibration.prediction_sets(found.raw, coverage),
        )
    assert again.worth == calibration.worth


def test_one_class_and_arrays_that_do_not_fit_are_refused(found):
    with pytest.raises(InputError, match="both must be there"):
        Calibration.fit("platt", dataclasses.replace(found, labels=np.zeros_like(found.labels)))
    with pytest.raises(ValueError, match="do not fit"):
        dataclasses.replace(found, raw=found.raw[1:])
