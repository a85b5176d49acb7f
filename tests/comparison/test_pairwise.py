import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sie.comparison.pairwise import pair_table
from sie.comparison.significance import holm
from sie.errors import InputError


def table(**systems):
    """systems[name][split] lists the scores by seed."""
    rows = [
        {"system": name, "split": f"loco-{i}", "seed": seed, "auc_pr": value}
        for name, splits in systems.items()
        for i, values in enumerate(splits)
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


ONE = [[0.5, 0.6], [0.7, 0.9], [0.4, 0.5]]
TWO = [[0.3, 0.5], [0.6, 0.7], [0.5, 0.4]]
THREE = [[0.1], [0.2], [0.3]]


def test_rows_hold_means_differences_and_corrected_p():
    pairs = pair_table(table(one=ONE, two=TWO, three=THREE))
    assert len(pairs) == 3
    row = pairs.set_index(["first", "second"]).loc[("one", "two")]
    means = np.array([0.15, 0.15, 0.0])
    assert row["difference"] == pytest.approx(means.mean())
    assert row["mean_first"] - row["mean_second"] == pytest.approx(row["difference"])
    assert (row["n_splits"], row["n_cells"], row["n_left_out"], row["better"]) == (3, 6, 0, 2)
    # three splits, so a validation part is taken for half of a training part
    t = means.mean() / (means.std(ddof=1) * np.sqrt(1 / 3 + 1 / 2))
    assert row["p_resampled"] == pytest.approx(2 * stats.t.sf(t, 2))
    for name in ("p_splits", "p_resampled", "p_seeds"):
        np.testing.assert_allclose(pairs[f"{name}_holm"], holm(pairs[name]))


def test_sizes_of_the_splits_are_used_where_they_are_known():
    sized = table(one=ONE, two=TWO).assign(n_train=90, n_validation=[10, 10, 20, 20, 30, 30] * 2)
    means = np.array([0.15, 0.15, 0.0])
    t = means.mean() / (means.std(ddof=1) * np.sqrt(1 / 3 + 20 / 90))
    assert pair_table(sized)["p_resampled"][0] == pytest.approx(2 * stats.t.sf(t, 2))


def test_a_single_evaluation_is_paired_with_every_seed():
    row = pair_table(table(one=ONE, three=THREE)).iloc[0]
    assert row["n_cells"] == 6
    assert row["difference"] == pytest.approx(np.mean([0.45, 0.6, 0.15]))


def test_seeds_are_paired_by_number_and_means_are_over_all_of_them():
    more = [[*own, 0.9] for own in ONE]
    other = table(two=more)
    other = other[~((other["split"] == "loco-0") & (other["seed"] == 0))]
    row = pair_table(pd.concat([table(one=more), other])).iloc[0]
    assert row["n_cells"] == 2 + 3 + 3
    assert row["difference"] == pytest.approx((np.mean(more[0]) - np.mean(more[0][1:])) / 3)
    assert row["p_seeds"] == 1.0
    assert row["mean_first"] == pytest.approx(np.mean([np.mean(own) for own in more]))


def test_lost_evaluations_are_counted():
    lost = [[0.5, np.nan], [0.7, 0.9], [np.nan, np.nan]]
    row = pair_table(table(one=lost, two=TWO)).iloc[0]
    assert (row["n_splits"], row["n_cells"], row["n_left_out"]) == (2, 3, 1)
    assert row["difference"] == pytest.approx(np.mean([0.5 - 0.4, 0.8 - 0.65]))


def test_the_order_of_a_pair_changes_signs_only():
    there = pair_table(table(one=ONE, two=TWO)).iloc[0]
    back = pair_table(table(one=ONE, two=TWO), ["two", "one"]).iloc[0]
    assert back["difference"] == pytest.approx(-there["difference"])
    for name in ("p_splits", "p_resampled", "p_seeds"):
        assert back[name] == pytest.approx(there[name])


@pytest.mark.parametrize(
    ("systems", "score", "message"),
    [
        (["one", "tow"], "auc_pr", "no system tow; there are: one, two"),
        (["one"], "auc_pr", "name two or more"),
        ((), "mcc", "no column mcc"),
    ],
)
def test_what_is_missing_is_named(systems, score, message):
    with pytest.raises(InputError, match=message):
        pair_table(table(one=ONE, two=TWO), systems, score)


def test_doubled_evaluations_are_refused():
    with pytest.raises(InputError, match="stands twice"):
        pair_table(pd.concat([table(one=ONE, two=TWO), table(one=ONE)]))
