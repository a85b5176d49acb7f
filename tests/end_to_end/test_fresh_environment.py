"""A fresh environment with the `predict` extra alone loads a registered ensemble and scores a CIF.

Installs a hundred packages, so it only runs when asked for: make predict-check.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ensemble_examples import argyrodite, small_ensemble
from pymatgen.io.cif import CifWriter

from sie.ensemble.predictor import SuperionicEnsemble
from sie.ensemble.registry import register
from sie.ensemble.storage import save_ensemble
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store

ASKED = "SIE_FRESH_ENVIRONMENT"
REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get(ASKED), reason=f"set {ASKED}=1, or make predict-check"),
]

HEAVY = ("tensorflow", "tensorflow_addons", "keras", "ray", "maml", "megnet", "hyperopt", "umap")

BY_SIE = """
    import json, sys
    from importlib.util import find_spec
    from sie.ensemble.predictor import SuperionicEnsemble
    ensemble = SuperionicEnsemble.load("models:/superionic/1")
    (p_si,) = ensemble.predict_proba(sys.argv[1])[:, 1]
    print(json.dumps([p_si, [name for name in sys.argv[2:] if find_spec(name)]]))
"""

BY_MLFLOW = """
    import json, sys
    from importlib.util import find_spec
    from pathlib import Path
    import mlflow, pandas
    there = find_spec("sie") is not None
    model = mlflow.pyfunc.load_model("models:/superionic/1")
    answer = model.predict(pandas.DataFrame({"cif": [Path(sys.argv[1]).read_text()]}))
    print(json.dumps([answer["p_si"][0], there]))
"""


@pytest.fixture(scope="module")
def cif(tmp_path_factory):
    path = tmp_path_factory.mktemp("cif") / "argyrodite.cif"
    CifWriter(argyrodite(), significant_figures=12).write_file(path)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("record")
    folder = save_ensemble(place / "ensemble", small_ensemble())
    recorder = Recorder(open_store(None, place / "mlruns"), "ensemble/starter")
    run_id = recorder.open_run("ensemble", "ensemble", {}, {})
    register(recorder, run_id, folder, "superionic")
    return recorder.store


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a new environment with .[predict]; says what that took."""
    place, began = tmp_path_factory.mktemp("fresh"), time.monotonic()
    source = place / "source"  # pip builds where the sources lie
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "sie", source / "sie", ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    python = place / "venv" / "bin" / "python"
    pinned = REPOSITORY / "requirements" / "predict.txt"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-c", pinned, ".[predict]"], cwd=source, check=True)
    files = (path for path in (place / "venv").rglob("*") if path.is_file())
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    sys.stderr.write(f"installed in {time.monotonic() - began:.0f} s, {megabytes:.0f} MB\n")
    return python


def run(python, store, script, *arguments):
    began = time.monotonic()
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store.uri}
    ran = subprocess.run(
        [python, "-c", textwrap.dedent(script), *arguments],
        cwd=Path(python).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    sys.stderr.write(f"loaded and scored in {time.monotonic() - began:.1f} s\n")
    return json.loads(ran.stdout.splitlines()[-1])


def test_the_predict_extra_loads_the_registered_model_and_scores_a_cif(python, store, cif):
    expected = SuperionicEnsemble.load("models:/superionic/1", store.uri).score(cif).p_si[0]
    p_si, heavy = run(python, store, BY_SIE, cif, *HEAVY)
    assert heavy == []
    assert p_si == pytest.approx(expected, rel=1e-5)


def test_the_model_brings_what_it_needs_where_sie_is_not_installed(python, store, cif):
    expected = SuperionicEnsemble.load("models:/superionic/1", store.uri).score(cif).p_si[0]
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "sie"], check=True)
    p_si, there = run(python, store, BY_MLFLOW, cif)
    assert not there
    assert p_si == pytest.approx(expected, rel=1e-5)
