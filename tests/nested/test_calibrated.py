"""Tables of calibration against the numbers they stand for."""

import nested_examples as examples
import numpy as np
import pytest
from scipy.special import expit
from sie.evaluation.calibration import expected_calibration_error, fit_platt
from sklearn.metrics import brier_score_loss

from sie.nested import calibrated as module
from sie.nested.calibrated import calibrated, calibration_rows, reliability_rows
from sie.nested.judged import Judged, left_out_groups
from sie.nested.ways import HALVES


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(module, "N_RESAMPLES", 60)


def too_sure(n: int = 400) -> dict[int, Judged]:
    """Groups like each other, three times too sure of themselves."""
    rng = np.random.default_rng(0)

    def drawn():
        x = rng.normal(size=n)
        return (rng.random(n) < expit(x)).astype(int), expit(3 * x)

    return {number: Judged(*drawn(), *drawn()) for number in range(3)}


def test_rows_hold_the_scores_of_every_group_and_of_all():
    groups = left_out_groups(examples.mixer(), HALVES)
    table = calibration_rows("left-out clusters", "halves", groups)
    assert len(table) == 3 * (len(groups) + 1)
    own = table.set_index(["calibration", "group"])
    group = groups[2]
    after = fit_platt(group.fit_labels, group.fit_probabilities)(group.probabilities)
    row = own.loc["Platt", "2"]
    assert row["brier"] == pytest.approx(brier_score_loss(group.labels, after))
    assert row["ece"] == pytest.approx(
        expected_calibration_error(group.labels, after, n_bins=module.N_BINS)
    )
    assert row["minus"] == pytest.approx(row["brier"] - own.loc["none", "2"]["brier"])
    p = np.concatenate(list(calibrated(groups, "isotonic").values()))
    y = np.concatenate([g.labels for g in groups.values()])
    every = own.loc["isotonic", "all"]
    assert every["brier"] == pytest.approx(brier_score_loss(y, p))
    assert (every["entries"], every["positives"]) == (len(y), y.sum())
    assert (table["brier_low"] <= table["brier"]).all()
    assert (table["brier"] <= table["brier_high"]).all()
    assert (table.loc[table["calibration"] == "none", ["minus_low", "minus_high"]] == 0).all(
        axis=None
    )


@pytest.mark.parametrize("calibration", ["Platt", "isotonic"])
def test_groups_that_are_alike_are_calibrated(calibration):
    table = calibration_rows("p", "s", too_sure()).set_index(["calibration", "group"])
    before, after = table.loc["none", "all"], table.loc[calibration, "all"]
    assert before["ece"] > before["ece_chance"]
    assert after["ece"] < before["ece"] / 2
    assert after["minus_high"] < 0
    assert after["predicted"] == pytest.approx(after["observed"], abs=0.05)


def test_what_chance_gives_is_what_a_perfect_calibration_stays_below():
    p = np.random.default_rng(1).random(120)
    chance = module._chance(p)
    rng = np.random.default_rng(2)
    found = [
        expected_calibration_error((rng.random(120) < p).astype(int), p, n_bins=module.N_BINS)
        for _ in range(300)
    ]
    assert np.mean(np.array(found) < chance) == pytest.approx(0.95, abs=0.06)


def test_bins_of_the_reliability_diagram_hold_all_structures():
    groups = too_sure(100)
    table = reliability_rows("p", "s", groups)
    for calibration, own in table.groupby("calibration"):
        assert own["entries"].sum() == 300
        if calibration != "isotonic":  # which has few values
            assert own["entries"].between(36, 39).all()
        mean = np.average(own["observed"], weights=own["entries"])
        assert mean == pytest.approx(np.concatenate([g.labels for g in groups.values()]).mean())
        assert (np.diff(own["predicted"]) > 0).all()
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()
