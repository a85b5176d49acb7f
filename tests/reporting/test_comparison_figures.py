import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sie.comparison.tables import by_split, summary
from sie.reporting.comparison_figures import (
    ClusterSeries,
    cluster_scores,
    score_dots,
    system_colour,
    transfer_differences,
)


@pytest.fixture(autouse=True)
def closing():
    yield
    plt.close("all")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    systems = [("CAMN-V0", "network"), ("forest-fractions", "baseline"), ("mean", "control")]
    scores = ("auc_pr", "mcc", "roc_auc", "f1", "balanced_accuracy", "ap")
    return pd.DataFrame(
        {
            "system": system,
            "kind": kind,
            "split": f"fold-{fold}",
            "seed": seed,
            "n_validation": 10,
            "positive_fraction": 0.4,
            **dict.fromkeys(scores, rng.uniform(0.3, 0.9)),
        }
        for system, kind in systems
        for fold in range(5)
        for seed in range(2)
    )


def test_every_system_has_its_mean_interval_and_splits(table):
    means = summary(table)
    figure = score_dots(means, by_split(table), "title", "fold")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["CAMN-V0", "forest-fractions"]
    offsets = [points.get_offsets() for points in axes.collections if len(points.get_offsets())]
    sizes = sorted(len(points) for points in offsets)
    assert sizes.count(5) == 2
    drawn = [points[0, 0] for points in offsets if len(points) == 1]
    assert set(np.round(drawn, 9)) >= set(np.round(means["auc_pr"][:2], 9))
    control = means.set_index("system").loc["mean", "auc_pr"]
    assert any(np.allclose(line.get_xdata(), control) for line in axes.lines)


def test_clusters_show_mean_and_spread_of_repeats():
    scores = {3: {"auc_pr": np.array([0.5, 0.7]), "mcc": np.array([0.0, 0.2])}}
    series = [ClusterSeries("CAMNS-V1", "network", scores)]
    figure = cluster_scores(series, {3: (10, 4), 5: (20, 10)}, "title")
    container = figure.axes[0].containers[0]
    assert container.lines[0].get_ydata()[0] == pytest.approx(0.6)
    (segment,) = container.lines[2][0].get_segments()
    assert segment[1, 1] - segment[0, 1] == pytest.approx(2 * np.std([0.5, 0.7], ddof=1))
    labels = [text.get_text() for text in figure.axes[1].get_xticklabels()]
    assert labels == ["3\n10 / 4", "5\n20 / 10"]


def test_transfer_draws_a_point_for_every_protocol():
    rows = [
        {"system": s, "protocol": p, "score": score, "mean": 0.1, "low": 0.0, "high": 0.2}
        for s in ("CAMN-V0", "CAMN-V1")
        for p in ("5-fold", "LOCO")
        for score in ("auc_pr", "mcc")
    ]
    figure = transfer_differences(pd.DataFrame(rows), "title")
    assert [len(axes.containers) for axes in figure.axes] == [2, 2]


def test_kinds_and_representations_differ_in_colour():
    names = [("CAMN-V0", "network"), ("CAMNS-V0", "network"), ("CAN-V0", "network")]
    names += [("CANS-V0", "network"), ("forest", "baseline"), ("mean", "control")]
    assert len({system_colour(*name) for name in names}) == 6
