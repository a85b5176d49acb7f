import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sie.comparison.record import SCORES, Evaluation, Kind, SystemResults
from sie.comparison.tables import (
    by_split,
    differences,
    evaluations_table,
    mean_interval,
    summary,
)
from sie.splits.record import Split
from sie.training.record import TrialStatus

SPLITS = [Split(f"fold-{i}", ("a", "b"), ("c",)) for i in range(3)]
POSITIVES = {"fold-0": 0.3, "fold-1": 0.4, "fold-2": 0.5}


def results(name, values, kind=Kind.NETWORK):
    """values[split][seed] is the AUC-PR; every other score is its negative."""
    evaluations = tuple(
        Evaluation(f"fold-{i}", seed, scores={s: v if s == "auc_pr" else -v for s in SCORES})
        for i, own in enumerate(values)
        for seed, v in enumerate(own)
    )
    return SystemResults(name, kind, "run", evaluations)


@pytest.fixture
def table():
    one = results("one", [[0.5, 0.7], [0.6, 0.8], [0.1, 0.3]])
    two = results("two", [[0.4], [0.4], [0.4]], Kind.BASELINE)
    return evaluations_table([one, two], SPLITS, POSITIVES)


def test_seeds_are_averaged_before_splits(table):
    row = summary(table).set_index("system").loc["one"]
    assert row["auc_pr"] == pytest.approx(np.mean([0.6, 0.7, 0.2]))
    assert row["mcc"] == pytest.approx(-0.5)
    expected = stats.t.interval(0.95, 2, 0.5, stats.sem([0.6, 0.7, 0.2]))
    assert (row["auc_pr_low"], row["auc_pr_high"]) == pytest.approx(expected)
    assert row["auc_pr_sd_seeds"] == pytest.approx(np.std([0.4, 0.6], ddof=1))
    assert (row["n_splits"], row["n_seeds"]) == (3, 2)


def test_a_system_with_one_seed_has_no_spread_over_seeds(table):
    row = summary(table).set_index("system").loc["two"]
    assert np.isnan(row["auc_pr_sd_seeds"])
    assert (row["auc_pr_low"], row["auc_pr_high"]) == pytest.approx((0.4, 0.4))


def test_seeds_that_are_not_on_all_splits_make_no_spread():
    # every split gives one number whatever the seed: seeds 2 and 3 exist on one split only
    one = results("one", [[0.5, 0.5], [0.9, 0.9], [0.1, 0.1, 0.1, 0.1]])
    row = summary(evaluations_table([one], SPLITS, POSITIVES)).iloc[0]
    assert row["auc_pr_sd_seeds"] == pytest.approx(0, abs=1e-12)


def test_differences_are_paired_by_split(table):
    row = differences(table, "two").set_index("system").loc["one"]
    expected = np.array([0.2, 0.3, -0.2])
    assert row["auc_pr"] == pytest.approx(expected.mean())
    assert (row["auc_pr_low"], row["auc_pr_high"]) == pytest.approx(mean_interval(expected))
    assert row["auc_pr_better"] == 2
    assert differences(table, "one").set_index("system").loc["one", "auc_pr"] == 0


def test_an_evaluation_without_score_is_counted_not_averaged():
    lost = Evaluation("fold-0", 1, TrialStatus.DIVERGED, "loss")
    one = results("one", [[0.5], [0.6], [0.7]])
    one = SystemResults("one", Kind.NETWORK, "run", (*one.evaluations, lost))
    table = evaluations_table([one], SPLITS, POSITIVES)
    row = summary(table).iloc[0]
    assert row["auc_pr"] == pytest.approx(0.6)
    assert row["n_without_score"] == 1
    assert table["status"].tolist().count("diverged") == 1


def test_tables_name_sizes_and_floors(table):
    assert table["n_train"].unique().tolist() == [2]
    means = by_split(table)
    assert isinstance(means, pd.DataFrame)
    assert means["positive_fraction"].tolist() == [0.3, 0.4, 0.5] * 2
    assert len(means) == 6
