import numpy as np
import pytest
from reported_searches import RATES

from sie.reporting.search_report.importance import importances
from sie.reporting.search_report.parameter_plots import (
    importance_plot,
    means_table,
    parallel_coordinates,
    slices,
)
from sie.reporting.search_report.trial_table import trial_table, value_text


def test_parallel_coordinates_hold_every_trial_on_every_axis(study, single):
    for chosen, extra in ((single, 1), (study, 2)):
        table = trial_table(chosen)
        (drawn,) = parallel_coordinates(table).figure.data
        labels = [d.label for d in drawn.dimensions]
        assert len(labels) == len(table.axes) + extra
        assert labels[-1] == "objective" and (labels[0] == "cluster") == (extra == 2)
        assert all(len(d["values"]) == len(table) for d in drawn.dimensions)
        assert list(drawn.line.color) == sorted(drawn.line.color)
        np.testing.assert_allclose(
            sorted(drawn.dimensions[-1]["values"]), sorted(table.objective), atol=1e-4
        )


def test_choices_stand_in_rank_order_within_their_jitter(single):
    table = trial_table(single)
    (drawn,) = parallel_coordinates(table).figure.data
    rates = drawn.dimensions[0]
    assert list(rates.ticktext) == ["0.001", "0.003", "0.005"]
    order = np.argsort(table.outcome, kind="stable")
    wanted = [RATES.index(v) for v in table.axes[0].values[order]]
    np.testing.assert_array_equal(np.round(rates["values"]), wanted)


def test_slices_show_the_mean_of_every_choice(single):
    table = trial_table(single)
    plots = slices(table)
    assert len(plots) == len(table.axes)
    rates = table.axes[0].values
    means = [table.outcome[rates == rate].mean() for rate in RATES]
    np.testing.assert_allclose(plots[0].figure.data[1].y, means, atol=1e-4)
    rows = [row for row in means_table(table) if row[0] == "max_lr"]
    assert [row[3] for row in rows] == pytest.approx(means)
    assert sum(row[2] for row in rows) == len(table)


def test_importance_bars_are_the_values_from_top_to_bottom(study):
    found = importances(trial_table(study), draws=0.1)[1]
    bars, chance = importance_plot(found).figure.data
    assert list(reversed(bars.y)) == list(found.names)
    np.testing.assert_allclose(bars.x[::-1], found.values, atol=1e-4)
    np.testing.assert_allclose(chance.x[::-1], found.chance, atol=1e-4)


def test_numbers_are_short():
    assert [value_text(v) for v in (1e-4, 2e-5, 128.0, 0.25)] == ["0.0001", "2e-5", "128", "0.25"]
