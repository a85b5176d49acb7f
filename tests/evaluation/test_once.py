"""Claims and the record in a real store."""

import dataclasses
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from ensemble_examples import small_ensemble
from evaluation_examples import made_up_record

from sie.errors import InputError
from sie.evaluation.once import claim, count_others, experiment_name, find_recorded, keep
from sie.tracking.queries import get_run, search
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store

RECIPE = small_ensemble().recipe


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(None, tmp_path_factory.mktemp("mlruns"))


@pytest.fixture
def recorder(store, request):
    return Recorder(store, f"evaluation/{request.node.name}")


def runs(recorder):
    return search(recorder.store, [recorder.experiment_id], "")


def test_what_is_kept_is_found_and_nothing_else(recorder, tmp_path):
    assert find_recorded(recorder, RECIPE) is None
    record = made_up_record()
    with claim(recorder, RECIPE, {"weights_hash": "w1"}, tmp_path) as run_id:
        assert find_recorded(recorder, RECIPE) is None
        keep(recorder, run_id, record)
    found = find_recorded(recorder, RECIPE)
    assert found.run_id == run_id
    assert found.record.to_json() == record.to_json()
    run = get_run(recorder.store, run_id)
    assert run.tags["recipe_hash"] == RECIPE.hash
    assert (run.tags["hold_out_hash"], run.tags["weights_hash"]) == (RECIPE.hold_out_hash, "w1")
    assert run.metrics["test_mcc"] == pytest.approx(record.ensemble.scores["mcc"].value)
    assert run.metrics["mean.test_mcc"] == 0
    with pytest.raises(InputError, match="in the meantime"), claim(recorder, RECIPE, {}, tmp_path):
        pytest.fail("claimed twice")
    assert find_recorded(recorder, RECIPE).run_id == run_id


def test_other_ensembles_on_the_same_test_set_are_counted(recorder, tmp_path):
    mine = dataclasses.replace(RECIPE, hold_out_hash="counted", epochs=1)
    other = dataclasses.replace(mine, epochs=2)
    for recipe, done in ((other, True), (dataclasses.replace(mine, epochs=3), False)):
        with claim(recorder, recipe, {}, tmp_path) as run_id:
            if done:
                keep(recorder, run_id, made_up_record())
    assert count_others(recorder.store, mine) == 1
    assert count_others(recorder.store, other) == 0


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_a_claim_that_fails_lets_go(recorder, tmp_path, error):
    with pytest.raises(type(error)), claim(recorder, RECIPE, {}, tmp_path):
        raise error
    assert [run.status in ("FAILED", "KILLED") for run in runs(recorder)] == [True]
    with claim(recorder, RECIPE, {}, tmp_path) as run_id:
        keep(recorder, run_id, made_up_record())
    assert find_recorded(recorder, RECIPE).run_id == run_id


def test_a_claim_of_a_dead_process_here_is_taken_over_and_one_elsewhere_is_not(recorder, tmp_path):
    tags = {"phase": "evaluation", "recipe_hash": RECIPE.hash}
    dead = recorder.open_run("k", "dead", {**tags, "host": platform.node()}, {})
    with claim(recorder, RECIPE, {}, tmp_path):
        assert get_run(recorder.store, dead).status == "KILLED"
    elsewhere = recorder.open_run("k", "elsewhere", {**tags, "host": "far away"}, {})
    with (
        pytest.raises(InputError, match=f"run {elsewhere} on far away is scoring"),
        claim(recorder, RECIPE, {}, tmp_path),
    ):
        pytest.fail("claimed beside another machine")
    recorder.store.client().delete_run(elsewhere)
    with claim(recorder, RECIPE, {}, tmp_path):
        pass


def test_a_second_process_is_kept_away(recorder, tmp_path):
    script = """
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[3])
        from ensemble_examples import small_ensemble
        from sie.errors import InputError
        from sie.evaluation.once import claim
        from sie.tracking.recorder import Recorder
        from sie.tracking.store import Store
        recorder = Recorder(Store(sys.argv[1]), "evaluation/second")
        try:
            with claim(recorder, small_ensemble().recipe, {}, Path(sys.argv[2])):
                print("claimed")
        except InputError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), recorder.store.uri, str(tmp_path)]
    command.append(str(Path(__file__).parents[1]))
    with claim(recorder, RECIPE, {}, tmp_path):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "another process is scoring this ensemble" in said


def test_the_experiment_is_named_by_what_the_ensemble_sees():
    assert experiment_name(RECIPE) == "evaluation/starter/CAMNS-V1"
