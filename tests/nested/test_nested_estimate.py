"""The estimate chooses by inner scores alone, and scores what it chose outside."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sie.nested.candidates import RECIPE, Candidate
from sie.nested.estimate import (
    Frame,
    best_points,
    by_candidate,
    choose,
    load_frame,
    load_trainings,
    score,
)
from sie.nested.left_out import left_out_sets
from sie.nested.tables import candidates_table, choices_table, summary_row
from sie.nested.trainings import Fits, Sizes, save_fits, write_frame
from sie.search.selection import SelectionRule
from sie.splits.record import Clustering

N_CLUSTERS, SIZE, POINTS, EVERY = 4, 12, 30, 2
RULE = SelectionRule(window=6, min_epoch=10)
IDS = tuple(f"e{i:02d}" for i in range(N_CLUSTERS * SIZE))
LABELS = {entry: int(i % 3 == 0) for i, entry in enumerate(IDS)}
FRAME = Frame(
    LABELS,
    {
        "-".join(map(str, chosen)): tuple(e for c in chosen for e in IDS[c * SIZE : (c + 1) * SIZE])
        for n in (1, 2)
        for chosen in combinations(range(N_CLUSTERS), n)
    },
    EVERY,
    "hash",
)


def fits(view: str, seed: int, skill_inside: float, skill_outside: float) -> Fits:
    """Probabilities that know the labels so well: pairs are the inside, singles the outside."""
    rng = np.random.default_rng([seed, len(view), int(100 * skill_inside)])
    tables = {}
    for key, ids in FRAME.validation.items():
        skill = skill_inside if "-" in key else skill_outside
        truth = np.array([LABELS[e] for e in ids])
        tables[key] = (0.5 * rng.random((POINTS, len(ids))) + skill * truth * 0.5).astype("f4")
    epochs = np.arange(1, POINTS + 1) * EVERY
    return Fits(Candidate(view, RECIPE, view), seed, epochs, tables)


def group(*items: Fits):
    return by_candidate([score(item, FRAME) for item in items], [0])


def test_inner_scores_are_of_the_training_without_both_clusters():
    item = fits("CAMN-V0", 0, 0.4, 0.4)
    scores = score(item, FRAME)
    truth = FRAME.classes(1)
    table = item.probabilities["1-3"][:, :SIZE]  # cluster 1 stands first there
    expected = [average_precision_score(truth, row) for row in table]
    assert np.allclose(scores.inner[3, 1], expected, atol=0.1)  # areas by steps and by lines
    flipped = dict(item.probabilities) | {"1-3": 1 - item.probabilities["1-3"]}
    other = score(Fits(item.candidate, 0, item.epochs, flipped), FRAME)
    changed = {pair for pair in scores.inner if (scores.inner[pair] != other.inner[pair]).any()}
    assert changed == {(3, 1), (1, 3)}
    assert all((scores.outer[c]["auc_pr"] == other.outer[c]["auc_pr"]).all() for c in range(4))


def test_the_choice_never_sees_the_outer_cluster():
    good_inside, good_outside = fits("CAMN-V0", 0, 0.9, 0.0), fits("CAMN-V1", 0, 0.0, 0.9)
    candidates = group(good_inside, good_outside)
    nested = [choose(candidates, c, RULE, EVERY) for c in FRAME.clusters]
    optimistic = [choose(candidates, c, RULE, EVERY, optimistic=True) for c in FRAME.clusters]
    assert {choice.name for choice in nested} == {good_inside.candidate.hash}
    assert {choice.name for choice in optimistic} == {good_outside.candidate.hash}
    for lower, higher in zip(nested, optimistic, strict=True):
        assert lower.scores["auc_pr"] < higher.scores["auc_pr"]
        assert higher.scores["auc_pr"] == pytest.approx(higher.validation)


def test_the_inner_validation_of_a_cluster_leaves_that_cluster_out():
    candidate = score(fits("CAMN-V0", 0, 0.5, 0.5), FRAME)
    inside = [candidate.inner[2, other] for other in (0, 1, 3)]
    assert np.allclose(candidate.inner_mean(2), np.mean(inside, axis=0))


def test_the_best_points_keep_window_and_first_epoch():
    curve = np.zeros(POINTS)
    curve[:3] = 9.0  # before the first epoch that counts
    curve[20:23] = 1.0
    assert best_points(curve, RULE, EVERY) == (1.0, 20, 22)
    assert best_points(np.array([0.7]), RULE, EVERY) == (0.7, 0, 0)
    rising = np.arange(POINTS, dtype=float)
    assert best_points(-rising, RULE, EVERY)[1] == 4  # epoch 10 is point 4


def test_after_divergence_a_training_counts_nothing():
    item = fits("CAMN-V0", 0, 0.9, 0.9)
    broken = {key: table.copy() for key, table in item.probabilities.items()}
    for table in broken.values():
        table[7:] = np.nan
    scores = score(Fits(item.candidate, 0, item.epochs, broken), FRAME)
    assert (scores.outer[0]["auc_pr"][7:] == 0).all()
    assert (scores.outer[0]["auc_pr"][:7] > 0).all()


def test_only_candidates_with_all_seeds_are_compared():
    scores = [score(fits(v, s, 0.5, 0.5), FRAME) for v, s in (("CAMN-V0", 0), ("CAMN-V1", 0))]
    scores.append(score(fits("CAMN-V1", 1, 0.5, 0.5), FRAME))
    assert len(by_candidate(scores, [0])) == 2
    found = by_candidate(scores, [0, 1])
    assert [[s.fits.seed for s in of] for of in found.values()] == [[0, 1]]


def test_tables_agree_with_the_choices():
    candidates = group(fits("CAMN-V0", 0, 0.6, 0.3), fits("CAMN-V1", 0, 0.3, 0.6))
    table = choices_table(candidates, FRAME, RULE, "seed 0")
    gap = summary_row(table, "optimistic", 2)["auc_pr"] - summary_row(table, "nested", 2)["auc_pr"]
    assert gap > 0
    assert (table["low"] <= table["high"]).all()
    assert set(table["candidate"][table["way"] == "nested"]) == {"CAMN-V0"}
    ranked = candidates_table(candidates, FRAME, RULE)
    assert list(ranked["name"]) == ["CAMN-V0", "CAMN-V1"]
    assert ranked["auc_pr"][0] < ranked["auc_pr"][1]


def test_what_is_saved_is_read_again(tmp_path):
    clustering = Clustering(IDS, np.repeat(np.arange(N_CLUSTERS), SIZE))
    left_out = left_out_sets(clustering, LABELS)
    sizes = Sizes(POINTS * EVERY, EVERY)
    write_frame(tmp_path, LABELS, left_out, sizes, "hash")
    write_frame(tmp_path, LABELS, left_out, sizes, "hash")  # the same again is fine
    item = fits("CAMN-V0", 3, 0.5, 0.5)
    save_fits(tmp_path, item)
    frame, (read,) = load_frame(tmp_path), load_trainings(tmp_path)
    assert frame == FRAME
    assert (read.candidate, read.seed) == (item.candidate, 3)
    assert all((read.probabilities[k] == item.probabilities[k]).all() for k in frame.validation)
    from sie.errors import InputError

    with pytest.raises(InputError, match="other data or sizes"):
        write_frame(tmp_path, LABELS, left_out, Sizes(10), "hash")
