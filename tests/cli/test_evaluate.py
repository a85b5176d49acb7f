"""evaluate.py on the starter set with a real ensemble of random weights: once, and never again."""

import dataclasses
import io
import json

import pandas as pd
import pytest
from evaluation_examples import ensemble_for
from rich.console import Console

from sie.cli.answer import Answer
from sie.cli.evaluate import EvaluateOptions, evaluate_ensemble, evaluation_answer
from sie.datasets.registry import load_dataset
from sie.ensemble.recording import publish, stored_address
from sie.ensemble.storage import save_ensemble
from sie.errors import InputError
from sie.splits.holdout import hold_out
from sie.tracking.queries import search
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def database():
    return load_dataset("starter")


@pytest.fixture(scope="module")
def made(database):
    return ensemble_for("starter", database.hash, hold_out(database.ids).hash)


@pytest.fixture(scope="module")
def options(user, database, made):
    clusters = user / "clusters.csv"
    rows = [f"{entry},{i % 2}" for i, entry in enumerate(database.ids)]
    clusters.write_text("\n".join(["id,cluster", *rows]))
    return EvaluateOptions(
        str(save_ensemble(user / "ensemble", made)), clusters=clusters, out=user / "out",
        record_folder=user / "mlruns", baselines=("forest-fractions",),
        run_options={"test_set": "random"},
    )  # fmt: skip


def said(options, width=80):
    console = Console(file=io.StringIO(), width=width)
    evaluate_ensemble(options, console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def first(options):
    return said(options)


def finished(options):
    store = open_store(None, options.record_folder)
    recorder = Recorder(store, "evaluation/starter/CAMN-V0")
    found = search(store, [recorder.experiment_id], "")
    return [run for run in found if run.status == "FINISHED"]


def test_a_dry_run_leaves_the_test_set_closed(options, tmp_path):
    planned = dataclasses.replace(options, dry_run=True, record_folder=tmp_path / "mlruns")
    text = said(planned, 200)
    assert "test set (random) is closed" in text
    store = open_store(None, planned.record_folder)
    assert not search(store, [Recorder(store, "evaluation/starter/CAMN-V0").experiment_id], "")


def test_a_program_gets_the_scores_with_their_intervals(options, first):
    found = evaluate_ensemble(options, Console(file=io.StringIO()))
    answer = json.loads(Answer(evaluation_answer(options, found)).as_json("evaluate", {}))
    result = answer["result"]
    assert result["scored"] and result["run_id"] == finished(options)[0].run_id
    record = json.loads((options.out / "test.json").read_text())
    assert result["systems"]["ensemble"] == record["systems"][0]["scores"]
    assert result["folder"] == str(options.out)
    assert evaluation_answer(options, None) == {"scored": False}


def test_scores_tables_and_figures_are_shown_written_and_recorded(options, first, made):
    for text in ("ensemble", "forest-fractions *", "mean", "shuffled", "2000 resamples", "paired"):
        assert text in first
    record = json.loads((options.out / "test.json").read_text())
    assert record["about"]["recipe_hash"] == made.recipe.hash
    assert record["about"]["hold_out_hash"] == made.recipe.hold_out_hash
    (run,) = finished(options)
    assert run.tags["recipe_hash"] == made.recipe.hash
    assert run.tags["weights_hash"] == record["about"]["weights_hash"]
    client = open_store(None, options.record_folder).client()
    kept = {item.path for item in client.list_artifacts(run.run_id)}
    assert kept == {"test.json", "tables", "figures", "run.yaml"}
    drawn = {path.name for path in (options.out / "figures").iterdir()}
    names = ("fig6", "calibration", "confusion", "scores")
    assert drawn == {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}
    assert {item.path for item in client.list_artifacts(run.run_id, "figures")} == {
        f"figures/{name}" for name in drawn
    }
    table = pd.read_csv(options.out / "tables" / "structures.csv")
    assert len(table) == len(record["predictions"])


def test_a_second_look_shows_the_record_and_does_not_score(options, first, user, monkeypatch):
    import sie.evaluation.evaluating as evaluating

    def never(*args, **kwargs):
        pytest.fail("scored twice")

    monkeypatch.setattr(evaluating, "evaluate", never)
    elsewhere = dataclasses.replace(options, out=user / "again")
    again = said(elsewhere)
    assert "this ensemble was scored on" in again
    assert "stays closed" in again
    shown = first[: first.index("tables and figures")]
    assert shown in again
    for name in ("test.json", "tables/structures.csv", "tables/scores.csv"):
        assert (elsewhere.out / name).read_bytes() == (options.out / name).read_bytes()
    assert len(finished(options)) == 1


@pytest.mark.usefixtures("first")
def test_other_weights_of_the_same_recipe_are_not_scored(options, user, made):
    weights = [{name: 2 * array for name, array in member.items()} for member in made.weights]
    other = save_ensemble(user / "other", dataclasses.replace(made, weights=weights))
    again = said(dataclasses.replace(options, ensemble=str(other), out=user / "other-out"))
    assert "beware: these are other weights of the same recipe" in again
    assert len(finished(options)) == 1


@pytest.mark.usefixtures("first")
def test_an_ensemble_kept_in_the_store_is_the_same_one(options, user):
    store = open_store(None, options.record_folder)
    recorder = Recorder(store, "ensemble/starter/CAMN-V0")
    run_id = recorder.open_run("key", "name", {}, {})
    publish(recorder, run_id, user / "ensemble", None)
    again = said(dataclasses.replace(options, ensemble=stored_address(run_id)))
    assert "this ensemble was scored on" in again
    assert "beware: these are other weights" not in again


@pytest.mark.usefixtures("first")
def test_another_store_is_no_way_to_look_again(options, user):
    fresh = dataclasses.replace(options, record_folder=user / "elsewhere")
    with pytest.raises(InputError, match="says that this ensemble was scored on"):
        evaluate_ensemble(fresh, Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"representation": "CAMNS"}, "--representation CAMNS: the ensemble's is CAMN"),
        ({"level": 2}, "--level V2: the ensemble's is V0"),
        ({"ensemble": "nowhere"}, "no ensemble in nowhere"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_line(options, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        said(dataclasses.replace(options, **changes))
    assert "\n" not in str(caught.value)


def test_an_ensemble_of_other_data_opens_no_test_set(options, user, made, database):
    for name, changes in (
        ("data", {"dataset_hash": "another"}),
        ("held", {"hold_out_hash": "another"}),
    ):
        recipe = dataclasses.replace(made.recipe, **changes)
        folder = save_ensemble(user / name, dataclasses.replace(made, recipe=recipe))
        own = dataclasses.replace(options, ensemble=str(folder), out=user / f"{name}-out")
        with pytest.raises(InputError, match="another"):
            said(own)
        assert not own.out.exists()
    assert len(finished(options)) <= 1
