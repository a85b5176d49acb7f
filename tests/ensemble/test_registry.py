from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from ensemble_examples import argyrodite, calibrated_ensemble, rock_salt, small_ensemble
from pymatgen.io.cif import CifWriter
from setuptools.config.setupcfg import read_configuration

from sie.ensemble.predictor import SuperionicEnsemble
from sie.ensemble.registry import REQUIREMENTS, example_cif, fetched, register
from sie.ensemble.storage import HEAD, save_ensemble
from sie.errors import InputError
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    return Recorder(open_store(None, tmp_path_factory.mktemp("mlruns")), "ensemble/starter")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_ensemble(tmp_path_factory.mktemp("kept") / "small", small_ensemble())


@pytest.fixture(scope="module")
def registered(recorder, folder):
    run_id = recorder.open_run("ensemble", "ensemble", {}, {})
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), mlflow.active_run()
    version = register(recorder, run_id, folder, "superionic")
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri(), mlflow.active_run()) == before
    return run_id, version


@pytest.fixture(scope="module")
def model(recorder, registered):
    """The model as MLflow loads it."""
    client = recorder.store.client()
    return mlflow.pyfunc.load_model(client.get_model_version_download_uri("superionic", "1"))


@pytest.fixture(scope="module")
def expected(folder):
    return SuperionicEnsemble.load(folder).score([rock_salt(), argyrodite()])


def test_versions_count_up_and_belong_to_their_run(recorder, registered, folder):
    run_id, version = registered
    assert version == "1"
    assert recorder.store.client().get_model_version("superionic", "1").run_id == run_id
    assert register(recorder, run_id, folder, "another") == "1"


@pytest.mark.parametrize("address", ["models:/superionic/1", "models:/superionic/latest", "runs"])
def test_it_is_loaded_by_its_address(recorder, registered, address, expected, monkeypatch):
    uri = f"runs:/{registered[0]}/ensemble" if address == "runs" else address
    given = SuperionicEnsemble.load(uri, recorder.store.uri)
    np.testing.assert_array_equal(given.score([rock_salt(), argyrodite()]).p_si, expected.p_si)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorder.store.uri)
    assert SuperionicEnsemble.load(uri).recipe == given.recipe


def test_an_alias_names_a_version(recorder, registered):
    recorder.store.client().set_registered_model_alias("superionic", "best", "1")
    with fetched("models:/superionic@best", recorder.store.uri) as found:
        assert (found / HEAD).is_file()


def test_the_store_of_the_working_folder_is_the_default(recorder, registered, monkeypatch):
    root = Path(recorder.store.uri.removeprefix("sqlite:///")).parent
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    (root / "mlruns").symlink_to(root)
    assert len(SuperionicEnsemble.load("models:/superionic/1")) == 6


def test_the_pyfunc_answers_cifs(model, expected):
    cifs = [str(CifWriter(s, significant_figures=12)) for s in (rock_salt(), argyrodite())]
    answer = model.predict(pd.DataFrame({"cif": cifs, "id": ["a", "b"]}))
    assert list(answer.columns) == ["id", "p_si", "p_si_sd", "class"]
    assert list(answer["id"]) == ["a", "b"]
    np.testing.assert_allclose(answer["p_si"], expected.p_si, rtol=1e-5)
    np.testing.assert_allclose(answer["p_si_sd"], expected.sd, rtol=1e-3)
    np.testing.assert_array_equal(answer["class"], expected.p_si >= 0.5)
    assert list(model.predict(pd.DataFrame({"cif": cifs}))["id"]) == ["0", "1"]
    below = float(expected.p_si.min()) - 0.01
    assert model.predict(pd.DataFrame({"cif": cifs}), params={"threshold": below})["class"].all()


def test_a_calibrated_model_answers_raw_scores_and_sets(recorder, tmp_path):
    folder = save_ensemble(tmp_path / "calibrated", calibrated_ensemble())
    run_id = recorder.open_run("calibrated", "calibrated", {}, {})
    register(recorder, run_id, folder, "calibrated")
    uri = recorder.store.client().get_model_version_download_uri("calibrated", "1")
    model = mlflow.pyfunc.load_model(uri)
    more = ["p_si_raw", "set_80", "set_90"]
    assert model.metadata.signature.outputs.input_names()[-3:] == more
    cifs = {
        "a": str(CifWriter(rock_salt(), significant_figures=12)),
        "Na": str(CifWriter(rock_salt(cation="Na"))),
        "b": str(CifWriter(argyrodite(), significant_figures=12)),
    }
    table = pd.DataFrame({"cif": cifs.values(), "id": cifs.keys()})
    answer = model.predict(table, params={"errors": "nan"})
    assert list(answer.columns) == ["id", "p_si", "p_si_sd", "class", *more, "refused"]
    assert answer.loc[1, more].isna().all()
    ensemble = SuperionicEnsemble.load(folder)
    scores = ensemble.score([rock_salt(), argyrodite()])
    good = answer.drop(index=1)
    np.testing.assert_allclose(good["p_si"].astype(float), scores.p_si, rtol=1e-5)
    np.testing.assert_allclose(good["p_si_raw"].astype(float), scores.raw, rtol=1e-5)
    for name, words in ensemble.calibration.set_words(scores.raw).items():
        assert good[name].tolist() == words


