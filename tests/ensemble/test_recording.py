"""An ensemble's run in a real store: what it says, and how it is found again."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from ensemble_examples import NARROW, WIDE, calibrated_ensemble, small_ensemble
from search_examples import make_result

from sie.ensemble.recording import (
    NOTE_CHARS,
    EnsembleRecord,
    default_model_name,
    experiment_name,
    find_finished,
    note,
    shown_model,
    stored_address,
)
from sie.ensemble.registry import fetched
from sie.ensemble.storage import load_ensemble, save_ensemble
from sie.ensemble.winners import ClusterSearch
from sie.search.selection import SelectionRule, judge_repeats
from sie.tracking.environment import code_hash
from sie.tracking.queries import StoredRun, get_run, read_text
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

EPOCHS = itertools.count(1)


def searches_of(clusters=(0, 1, 2)):
    found = []
    for cluster in clusters:
        config = WIDE if cluster == 1 else NARROW
        results = [make_result(np.full(60, 0.5 + 0.1 * cluster + 0.01 * r)) for r in range(2)]
        judged = (judge_repeats(config, results, SelectionRule()),)
        run = StoredRun(f"run{cluster}" + "0" * 28, "", "", "FINISHED", {}, {}, {})
        found.append(ClusterSearch(cluster, run, judged))
    return found


@pytest.fixture
def ensemble():
    """Of a recipe that no other test has."""
    example = small_ensemble()
    recipe = dataclasses.replace(example.recipe, epochs=next(EPOCHS), pretrained="warm")
    return dataclasses.replace(example, recipe=recipe)


@pytest.fixture
def recorder(builders_store, ensemble):
    return Recorder(builders_store, experiment_name(ensemble.recipe))


def open_record(recorder, ensemble, fresh=False):
    return EnsembleRecord(recorder, ensemble.recipe, searches_of(), {"seeds": 2}, fresh)


def test_the_run_holds_recipe_winners_losses_and_files(recorder, ensemble, tmp_path):
    record = open_record(recorder, ensemble)
    folder = save_ensemble(tmp_path / "e", ensemble)
    assert record.close(ensemble, folder, None, 12.5) is None
    store, recipe = recorder.store, ensemble.recipe
    run = get_run(store, record.run_id)
    assert run.status == "FINISHED"
    for name in ("dataset_hash", "features_hash", "hold_out_hash", "clustering_hash", "pretrained"):
        assert run.tags[name] == getattr(recipe, name)
    assert (run.tags["phase"], run.tags["recipe_hash"]) == ("ensemble", recipe.hash)
    assert run.tags["code_hash"] == code_hash()
    assert run.params["clusters"] == "0,1,2"
    assert run.params["n_members"] == "6"
    assert run.params["epochs"] == str(recipe.epochs)
    assert run.params["seeds"] == "2"
    assert run.metrics["n_trained"] == 6
    assert run.metrics["n_diverged"] == 1
    assert run.metrics["wall_seconds"] == 12.5
    losses = store.client().get_metric_history(record.run_id, "member_train_loss")
    assert {m.step: m.value for m in losses} == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 6: 0.6}
    kept = json.loads(read_text(store, record.run_id, "recipe.json"))
    assert kept.pop("hash") == recipe.hash
    assert type(recipe).from_dict(kept) == recipe
    winners = json.loads(read_text(store, record.run_id, "winners.json"))
    assert winners["2"][0]["val_auc_pr_mean"] == pytest.approx(0.705)
    assert "| 1 | 1 | 0.605 ± 0.007 |" in run.tags["mlflow.note.content"]
    with fetched(stored_address(record.run_id), store.uri) as files:
        loaded = load_ensemble(files)
    assert loaded.recipe == recipe
    np.testing.assert_array_equal(
        loaded.weights[3]["score/kernel"], ensemble.weights[3]["score/kernel"]
    )
    assert shown_model(run) is None


def test_a_forest_and_a_calibration_are_recorded_with_what_they_are_worth(recorder, tmp_path):
    made = calibrated_ensemble()
    recipe = dataclasses.replace(made.recipe, epochs=next(EPOCHS))
    made = dataclasses.replace(made, recipe=recipe)
    assert find_finished(recorder, recipe) is None
    record = open_record(recorder, made)
    record.close(made, save_ensemble(tmp_path / "e", made), None, 1.0)
    run = get_run(recorder.store, record.run_id)
    params = {name: run.params[name] for name in ("mix_forest", "calibrate", "calibration_seeds")}
    assert params == {"mix_forest": "0.4", "calibrate": "platt", "calibration_seeds": "1"}
    for name in ("ece", "ece_raw", "coverage_90", "coverage_80_1", "auc_pr"):
        assert run.metrics[f"left_out_{name}"] == pytest.approx(made.calibration.worth[name])
    assert "optimistic" in run.tags["calibration_note"]
    assert "a forest of 20 trees on element fractions" in run.tags["mlflow.note.content"]
    assert find_finished(recorder, recipe).run_id == run.run_id
    assert find_finished(recorder, recipe.of_networks) is None
    kept = json.loads(read_text(recorder.store, record.run_id, "recipe.json"))
    assert (kept["forest"]["weight"], kept["calibration"]["method"]) == (0.4, "platt")


def test_a_name_registers_it(recorder, ensemble, tmp_path):
    name = default_model_name(ensemble.recipe)
    assert name == "sie-starter-CAMNS-V1"
    record = open_record(recorder, ensemble)
    version = record.close(ensemble, save_ensemble(tmp_path / "e", ensemble), name, 1.0)
    run = get_run(recorder.store, record.run_id)
    assert shown_model(run) == f"{name}/{version}"
    for address in (f"models:/{name}/{version}", stored_address(record.run_id)):
        with fetched(address, recorder.store.uri) as files:
            assert load_ensemble(files).recipe == ensemble.recipe


def test_an_unfinished_run_is_gone_on_with_and_a_finished_one_found(recorder, ensemble, tmp_path):
    recipe = ensemble.recipe
    first = open_record(recorder, ensemble)
    assert find_finished(recorder, recipe) is None
    first.abort(TrialStatus.INTERRUPTED, "stopped by the user")
    assert get_run(recorder.store, first.run_id).status == "KILLED"
    again = open_record(recorder, ensemble)
    assert again.run_id == first.run_id
    assert get_run(recorder.store, first.run_id).status == "RUNNING"
    fresh = open_record(recorder, ensemble, fresh=True)
    assert fresh.run_id != first.run_id
    fresh.close(ensemble, save_ensemble(tmp_path / "e", ensemble), None, 1.0)
    found = find_finished(recorder, recipe)
    assert found.run_id == fresh.run_id
    assert found.name.endswith("-2")
    other = dataclasses.replace(recipe, dataset_hash="other")
    assert find_finished(recorder, other) is None


def test_an_unfinished_run_of_other_sources_is_left_alone(recorder, ensemble):
    first = open_record(recorder, ensemble)
    recorder.log(first.run_id, tags={"code_hash": "other"})
    assert open_record(recorder, ensemble).run_id != first.run_id


def test_a_long_note_is_cut_at_a_line():
    example = small_ensemble().recipe
    members = tuple(
        dataclasses.replace(example.members[0], cluster=cluster) for cluster in range(60)
    )
    text = note(dataclasses.replace(example, members=members), searches_of(range(60)))
    assert NOTE_CHARS / 2 < len(text) < 5000
    assert text.endswith("\n\nThe rest is in winners.json.")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(line.endswith(" |") for line in rows)
