"""build_ensemble from recorded searches on the starter set: refusals, dry run, build, again."""

import dataclasses
import io
import re
import shlex
import shutil

import numpy as np
import pytest
from recorded_searches import peak, record_search
from rich.console import Console

from sie.cli.arguments import REPOSITORY, numbers
from sie.cli.ensemble import build_ensemble
from sie.cli.ensemble_options import EnsembleOptions
from sie.cli.loco import LocoOptions, plan_searches, prepare
from sie.cli.loco_answer import read_searches
from sie.datasets.registry import load_dataset
from sie.ensemble.kept import KeptMembers
from sie.ensemble.left_out import KeptAnswers
from sie.ensemble.storage import load_ensemble
from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.search.space import read_space, space_path
from sie.tracking.queries import get_run, search
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store

SMALL = TrialConfig(n_layers=1, n_neurons=4, readout_width=8, batch_size=64)
CONFIGS = {0: SMALL, 1: SMALL, 2: dataclasses.replace(SMALL, n_neurons=8)}
SEEN_AS = {"representation": "CAMN", "level": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def clusters(folder):
    """Three clusters of both classes; compositions are not clustered."""
    path = folder / "clusters.csv"
    ids = load_dataset("starter").ids
    rows = [f"{entry},{i % 3}" for i, entry in enumerate(ids)]
    path.write_text("\n".join(["id,cluster", *rows]))
    return path


@pytest.fixture(scope="module")
def planned(folder, clusters):
    options = LocoOptions(
        read_space(space_path("quick", REPOSITORY / "search_spaces")), folder, cluster=["all"],
        clusters=clusters, preset="quick", **SEEN_AS,
    )  # fmt: skip
    return [plan for _, plan in plan_searches(options, prepare(options, silent()).problem)]


@pytest.fixture(scope="module")
def searched(folder, planned):
    """A store with finished searches of clusters 0 and 1, and one of 2 named "whole"."""
    store = open_store(None, folder / "mlruns")
    for plan in planned:
        for name in ("search", "whole") if plan.cluster < 2 else ("whole",):
            curves = [[peak(40 + 5 * plan.cluster, 0.8)] * 2]
            configs = [CONFIGS[plan.cluster]]
            record_search(store, folder / "mlruns", plan, curves, name, configs, rule=plan.rule)
    # sources may change while tests run
    recorder = Recorder(store, "loco/starter/CAMN-V0")
    for run in search(store, [recorder.experiment_id], "tags.phase = 'cluster-search'"):
        recorder.log(run.run_id, tags={"code_hash": "then"})
    return store


@pytest.fixture
def options(folder, clusters):
    return EnsembleOptions(
        clusters=clusters, record_folder=folder / "mlruns", out=folder / "out", seeds=2,
        max_concurrent=1, register="off", run_options={"seeds": 2}, **SEEN_AS,
    )  # fmt: skip


def silent():
    return Console(file=io.StringIO(), width=300)


def said(options):
    console = silent()
    built = build_ensemble(options, console)
    assert built.as_dict()["folder"] == options.out
    return console.file.getvalue()


def runs_of(store):
    experiment = Recorder(store, "ensemble/starter/CAMN-V0").experiment_id
    return search(store, [experiment], "tags.phase = 'ensemble'")


def test_without_a_store_the_command_that_searches_is_given(options, tmp_path):
    lonely = dataclasses.replace(options, record_folder=tmp_path)
    with pytest.raises(InputError) as caught:
        build_ensemble(lonely, silent())
    line = str(caught.value)
    assert "mlflow.db, which does not exist; search first: " in line
    assert "loco_search.py --cluster all --clusters" in line
    assert "--representation CAMN --level 0" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("searched")
def test_missing_clusters_are_named_with_a_command_that_plans_the_same_search(
    options, planned, folder
):
    with pytest.raises(
        InputError, match="no finished search of cluster 2; search with: "
    ) as caught:
        build_ensemble(options, silent())
    line = str(caught.value)
    command = re.search(r"experiments/loco_search.py (.*?); or do without: --exclude 2", line)[1]
    words = shlex.split(command)
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert given["--cluster"] == "2"
    assert given["--preset"] == "quick"
    again = LocoOptions(
        read_space(space_path(given["--preset"], REPOSITORY / "search_spaces")), folder,
        cluster=["2"], clusters=options.clusters, preset=given["--preset"],
        representation=given["--representation"], level=int(given["--level"]),
    )  # fmt: skip
    ((_, plan),) = plan_searches(again, prepare(again, silent()).problem)
    assert plan.hash == planned[2].hash


def test_recorded_searches_are_answered_as_their_own_processes_would(searched):
    found = read_searches(searched, "loco/starter/CAMN-V0", "search", [0, 1, 2])
    assert [item["cluster"] for item in found] == [0, 1]  # 2 is not searched under this name
    for item in found:
        run = get_run(searched, item["run_id"])
        assert item["winner"]["auc_pr"] == pytest.approx(run.metrics["best_val_auc_pr"])
        assert item["winner"]["config"] == CONFIGS[item["cluster"]].as_dict()
        assert item["repeats"][0] == item["winner"]


@pytest.mark.usefixtures("searched")
def test_a_name_or_sources_that_nobody_used_are_said(options):
    with pytest.raises(InputError, match="no search named nobody in loco/starter/CAMN-V0"):
        build_ensemble(dataclasses.replace(options, name="nobody"), silent())
    with pytest.raises(InputError, match="named search with code_hash beef in loco/starter"):
        build_ensemble(dataclasses.replace(options, code="beef"), silent())


@pytest.mark.usefixtures("searched")
def test_a_dry_run_shows_the_plan_and_trains_nothing(options, searched):
    text = said(dataclasses.replace(options, name="whole", dry_run=True))
    assert "6 networks of clusters 0, 1, 2 on all development entries, 45 epochs" in text
    assert (
        "chosen by several searches, so with further seeds: configurations of clusters 0, 1" in text
    )
    assert "beware: the searches ran with other sources (code_hash then, now " in text
    assert not runs_of(searched)
    assert not options.out.exists()
    assert "the article's rule; --mix-forest 0.5 is likely better" in text
    text = said(dataclasses.replace(options, exclude=(2,), dry_run=True, epochs=3))
    assert "4 networks of clusters 0, 1 on all development entries, 3 epochs (as asked" in text
    more = {"mix_forest": 0.25, "calibrate": "isotonic", "calibration_seeds": 2}
    text = said(dataclasses.replace(options, exclude=(2,), dry_run=True, **more))
    assert "P_SI is 0.75 of the networks' mean and 0.25 of the forest's" in text
    # two networks of either configuration without each of three clusters
    assert "calibration (isotonic) and conformal sets: 12 further trainings, each" in text
    assert "article's rule" not in text


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"mix_forest": 1.0}, "--mix-forest 1 must be 0"),
        ({"mix_forest": -0.1}, "--mix-forest -0.1 must be 0"),
        ({"calibrate": "plat"}, "--calibrate plat: give one of platt, isotonic"),
        ({"calibrate": "platt", "calibration_seeds": 3}, "--calibration-seeds 3: from 1 to the 2"),
    ],
)
def test_a_mixture_or_calibration_that_cannot_be_is_refused(options, wrong, line):
    with pytest.raises(InputError, match=line):
        build_ensemble(dataclasses.replace(options, exclude=(2,), **wrong), silent())


