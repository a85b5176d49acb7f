import dataclasses

import numpy as np
from reported_searches import RATES

from sie.models.config import TrialConfig
from sie.reporting.search_report.parameter_plots import means_table
from sie.reporting.search_report.tables import trials_table
from sie.reporting.search_report.trial_table import trial_table


def test_rows_are_the_scored_trials_and_columns_what_was_varied(single):
    table = trial_table(single)
    scored = single.first.scored
    assert len(table) == len(scored)
    assert [axis.name for axis in table.axes] == ["max_lr", "dropout_phi", "n_layers"]
    rates, dropout, _ = table.axes
    assert rates.choices == RATES
    np.testing.assert_array_equal(
        np.array(RATES)[rates.positions().astype(int)], [t.task.config.max_lr for t in scored]
    )
    assert dropout.choices == () and (dropout.low, dropout.high) == (0.0, 0.5)
    np.testing.assert_array_equal(table.outcome, [t.objective for t in scored])


def test_across_clusters_trials_are_ranked_within_their_own(study):
    table = trial_table(study)
    for cluster in (0, 1):
        inside = table.clusters == cluster
        outcome, objective = table.outcome[inside], table.objective[inside]
        assert outcome.min() == 0.0 and outcome.max() == 1.0
        np.testing.assert_array_equal(np.argsort(outcome), np.argsort(objective))


def test_equal_objectives_share_their_rank(single):
    first = single.first
    flat = tuple(dataclasses.replace(t, objective=0.5) for t in first.trials)
    both = dataclasses.replace(single, searches=(dataclasses.replace(first, trials=flat),) * 2)
    np.testing.assert_allclose(trial_table(both).outcome, 0.5)


def test_no_scored_trial_gives_an_empty_table(single):
    none = dataclasses.replace(single.first, trials=())
    table = trial_table(dataclasses.replace(single, searches=(none,)))
    assert len(table) == 0 and table.axes == ()


def test_a_logarithmic_range_stands_at_its_logarithm(single):
    axis = dataclasses.replace(trial_table(single).axes[1], log=True, values=np.array([0.01, 1.0]))
    np.testing.assert_allclose(axis.positions(), [-2.0, 0.0])


def test_words_are_choices_and_what_means_nothing_stands_at_its_default(single):
    first = single.first
    recipes = [
        {"optimiser": "adamw", "schedule": "constant", "weight_decay": 0.3, "standardise": True},
        {"optimiser": "lamb"},
        {"optimiser": "adam", "schedule": "cosine"},
    ]
    scored = first.scored[:3]
    trials = tuple(
        dataclasses.replace(
            trial,
            task=dataclasses.replace(
                trial.task, config=TrialConfig(max_lr=0.01, init_lr=1e-3, **recipe)
            ),
        )
        for trial, recipe in zip(scored, recipes, strict=True)
    )
    study = dataclasses.replace(single, searches=(dataclasses.replace(first, trials=trials),))
    axes = {axis.name: axis for axis in trial_table(study).axes}
    assert set(axes) == {"init_lr", "optimiser", "schedule", "weight_decay", "standardise"}

    def shown(name):
        return [axes[name].text(value) for value in axes[name].values]

    assert shown("optimiser") == ["adamw", "lamb", "adam"]
    assert shown("standardise") == ["true", "false", "false"]
    assert shown("weight_decay") == ["0.3", "0.01", "0.01"]
    assert shown("init_lr") == ["0.01", "0.001", "0.001"]
    assert means_table(trial_table(study))
    html = trials_table(study.first, list(axes))
    assert "adamw" in html and "constant" in html
