import matplotlib.pyplot as plt
import numpy as np
import pytest
from screening_examples import ranking

from sie.reporting import screening_figures
from sie.reporting.screening_figures import map_figure, score_figure
from sie.screening.ranking import Filters

KNOWN = np.random.default_rng(0).normal(size=(30, 2))
LABELS = np.arange(30) % 2


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def counted(axes):
    return sum(patch.get_height() for patch in axes.patches)


def test_the_histogram_and_its_inset_count_every_structure():
    table = ranking(300).table
    figure = score_figure(table)
    left = figure.axes[0]
    assert counted(left) == 300
    inset = left.child_axes[0]
    assert counted(inset) == (table["p_si"] > 0.5).sum()
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    n = int(table["ordered"].sum())
    assert texts == [f"ordered ({n})", f"disordered ({300 - n})"]


@pytest.mark.parametrize("most", [10, 1000])
def test_points_or_hexagons_show_the_same_crystals(monkeypatch, most):
    monkeypatch.setattr(screening_figures, "MOST_POINTS", most)
    table = ranking(300).table
    figure = map_figure(table, KNOWN, LABELS)
    texts = [t.get_text() for t in figure.legends[0].get_texts()]
    assert "screened (300)" in texts
    assert "training, superionic (15)" in texts
    assert f"candidates ({int(table['passes'].sum())})" in texts


def test_outliers_do_not_squeeze_the_rest():
    table = ranking(3000).table
    table.loc[5, "d_training"] = 1e6
    right = score_figure(table).axes[1]
    assert right.get_xlim()[1] < 100
    assert "1 beyond the axes" in [t.get_text() for t in right.texts]


def test_one_structure_or_no_candidate_is_drawn_too():
    table = ranking(1, Filters(min_p_si=0.999)).table
    assert not table["passes"].any()
    score_figure(table).canvas.draw()
    map_figure(table, KNOWN, LABELS).canvas.draw()


def test_the_map_marks_the_best_of_many_candidates(monkeypatch):
    monkeypatch.setattr(screening_figures, "MOST_CIRCLES", 2)
    found = ranking(300).table.assign(passes=True)
    rows, name = screening_figures._best(found)
    assert name == f"best 2 of {len(found)} candidates"
    assert sorted(found["p_si"].iloc[rows]) == sorted(found["p_si"])[-2:]
