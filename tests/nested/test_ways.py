"""Whatever a way fits, labels of the clusters left out have no part in it."""

import nested_examples as examples
import numpy as np
import pytest
from scipy.stats import ttest_1samp

from sie.nested.mixtures import Mixture
from sie.nested.ways import FEWEST, HALVES, WAYS, ways_table
from sie.training.metrics import binary_metrics

BY_NAME = {way.name: way for way in WAYS}


@pytest.fixture(scope="module")
def mixer():
    return examples.mixer()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    examples.quick_ways(monkeypatch)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_labels_of_the_clusters_left_out_change_no_prediction(way, mixer):
    for outer, shown, turned in ((1, 1, 1), (1, 3, 1), (1, 3, 3), (4, 0, 0)):
        expected = way.predict(mixer, outer, shown)
        found = way.predict(examples.with_labels_turned(turned), outer, shown)
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", ["winner per cluster", "greedy, networks", "stacked, logistic"])
def test_labels_of_the_other_clusters_do(name, mixer):
    expected = BY_NAME[name].predict(mixer, 1, 1)
    found = BY_NAME[name].predict(examples.with_labels_turned(2), 1, 1)
    assert not np.allclose(found, expected)


def test_one_way_is_the_main_one_and_is_half_forest_half_networks(mixer):
    (main,) = [way for way in WAYS if way.main]
    assert main.name == HALVES.name == "all networks + forest"
    halves = mixer.outside(Mixture(-1, True), 2), mixer.outside(Mixture(0, False), 2)
    assert np.allclose(main.predict(mixer, 2, 2), np.mean(halves, axis=0))


def test_each_inner_cluster_sends_its_own_winner(mixer):
    outer = 2
    expected = []
    for inner in (0, 1, 3, 4):
        key, where = mixer.frame.part((outer, inner), inner)
        y, best = mixer.frame.classes(inner), None
        for of_seeds in mixer.networks.values():
            tables = of_seeds[0].fits.probabilities
            curve = [binary_metrics(y, row)["auc_pr"] for row in tables[key][:, where]]
            for first in range(examples.POINTS - 1):  # windows of two points
                value = np.mean(curve[first : first + 2])
                if best is None or value > best[0]:
                    best = value, tables[str(outer)][first : first + 2].mean(axis=0)
        expected.append(best[1])
    found = BY_NAME["winner per cluster"].predict(mixer, outer, outer)
    assert np.allclose(found, np.mean(expected, axis=0))
    both = BY_NAME["winner per cluster + forest"].predict(mixer, outer, outer)
    assert np.allclose(both, (found + mixer.of_forest(outer, outer)) / 2)


def test_a_network_that_diverged_somewhere_is_no_member():
    plain, made = examples.frame(), examples.made_up_fits(examples.frame())
    made[1].probabilities["2"][:] = np.nan  # the most skilful one, where it is asked
    mixer = examples.mixer(plain, made)
    without = examples.mixer(plain, [made[0], *made[2:]])
    for name in ("greedy, networks", "greedy, networks and forest", "winner per cluster"):
        assert np.isfinite(BY_NAME[name].predict(mixer, 2, 2)).all()
    name = "greedy, networks"
    found, expected = (BY_NAME[name].predict(m, 2, 2) for m in (mixer, without))
    assert np.allclose(found, expected)


def test_the_table_holds_every_way_in_a_fixed_order(mixer):
    table = ways_table(mixer)
    assert list(table["way"]) == [way.name for way in WAYS]
    assert list(table["way"][table["main"]]) == [HALVES.name]
    clusters = [f"auc_pr_{c}" for c in mixer.frame.clusters]
    assert np.allclose(table[clusters].mean(axis=1), table["auc_pr"])
    assert (table["low"] <= table["high"]).all()
    main, forest = table[table["main"]].iloc[0], table.iloc[0]
    assert (main["minus_main"], main["above_main"], forest["minus_forest"]) == (0, 0, 0)
    assert main["minus_forest"] == pytest.approx(main["auc_pr"] - forest["auc_pr"])
    assert main["inner"] == pytest.approx(
        np.mean([mixer.inside(HALVES, c) for c in mixer.frame.clusters])
    )


def test_intervals_over_clusters_are_student_s_of_the_paired_differences(mixer):
    table = ways_table(mixer)
    clusters = [f"auc_pr_{c}" for c in mixer.frame.clusters]
    areas = dict(zip(table["way"], table[clusters].to_numpy(), strict=True))
    row = table[table["way"] == "winner per cluster"].iloc[0]
    own = areas["winner per cluster"]
    for name, values in (
        ("", own),
        ("minus_forest_", own - areas["forest"]),
        ("minus_main_", own - areas[HALVES.name]),
    ):
        expected = ttest_1samp(values, 0).confidence_interval(0.95)
        assert np.allclose([row[f"{name}over_low"], row[f"{name}over_high"]], list(expected))


def test_with_three_clusters_there_is_no_inner_score():
    assert FEWEST == 4
    table = ways_table(examples.mixer(examples.frame(3)), WAYS[:4])
    assert table["inner"].isna().all()
    assert table["auc_pr"].notna().all()
