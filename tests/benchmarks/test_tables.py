"""Tables of the documentation, cut from what commands leave behind."""

from __future__ import annotations

import pandas as pd
from ensemble_tables import winners_table
from screening_tables import counts, with_places

RANKED = pd.DataFrame(
    {
        "p_si": [0.9, 0.7, 0.7, 0.2],
        "band_gap_eV": [0.0, 2.0, 3.0, 1.5],
        "band_gap_from": ["given", "given", "MEGNet", "given"],
        "passes": [False, True, True, False],
        "duplicate_group": [None, 0, 0, None],
        "set_90": ["superionic", "superionic", "undecided", "not superionic"],
    }
)


def test_places_are_among_those_above_the_gap_and_among_all():
    table = with_places(RANKED, 1.0)
    assert table[["place", "place_of_all"]].to_numpy().tolist() == [[1, 2], [1, 2], [3, 4]]


def test_counts_are_of_all_and_above_the_gap():
    found = counts(RANKED, 1.0)
    assert (found["structures"], found["p_si_above_0.5"]) == (4, 3)
    assert found["band_gap_from"] == {"given": 3, "MEGNet": 1}
    above = found["above_min_gap"]
    assert (above["structures"], above["p_si_above_0.5"]) == (3, 2)
    assert above["set_90"] == {"superionic": 1, "undecided": 1, "not superionic": 1}
    assert found["candidates"] == {"novel_composition": 2, "distinct_structures": 1}


def test_winners_are_by_cluster_and_rank():
    def winner(name, mean):
        return {
            "config": {"view": "CAMN-V0"},
            "config_hash": name,
            "val_auc_pr_mean": mean,
            "val_auc_pr_sd": 0.1,
            "val_auc_pr_values": [mean - 0.1, mean + 0.1],
            "scores": {"val_mcc": 0.5},
            "best_epoch": 44.5,
        }

    table = winners_table({"1": [winner("c", 0.5)], "0": [winner("a", 0.7), winner("b", 0.6)]})
    assert table["config_hash"].tolist() == ["a", "b", "c"]
    assert table["rank"].tolist() == [1, 2, 1]
    assert table["n"].tolist() == [2, 2, 2]
