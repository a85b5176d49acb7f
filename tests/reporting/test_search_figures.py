import matplotlib as mpl
import numpy as np
import pytest
from search_examples import make_ended, make_result

from sie.models.config import TrialConfig
from sie.reporting import search_figures as figures
from sie.reporting.style import CYCLE, STATUS_COLOURS
from sie.search.selection import SelectionRule, judge_repeats
from sie.splits.record import Clustering
from sie.training.record import TrialStatus

RULE = SelectionRule(10, 5)


@pytest.fixture(autouse=True)
def close_all():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def some_trials():
    return [
        make_ended(0, 0.5),
        make_ended(1, 0.3, 20, TrialStatus.STOPPED_BY_SCHEDULER),
        make_ended(2, 0.7),
        make_ended(3, 0.0, 0, TrialStatus.FAILED),
    ]


def drawn(figure, tmp_path):
    path = tmp_path / "figure.png"
    figure.savefig(path)
    assert path.stat().st_size > 5_000
    return figure.axes[0]


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_learning_curves_name_every_ending_with_its_count(tmp_path):
    axes = drawn(figures.learning_curves(some_trials(), RULE, 0.4, [40]), tmp_path)
    assert {"completed (2)", "stopped by scheduler (1)", "failed (1)"} <= set(texts(axes))


def test_progress_shows_the_best_so_far_of_trials_that_count(tmp_path):
    axes = drawn(figures.search_progress(some_trials(), 0.4), tmp_path)
    (best,) = [line for line in axes.lines if line.get_label() == "best so far"]
    np.testing.assert_allclose(best.get_ydata(), [0.5, 0.5, 0.7])


def test_a_search_without_a_score_is_drawn_too(tmp_path):
    nothing = [make_ended(0, 0.0, 0, TrialStatus.FAILED)]
    drawn(figures.search_progress(nothing, 0.4), tmp_path)
    drawn(figures.learning_curves(nothing, RULE, 0.4), tmp_path)


def test_repeats_show_mean_and_spread(tmp_path):
    configs = [TrialConfig(), TrialConfig(n_layers=2)]
    judged = [
        judge_repeats(config, [make_result(np.full(20, v)) for v in (0.5, 0.7)], RULE)
        for config in configs
    ]
    searched = {config.hash: 0.8 for config in configs}
    axes = drawn(figures.repeats(judged, searched, 0.4), tmp_path)
    assert "mean ± sd over repeats" in texts(axes)


def test_the_map_names_every_cluster_also_with_gaps(tmp_path):
    ids = tuple("abcdef")
    clustering = Clustering(ids, np.array([0, 0, 2, 2, 7, 7]), np.arange(12.0).reshape(6, 2))
    axes = drawn(figures.cluster_map(clustering, dict.fromkeys(ids, 1), 2), tmp_path)
    assert texts(axes) == ["0 (2)", "2 (2)", "7 (2)"]
    assert figures.cluster_map(Clustering(ids, np.zeros(6, int)), {}, 0) is None


def test_every_ending_has_a_colour_and_the_style_leaks_nowhere():
    assert set(STATUS_COLOURS) == set(TrialStatus)
    assert len(set(CYCLE)) == len(CYCLE)
    before = dict(mpl.rcParams)
    figures.search_progress(some_trials(), 0.4)
    assert {k: v for k, v in mpl.rcParams.items() if k != "backend"} == {
        k: v for k, v in before.items() if k != "backend"
    }