def test_a_bad_cif_is_refused_or_null(model):
    sodium = str(CifWriter(rock_salt(cation="Na")))
    table = pd.DataFrame({"cif": [example_cif(), sodium], "id": ["good", "bad"]})
    with pytest.raises(mlflow.MlflowException, match="structure bad: no Li") as error:
        model.predict(table)
    assert error.value.get_http_status_code() == 400
    answer = model.predict(table, params={"errors": "nan"})
    assert answer["p_si"][1] is None and answer["class"][1] is None and answer["p_si_sd"][1] is None
    assert answer["p_si"][0] > 0
    assert answer["refused"][0] == "" and "no Li" in answer["refused"][1]


def test_the_server_reads_no_files_and_takes_no_double_names(model, tmp_path):
    path = tmp_path / "there.cif"
    path.write_text(example_cif())
    with pytest.raises(mlflow.MlflowException, match="cif must hold the text"):
        model.predict(pd.DataFrame({"cif": [str(path)]}))
    with pytest.raises(mlflow.MlflowException, match="id a is given twice"):
        model.predict(pd.DataFrame({"cif": [example_cif()] * 2, "id": ["a", "a"]}))


def test_the_model_holds_no_pickle_its_sources_and_pinned_requirements(recorder, registered):
    client = recorder.store.client()
    root = Path(client.get_model_version_download_uri("superionic", "1").removeprefix("file://"))
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith((".pkl", ".pickle"))]
    assert {"code/sie/errors.py", "pyfunc_model.py", "input_example.json"} <= files
    assert f"artifacts/small/{HEAD}" in files
    assert not [name for name in files if "/data/" in name]
    lines = (root / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in lines} == set(REQUIREMENTS)
    assert all("==" in line for line in lines)
    signature = yaml.safe_load((root / "MLmodel").read_text())["signature"]
    assert '"name": "cif", "required": true' in signature["inputs"]
    assert '"name": "id", "required": false' in signature["inputs"]


def test_requirements_are_those_of_the_predict_extra():
    options = read_configuration(REPOSITORY / "setup.cfg")["options"]
    lines = [*options["install_requires"], *options["extras_require"]["predict"]]
    names = {line.split(";")[0].split("[")[0].strip(" ").rstrip("<>=.0123456789") for line in lines}
    assert set(REQUIREMENTS) <= names


def test_the_predict_extra_is_pinned_as_the_lock_is_and_stays_light():
    def pins(name):
        lines = (REPOSITORY / "requirements" / name).read_text().splitlines()
        found = (line.split(";")[0].strip(" \\") for line in lines)
        return {line for line in found if "==" in line and line[0].isalpha()}

    pinned = pins("predict.txt")
    assert pinned <= pins("lock.txt")
    names = {line.split("==")[0] for line in pinned}
    assert set(REQUIREMENTS) <= names
    assert not {"tensorflow", "tensorflow-cpu", "tensorflow-addons", "ray", "maml"} & names


def test_mistakes_are_one_clear_line(recorder, registered, tmp_path, monkeypatch):
    uri = recorder.store.uri
    for address, reason in {
        "models:/superionic/7": "holds no models:/superionic/7",
        "models:/nothing/1": "holds no models:/nothing/1",
        "models:/nothing/latest": "holds no model nothing",
        "models:/superionic": "write models:/NAME/VERSION",
        "models:/superionic@none": "holds no models:/superionic@none",
        "runs:/0123/ensemble": "holds no runs:/0123/ensemble",
        f"runs:/{registered[0]}/other": "is no ensemble of sie",
    }.items():
        with pytest.raises(InputError, match=reason):
            SuperionicEnsemble.load(address, uri)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no MLflow store at mlruns"):
        SuperionicEnsemble.load("models:/superionic/1")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="no ensemble in"):
        register(recorder, registered[0], tmp_path, "superionic")
