import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sie.nested.calibrated import reliability_rows
from sie.nested.covered import conformal_rows
from sie.nested.judged import Judged
from sie.reporting import nested_figures as figures

PROTOCOLS = ("left-out clusters", "random parts", "random folds")


@pytest.fixture(autouse=True)
def closing():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(0)
    y = (np.arange(60) % 3 == 0).astype(int)
    p = [np.clip(0.3 * y + 0.6 * rng.random(60), 0, 1) for _ in range(3)]
    return {n: Judged(y, p[n], y, p[(n + 1) % 3]) for n in range(3)}


def drawn_points(axes, label):
    (found,) = [item for item in axes.containers if item.get_label() == label]
    return found.lines[0].get_xydata()


def test_reliability_shows_every_bin_of_the_system(groups):
    table = pd.concat([reliability_rows(p, s, groups) for p in PROTOCOLS for s in ("a", "b")])
    panels = figures.reliability(table, "b").axes
    assert [axes.get_title(loc="left") for axes in panels] == ["as predicted", "Platt", "isotonic"]
    for axes, calibration in zip(panels, ("none", "Platt", "isotonic"), strict=True):
        rows = table[(table["system"] == "b") & (table["calibration"] == calibration)]
        own = rows[rows["protocol"] == "left-out clusters"]
        points = drawn_points(axes, "left-out clusters")
        assert np.allclose(points, own[["predicted", "observed"]])
    shown = [{item.get_label() for item in axes.containers} for axes in panels]
    assert shown == [set(PROTOCOLS) - {"random parts"}, set(PROTOCOLS), set(PROTOCOLS)]


def test_coverage_shows_clusters_then_all_then_what_has_no_shift(groups):
    tables = [conformal_rows(PROTOCOLS[0], "a", groups)]
    for protocol in PROTOCOLS[1:]:
        rows = conformal_rows(protocol, "a", groups)
        tables.append(rows[rows["group"] == "all"])
    table = pd.concat(tables)
    panels = figures.coverage_by_group(table, "a").axes
    assert len(panels) == 2
    names = [text.get_text().split("\n60")[0] for text in panels[-1].get_xticklabels()]
    assert [name.split("\n180")[0] for name in names] == [
        "0", "1", "2", "all", "random\nparts", "random\nfolds",
    ]  # fmt: skip
    for axes, confidence in zip(panels, (0.8, 0.9), strict=True):
        rows = table[table["confidence"] == confidence]
        points = drawn_points(axes, "superionic")
        assert np.allclose(points[:, 1], rows["coverage_1"])
        sizes = [float(text.get_text()) for text in axes.texts]
        assert np.allclose(sizes, rows["mean_size"], atol=0.005)
        (line,) = [item for item in axes.lines if item.get_label() == "promised"]
        assert set(line.get_ydata()) == {confidence}