@pytest.mark.usefixtures("searched")
def test_weights_that_the_searches_did_not_start_from_are_refused(options):
    with pytest.raises(InputError, match="started from no pre-trained weights, but --pretrained"):
        build_ensemble(dataclasses.replace(options, exclude=(2,), pretrained="on"), silent())


def test_it_is_built_once_and_found_again(options, searched, planned):
    asked = dataclasses.replace(options, name="whole", epochs=3)
    text = said(asked)
    (run,) = runs_of(searched)
    assert "ensemble of 6 networks, 3 epochs each" in text
    assert f"MLflow run {run.run_id} (runs:/{run.run_id}/ensemble)" in text
    assert f"experiments/evaluate.py --ensemble {options.out} " in text
    assert f"experiments/screen.py --ensemble {options.out} --source FOLDER" in text
    built = load_ensemble(options.out)
    assert [member.cluster for member in built.members] == [0, 0, 1, 1, 2, 2]
    assert [member.config for member in built.members] == [CONFIGS[k] for k in (0, 0, 1, 1, 2, 2)]
    assert built.recipe.dataset_hash == planned[0].dataset_hash
    assert built.recipe.hold_out_hash == planned[0].hold_out_hash
    assert len(built.known.ids) < len(load_dataset("starter"))
    left = [path.name for path in (options.record_folder / "ensembles").iterdir()]
    assert all(name.endswith(".lock") for name in left)  # nothing but empty locks
    # the same again trains nothing, and fetches what is not there
    shutil.rmtree(options.out)
    text = said(asked)
    assert f"this ensemble is built already (run {run.run_id}); --fresh" in text
    assert "ensemble of 6 networks" in text
    fetched = load_ensemble(options.out)
    for first, second in zip(built.weights, fetched.weights, strict=True):
        np.testing.assert_array_equal(first["score/kernel"], second["score/kernel"])
    kept = searched.client().list_artifacts(run.run_id)
    assert "run.yaml" in {item.path for item in kept}
    # registered afterwards, without training
    text = said(dataclasses.replace(asked, register="late"))
    answer = build_ensemble(dataclasses.replace(asked, register="late"), silent()).as_dict()
    assert (answer["run_id"], answer["model"]) == (run.run_id, "models:/late/1")
    assert answer["members_of_cluster"] == {0: 2, 1: 2, 2: 2}
    assert "registered as models:/late/1" in text
    assert len(runs_of(searched)) == 1
    said(dataclasses.replace(asked, fresh=True, register="late"))
    newest, _ = runs_of(searched)
    assert (newest.tags["model_name"], newest.tags["model_version"]) == ("late", "2")
    assert load_ensemble(options.out).about["run_id"] == newest.run_id


