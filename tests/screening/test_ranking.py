import numpy as np
import pandas as pd
import pytest
from ensemble_examples import argyrodite, rock_salt
from screening_examples import (
    DEFAULT,
    EmptyReader,
    calibrated_results,
    ranking,
    results,
    write_cifs,
)

from sie.datasets.cif import read_cif
from sie.screening import ranking as module
from sie.screening.ranking import Filters, cif_name, rank, space_group, write_ranking
from sie.screening.record import Source
from sie.screening.sources import open_source

NOTHING = Source("none", "h", (), EmptyReader())


def test_the_list_is_sorted_by_score_and_ties_by_certainty():
    table = results(4).assign(p_si=[0.5, 0.9, 0.5, 0.9], p_si_sd=[0.2, 0.1, 0.1, 0.1])
    assert rank(table, NOTHING, DEFAULT).table["place"].tolist() == [1, 3, 2, 0]
    assert rank(table, NOTHING, DEFAULT).table["rank"].tolist() == [1, 2, 3, 4]


def test_where_the_calibration_makes_equal_the_raw_score_decides():
    table = rank(calibrated_results(), Source("x", "h", (), EmptyReader()), DEFAULT).table
    assert table["p_si"].is_monotonic_decreasing
    assert table["p_si_raw"].is_monotonic_decreasing
    assert table["p_si"].duplicated().any()


@pytest.mark.parametrize("min_gap", [1.0, 2.5, 0.0])
def test_the_funnel_counts_what_a_plain_loop_counts(min_gap):
    table = results(500)
    found = rank(table, NOTHING, Filters(min_gap=min_gap, min_p_si=0.4), n_rejects=7)
    left, counts = table.to_dict("records"), [507, 500]
    filters = [lambda row: row["p_si"] > 0.4, lambda row: row["novel"]]
    if min_gap:
        filters = [
            lambda row: row["band_gap_eV"] == row["band_gap_eV"],
            lambda row: row["band_gap_eV"] > min_gap,
            *filters,
        ]
    for keeps in filters:
        left = [row for row in left if keeps(row)]
        counts.append(len(left))
    assert [step.kept for step in found.funnel[:-1]] == counts
    assert set(found.candidates["place"]) == {row["place"] for row in left}


@pytest.fixture
def copies(tmp_path):
    """LiCl twice, in two cells, LiBr, and an argyrodite, with scores in this order."""
    cifs = {
        "a": rock_salt(),
        "b": rock_salt(anion="Br", a=5.5),
        "c": rock_salt().get_primitive_structure(),
        "d": argyrodite(),
    }
    source = open_source(str(write_cifs(tmp_path / "cifs", cifs)), 3)
    table = results(4).assign(
        id=list(cifs), p_si=[0.9, 0.8, 0.7, 0.6], novel=True, band_gap_eV=3.0
    )  # fmt: skip
    return source, table


def test_equal_structures_share_a_group_and_count_once(copies):
    source, table = copies
    found = rank(table, source, DEFAULT)
    assert found.table["duplicate_group"].tolist() == [0, 1, 0, 2]
    assert [step.kept for step in found.funnel][-2:] == [4, 3]
    assert found.table["space_group"].tolist()[:3] == ["Fm-3m (225)"] * 3
    assert found.table["space_group"][3] == "F-43m (216)"


def test_only_the_best_are_compared_and_the_rest_say_so(copies, monkeypatch):
    source, table = copies
    monkeypatch.setattr(module, "MOST_COMPARED", 2)
    found = rank(table, source, DEFAULT)
    assert found.table["duplicate_group"].tolist() == [0, 1, -1, -1]
    assert found.n_compared == 2
    assert found.funnel[-1].kept == 4
    few = rank(table.assign(p_si=[0.4, 0.3, 0.2, 0.1]), source, Filters(top=1))
    assert few.table["duplicate_group"].tolist() == [0, -1, -1, -1]


def test_files_hold_everything_and_what_passes(copies, tmp_path):
    source, table = copies
    table["p_si"] = [0.9, 0.1, 0.7, 0.6]
    found = rank(table, source, Filters(top=2))
    (tmp_path / "cifs").mkdir(exist_ok=True)
    write_ranking(tmp_path / "out", found)
    (tmp_path / "out" / "cifs" / "0009-old.cif").write_text("old")
    write_ranking(tmp_path / "out", found)
    whole = pd.read_parquet(tmp_path / "out" / "ranked.parquet")
    assert whole["id"].tolist() == ["a", "c", "d", "b"]
    assert pd.read_csv(tmp_path / "out" / "ranked.csv")["id"].tolist() == ["a", "c", "d", "b"]
    assert pd.read_csv(tmp_path / "out" / "candidates.csv")["id"].tolist() == ["a", "c", "d"]
    names = sorted(path.name for path in (tmp_path / "out" / "cifs").iterdir())
    assert names == ["0001-a.cif", "0002-c.cif"]
    assert read_cif(tmp_path / "out" / "cifs" / "0001-a.cif").matches(rock_salt())


def test_names_of_cifs_stay_in_their_folder():
    assert cif_name(3, "../../etc/x y") == "0003-.._.._etc_x_y.cif"
    assert len(cif_name(3, "x" * 500)) < 100


def test_a_space_group_is_found_for_disordered_crystals_too():
    assert space_group(argyrodite()) == "F-43m (216)"


def test_a_ranking_of_nothing_is_empty():
    found = rank(results(0), NOTHING, DEFAULT, n_rejects=2)
    assert [step.kept for step in found.funnel] == [2, 0, 0, 0, 0, 0, 0]
    assert len(found.candidates) == 0


def test_a_gap_at_the_limit_does_not_pass():
    table = results(3).assign(band_gap_eV=[1.0, 1.0001, np.nan], p_si=0.9, novel=True)
    assert rank(table, NOTHING, DEFAULT).candidates["place"].tolist() == [1]
    assert len(ranking(50).table) == 50


def test_a_crystal_that_cannot_be_compared_leaves_the_ranking_whole(copies, monkeypatch):
    def refuse(structures):
        raise ValueError("can't find niggli")

    source, table = copies
    monkeypatch.setattr(module, "duplicate_groups", refuse)
    monkeypatch.setattr(module, "space_group", refuse)
    found = rank(table, source, DEFAULT)
    assert found.table["duplicate_group"].tolist() == [0, 1, 2, 3]
    assert set(found.table["space_group"]) == {""}


def test_cifs_that_are_not_ours_stay(copies, tmp_path):
    source, table = copies
    own = tmp_path / "out" / "cifs" / "mine.cif"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    write_ranking(tmp_path / "out", rank(table, source, DEFAULT))
    assert own.read_text() == "mine"
