import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest
from evaluation_examples import made_up, made_up_record

from sie.evaluation.scores import calibration, confusion
from sie.reporting import evaluation_figures as figures


@pytest.fixture(autouse=True)
def closing():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def record():
    return made_up_record()


def points(figure, label):
    axes = figure.axes[0]
    (found,) = [item for item in axes.collections if item.get_label() == label]
    return found.get_offsets()


def test_fig6_holds_every_structure_with_a_conductivity(record):
    found = record.predictions
    figure = figures.probability_against_conductivity(record)
    measured, bounds = points(figure, "measured"), points(figure, "upper bound")
    assert len(bounds) == found.censored.sum() > 0
    assert len(measured) + len(bounds) == np.isfinite(found.log10_sigma).sum() < len(found)
    pairs = {(x, y) for x, y in np.concatenate([measured, bounds]).tolist()}
    assert pairs <= set(zip(found.log10_sigma.tolist(), found.p_si.tolist(), strict=True))
    assert "2 with a class only not shown" in figure.axes[0].get_title(loc="left")
    upright, level = (line.get_xydata()[0] for line in figure.axes[0].lines)
    assert (upright[0], level[1]) == (-4, 0.5)
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == len(bounds)
    assert figure.axes[1].get_ylabel() == "standard deviation over members"


def test_fig6_names_mistakes_only(record):
    found = record.predictions
    figure = figures.probability_against_conductivity(record)
    named = {
        tuple(text.xy)
        for text in figure.axes[0].texts
        if hasattr(text, "xy") and text.get_text().startswith("Li")
    }
    wrong = (found.p_si > 0.5) != (found.labels == 1)
    assert 0 < len(named) <= figures.N_NAMED
    assert named <= set(zip(found.log10_sigma[wrong], found.p_si[wrong], strict=True))


def test_without_any_conductivity_there_is_no_fig6():
    found = made_up()
    bare = dataclasses.replace(found, log10_sigma=np.full(len(found), np.nan))
    assert figures.probability_against_conductivity(made_up_record(bare)) is None


def test_the_calibration_curve_shows_bins_and_their_counts(record):
    curve = calibration(record.predictions.labels, record.predictions.p_si)
    full = curve.counts > 0
    axes = figures.calibration_curve(record).axes[0]
    drawn = next(line for line in axes.lines if line.get_marker() == "o").get_xydata()
    np.testing.assert_allclose(drawn, np.stack([curve.predicted, curve.observed], axis=1)[full])
    assert [text.get_text() for text in axes.texts] == [str(n) for n in curve.counts[full]]


def test_wilsons_interval_is_that_of_scipy():
    from scipy.stats import binomtest

    share, counts = np.array([0.0, 0.25, 1.0]), np.array([5, 12, 3])
    below, above = figures._binomial_half_width(share, counts)
    for p, n, low, high in zip(share, counts, share - below, share + above, strict=True):
        expected = binomtest(int(p * n), int(n)).proportion_ci(0.95, method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_confusion_matrix_holds_the_counts(record):
    counts = confusion(record.predictions.labels, record.predictions.p_si)
    texts = [t.get_text().split("\n")[0] for t in figures.confusion_matrix(record).axes[0].texts]
    assert [int(text) for text in texts] == [
        counts.true_negative,
        counts.false_positive,
        counts.false_negative,
        counts.true_positive,
    ]


def test_every_system_stands_beside_the_ensemble(record):
    axes = figures.score_comparison(record).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == [item.name for item in record.systems]
