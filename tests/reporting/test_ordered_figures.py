"""The ordered comparison: means and bands against SciPy, and what is on the figure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sie.reporting.ordered_figures import (
    PANELS,
    Band,
    ComparedCurves,
    ControlLevel,
    mean_and_band,
    ordered_comparison,
)

EPOCHS = np.arange(1, 31)


@pytest.fixture(autouse=True)
def close_all():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def curves(name: str, seed: int) -> ComparedCurves:
    rng = np.random.default_rng(seed)
    return ComparedCurves(
        name, EPOCHS, {metric: rng.normal(0.7, 0.1, (5, 30)) for metric in PANELS}
    )


def test_mean_and_band_are_scipys():
    values = np.random.default_rng(0).normal(0.7, 0.1, (5, 30))
    means, half = mean_and_band(values, Band.SD)
    np.testing.assert_allclose(means, values.mean(axis=0))
    np.testing.assert_allclose(half, values.std(axis=0, ddof=1))
    means, half = mean_and_band(values, Band.CI95)
    low, high = stats.t.interval(0.95, 4, values.mean(axis=0), stats.sem(values, axis=0))
    np.testing.assert_allclose(means - half, low)
    np.testing.assert_allclose(means + half, high)


@pytest.mark.parametrize("band", Band)
def test_runs_that_have_ended_are_left_out(band):
    values = np.array([[0.5, np.nan, np.nan], [0.7, 0.6, np.nan], [0.9, 0.8, 0.0]])
    values[2, 2] = np.nan
    means, half = mean_and_band(values, band)
    np.testing.assert_allclose(means, [0.7, 0.7, np.nan])
    expected = mean_and_band(values[1:, 1:2], band)[1][0]
    assert half[1] == pytest.approx(expected)
    assert np.isnan(half[2])
    assert mean_and_band(np.array([[0.4]]), band)[1] == 0


def test_both_panels_show_curves_bands_and_controls(tmp_path):
    compared = [curves("ordered cells", 0), curves("weighted embeddings", 1)]
    controls = [
        ControlLevel("mean control", {"auc_pr": 0.377, "mcc": 0.0}),
        ControlLevel("shuffled control", {"auc_pr": 0.381, "mcc": -0.001}),
    ]
    figure = ordered_comparison(compared, controls, Band.SD)
    for axes, metric in zip(figure.axes, PANELS, strict=True):
        assert axes.get_ylabel() == PANELS[metric]
        assert len(axes.collections) == 2
        for line, item in zip(axes.lines, compared, strict=False):
            np.testing.assert_allclose(line.get_ydata(), item.values[metric].mean(axis=0))
        levels = [line.get_ydata()[0] for line in axes.lines[2:]]
        assert levels == [control.values[metric] for control in controls]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "ordered cells (mean, sd)",
        "weighted embeddings (mean, sd)",
        "mean control",
        "shuffled control",
    ]
    for ending in ("png", "svg"):
        figure.savefig(tmp_path / f"figure.{ending}")
        assert (tmp_path / f"figure.{ending}").stat().st_size > 5_000


def test_no_two_things_look_alike():
    figure = ordered_comparison(
        [curves(str(n), n) for n in range(4)],
        [ControlLevel(str(n), dict.fromkeys(PANELS, 0.3)) for n in range(3)],
    )
    looks = {
        (line.get_color(), line.get_linestyle(), line.get_lw()) for line in figure.axes[0].lines
    }
    assert len(looks) == 7


@pytest.mark.parametrize("shape", [(30,), (0, 30), (5, 29)])
def test_curves_of_another_shape_are_refused(shape):
    good = np.zeros((5, 30))
    with pytest.raises(ValueError, match="mcc has shape"):
        ComparedCurves("x", EPOCHS, {"auc_pr": good, "mcc": np.zeros(shape)})
