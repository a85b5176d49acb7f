import json
import math

import numpy as np
import pytest
from reported_searches import (
    ENTRIES,
    EXPERIMENT,
    FLOOR,
    clustering,
    made_search,
    split,
    write_search,
)

from sie.comparison.record import Evaluation
from sie.comparison.recording import SystemRecord
from sie.comparison.systems import ControlSystem
from sie.errors import InputError
from sie.reporting.search_report.artifacts import entries_text, parse_entries
from sie.reporting.search_report.others import scores_of_others
from sie.reporting.search_report.reading import read_search, read_study
from sie.reporting.search_report.record import Entry
from sie.tracking.queries import children
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store
from sie.training.record import TrialStatus

N = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reported")


@pytest.fixture(scope="module")
def store(folder):
    return open_store(None, folder)


@pytest.fixture(scope="module")
def runs(store, folder):
    """Parent runs by what is particular about them."""
    return {
        "first": write_search(store, folder, 0, n=N),
        "second": write_search(store, folder, 1, n=3, repeats=1),
        "unfinished": write_search(store, folder, 2, n=1, repeats=0, finish=False),
        "bare": write_search(store, folder, 0, name="bare", n=1, repeats=0, artifacts=False),
    }


@pytest.fixture(scope="module")
def study(store, runs):
    return read_study(store, EXPERIMENT)


@pytest.fixture(scope="module")
def bare(store, runs):
    return read_search(store, runs["bare"])


def test_a_search_comes_back_as_it_was_recorded(study, runs):
    search = study.first
    assert search.parent.run_id == runs["first"]
    assert (search.cluster, search.name, search.floor) == (0, "search", FLOOR)
    made = made_search(0, n=N)
    assert [t.task for t in search.trials] == [t.task for t in made.trials]
    assert [t.result.status for t in search.trials] == [t.result.status for t in made.trials]
    for got, wanted in zip(search.trials, made.trials, strict=True):
        np.testing.assert_allclose(
            got.result.curves.get("val_auc_pr", []), wanted.result.curves.get("val_auc_pr", [])
        )
    assert [t.objective for t in search.scored] == [t.objective for t in made.scored]
    assert len(search.scored) == N - 2
    for item, other in zip(search.judged, made.judged, strict=True):
        assert (item.config, item.window, item.values) == (other.config, other.window, other.values)
    assert search.winner.mean == pytest.approx(search.parent.metrics["best_val_auc_pr"])
    assert search.budget == made.budget and search.rule == made.rule
    assert search.space == made.space and search.missing == ()


def test_splits_and_entries_come_from_the_artifacts(study):
    search = study.first
    assert search.split == split(0)
    assert search.clustering is not None
    np.testing.assert_allclose(search.clustering.embedding, clustering().embedding)
    assert set(search.entries) == set(ENTRIES)
    assert search.entries["e03"].formula == "Li4PS4"
    assert search.entries["e03"].log10_sigma == pytest.approx(-3.3)
    assert np.isnan(search.entries["e00"].log10_sigma)
    assert search.documents["hold_out"]["method"]["kind"] == "official"


def test_an_experiment_gives_the_finished_clusters_and_says_which_are_not(study):
    assert [search.cluster for search in study.searches] == [0, 1]
    (note,) = study.notes
    assert "cluster-2/search" in note and "has not finished" in note
    assert study.differences() == {}


def test_what_a_run_does_not_hold_is_said(bare):
    search = bare.first
    assert bare.single and search.winner is None
    assert search.clustering is None and search.entries == {}
    assert any("splits.json is not among the run's artifacts" in line for line in search.missing)


def test_damaged_artifacts_are_said(store, folder, runs):
    recorder = Recorder(store, EXPERIMENT)
    run = runs["bare"]
    recorder.save_text(run, "{", "space.json")
    recorder.save_text(run, "id,formula\nx,y\n", "entries.csv")
    search = read_search(store, run).first
    assert search.space is None and search.entries == {}
    assert sum("cannot be read" in line for line in search.missing) == 2


def test_a_run_that_is_no_finished_search_is_refused_in_one_line(store, runs, study):
    with pytest.raises(InputError, match="holds no run nothing; copy its id"):
        read_search(store, "nothing")
    with pytest.raises(InputError, match=r"cluster-2/search .* has not finished \(killed") as error:
        read_search(store, runs["unfinished"])
    assert "\n" not in str(error.value)
    number = store.client().get_experiment_by_name(EXPERIMENT).experiment_id
    trial = children(store, number, runs["first"])[0]
    with pytest.raises(InputError, match=f"belongs to run {runs['first']}: give --run the parent"):
        read_search(store, trial.run_id)


def test_an_unknown_experiment_or_name_is_refused_with_what_there_is(store, runs):
    with pytest.raises(InputError, match=f"did you mean {EXPERIMENT}"):
        read_study(store, "loco/d/CAMN-V2")
    with pytest.raises(InputError, match="holds no search named x: --name bare or search"):
        read_study(store, EXPERIMENT, "x")


def test_baselines_are_those_of_the_same_split_and_of_their_newest_evaluation(store):
    recorder = Recorder(store, "loco/d/baselines")
    labels = {entry: int(i % 3 == 0) for i, entry in enumerate(ENTRIES)}
    parts = [split(0), split(1)]
    for draws, score in ((10, 0.2), (20, 0.6)):  # another number of draws: another system
        record = SystemRecord(recorder, ControlSystem("mean", labels, draws), parts, {})
        for part in parts:
            for seed in range(2):
                value = score + 0.1 * seed + (part is parts[1])
                record.write(Evaluation(part.name, seed, scores={"auc_pr": value, "mcc": 0.1}), 0)
        record.write(Evaluation(parts[0].name, 2, TrialStatus.FAILED, "no memory"), 0)
        record.close(3)
    (found,) = scores_of_others(store, "d", parts[0].hash)
    assert (found.name, found.kind) == ("mean", "control")
    assert found.auc_pr == pytest.approx((0.6, 0.7))
    assert scores_of_others(store, "elsewhere", parts[0].hash) == ()
    assert scores_of_others(store, "d", "other") == ()


def test_entries_need_their_columns():
    with pytest.raises(KeyError):
        parse_entries("id,formula\na,b\n")
    with pytest.raises(ValueError):
        parse_entries("id,formula,log10_sigma,label\na,b,much,1\n")
    assert json.dumps(sorted(parse_entries("id,formula,log10_sigma,label\na,b,,\n"))) == '["a"]'


def test_entries_come_back_as_a_search_writes_them():
    entries = {
        "a": Entry("Li3PS4, glass", -3.5, 1),
        "b": Entry("LiCl", math.nan, None),
    }
    found = parse_entries(entries_text(entries))
    assert found["a"] == entries["a"]
    assert (found["b"].formula, found["b"].label) == ("LiCl", None)
    assert math.isnan(found["b"].log10_sigma)
