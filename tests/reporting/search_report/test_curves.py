import dataclasses

import numpy as np
import pytest
from reported_searches import FLOOR

from sie.reporting.search_report import curves
from sie.training.record import TrialStatus


def traces(plot):
    return {trace.name: trace for trace in plot.figure.data}


def test_best_so_far_is_the_running_maximum_of_the_scored_trials(single):
    search = single.first
    drawn = traces(curves.progress(search))["best so far"]
    objectives = [t.objective for t in search.scored]
    np.testing.assert_allclose(drawn.y, np.maximum.accumulate(objectives), atol=1e-4)
    assert list(drawn.x) == [t.task.number for t in search.scored]
    assert f"{max(objectives):.3f}" in curves.progress(search).alt


def test_every_cluster_has_its_line(study):
    assert [t.name for t in curves.progress_of_all(study.searches).figure.data] == [
        "cluster 0",
        "cluster 1",
    ]


def test_learning_curves_are_rolling_means_with_marks_where_asha_stopped(single):
    search = single.first
    drawn = traces(curves.learning_curves(search))
    stopped = [t for t in search.trials if t.result.status is TrialStatus.STOPPED_BY_SCHEDULER]
    marks = drawn["stopped early"]
    assert list(marks.x) == [40] * len(stopped)
    last = [np.mean(t.result.curves["val_auc_pr"][30:40]) for t in stopped]
    np.testing.assert_allclose(marks.y, last, atol=1e-4)
    lines = drawn["completed"]
    n = sum(t.result.status is TrialStatus.COMPLETED for t in search.trials)
    assert list(lines.y).count(None) == n
    shown = [x for x in lines.x if x is not None]
    assert min(shown) == 10 and max(shown) == 80
    rungs = [shape.x0 for shape in curves.learning_curves(search).figure.layout.shapes]
    assert 40 in rungs


def test_long_curves_are_thinned_but_keep_their_ends(single):
    search = single.first
    trial = next(t for t in search.trials if t.result.status is TrialStatus.COMPLETED)
    long = np.linspace(0, 1, 500)
    result = dataclasses.replace(trial.result, curves={"val_auc_pr": long})
    one = dataclasses.replace(search, trials=(dataclasses.replace(trial, result=result),))
    line = traces(curves.learning_curves(one))["completed"]
    assert len(line.x) == curves.MOST_POINTS + 1
    assert (line.x[0], line.x[-2]) == (10, 500)


def test_repeats_show_every_value_the_mean_and_what_the_search_saw(single):
    search = single.first
    drawn = traces(curves.repeats(search))
    assert len(drawn["one repeat"].y) == sum(len(item.values) for item in search.judged)
    means = drawn["mean ± sd of the repeats"]
    np.testing.assert_allclose(means.y, [item.mean for item in search.judged], atol=1e-4)
    np.testing.assert_allclose(means.error_y.array, [i.sd for i in search.judged], atol=1e-4)
    best = max(t.objective for t in search.scored)
    assert max(drawn["in the search"].y) == pytest.approx(best, abs=1e-4)


def test_the_winner_stands_among_the_others_in_order(single):
    plot = curves.against_others(single.first)
    means = [trace.x[0] for trace in plot.figure.data]
    assert means == sorted(means)
    assert "winner of the search" in [trace.y[0] for trace in plot.figure.data]
    assert plot.figure.layout.shapes[0].x0 == FLOOR


def test_a_search_without_scores_is_drawn_empty(single):
    none = dataclasses.replace(single.first, trials=(), judged=())
    assert curves.progress(none).alt == "No trial was scored."
    assert "0 trials" in curves.learning_curves(none).alt