@pytest.mark.long
def test_a_stopped_command_goes_on_in_the_same_run(options, searched, monkeypatch):
    parts = {"mix_forest": 0.5, "calibrate": "platt"}
    asked = dataclasses.replace(options, name="whole", epochs=2, seed=7, **parts)
    save, saved = KeptMembers.save, []

    def stop_at_the_last(kept, number, trained):
        if len(saved) == 5:
            raise KeyboardInterrupt
        saved.append(number)
        save(kept, number, trained)

    monkeypatch.setattr(KeptMembers, "save", stop_at_the_last)
    console = silent()
    with pytest.raises(KeyboardInterrupt):
        build_ensemble(asked, console)
    assert "5 of 6 networks are kept: the same command goes on" in console.file.getvalue()
    stopped = runs_of(searched)[0]
    assert (stopped.status, stopped.tags["status"]) == ("KILLED", "interrupted")
    monkeypatch.setattr(KeptMembers, "save", save)
    keep, answered = KeptAnswers.save, []

    def stop_after_four(kept, job, answer):
        if len(answered) == 4:
            raise KeyboardInterrupt
        answered.append(job.name)
        keep(kept, job, answer)

    monkeypatch.setattr(KeptAnswers, "save", stop_after_four)
    console = silent()
    with pytest.raises(KeyboardInterrupt):
        build_ensemble(asked, console)
    assert "going on: 5 networks are trained already" in console.file.getvalue()
    monkeypatch.setattr(KeptAnswers, "save", keep)
    text = said(asked)
    assert "going on: 6 networks are trained already" in text
    assert "going on: 4 trainings without a cluster are done" in text
    run = runs_of(searched)[0]
    assert (run.run_id, run.status) == (stopped.run_id, "FINISHED")
    built = load_ensemble(options.out)
    assert len(built.members) == 6
    found = built.calibration.left_out
    assert sorted(found.ids) == sorted(built.known.ids)
    np.testing.assert_allclose(found.raw, 0.5 * found.networks + 0.5 * found.forest)
    assert f"AUC-PR {built.calibration.worth['auc_pr']:.3f} (mean over clusters" in text
    assert "calibrated on the other clusters hold the class of" in text
    assert "calibration error and coverage are optimistic" in text
    assert run.metrics["left_out_ece"] == pytest.approx(built.calibration.worth["ece"])


def test_numbers_are_whole_with_commas():
    assert numbers("3, 5") == (3, 5)
    with pytest.raises(Exception, match="whole number"):
        numbers("3,x")
