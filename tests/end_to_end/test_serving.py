"""A registered ensemble behind `mlflow models serve`: CIFs go in over HTTP, P_SI comes out."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from ensemble_examples import argyrodite, rock_salt, small_ensemble
from pymatgen.io.cif import CifWriter

from sie.ensemble.predictor import SuperionicEnsemble
from sie.ensemble.registry import register
from sie.ensemble.storage import save_ensemble
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(240)]

START_SECONDS = 120


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if requests.get(f"{address}/ping", timeout=5).ok:
                return
        except requests.exceptions.ConnectionError:
            time.sleep(0.3)
    raise AssertionError(f"no answer in {START_SECONDS} s: {log.read_text()}")


def end(server: subprocess.Popen) -> None:
    """End the server and everything it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_ensemble(tmp_path_factory.mktemp("kept") / "ensemble", small_ensemble())


@pytest.fixture(scope="module")
def address(folder, tmp_path_factory):
    """Where a server of the registered model answers."""
    place = tmp_path_factory.mktemp("serving")
    recorder = Recorder(open_store(None, place / "mlruns"), "ensemble/starter")
    run_id = recorder.open_run("ensemble", "ensemble", {}, {})
    version = register(recorder, run_id, folder, "superionic")
    port, log = free_port(), place / "server.log"
    command = [sys.executable, "-m", "mlflow", "models", "serve"]
    command += ["-m", f"models:/superionic/{version}", "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # MLflow starts uvicorn by its name
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": recorder.store.uri}
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}", server, log)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        end(server)


def cif_of(structure) -> str:
    return str(CifWriter(structure, significant_figures=12))


def test_posted_cifs_are_scored(address, folder):
    expected = SuperionicEnsemble.load(folder).score([rock_salt(), argyrodite()])
    cifs = [cif_of(rock_salt()), cif_of(argyrodite())]
    split = {"columns": ["id", "cif"], "data": [["a", cifs[0]], ["b", cifs[1]]]}
    records = [{"cif": cif} for cif in cifs]
    for body, ids in (
        ({"dataframe_split": split}, ["a", "b"]),
        ({"dataframe_records": records}, ["0", "1"]),
    ):
        answer = requests.post(address, json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        found = answer.json()["predictions"]
        assert [item["id"] for item in found] == ids
        np.testing.assert_allclose([item["p_si"] for item in found], expected.p_si, rtol=1e-5)
        np.testing.assert_allclose([item["p_si_sd"] for item in found], expected.sd, rtol=1e-3)
        assert [item["class"] for item in found] == list((expected.p_si >= 0.5).astype(int))


def test_a_bad_cif_is_answered_with_one_clear_line_or_null(address):
    records = [{"id": "salt", "cif": cif_of(rock_salt(cation="Na"))}]
    answer = requests.post(address, json={"dataframe_records": records}, timeout=60)
    assert answer.status_code == 400
    assert "structure salt: no Li in" in answer.json()["message"]
    body = {"dataframe_records": records, "params": {"errors": "nan"}}
    answer = requests.post(address, json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["predictions"]
    assert item["p_si"] is None and item["class"] is None and "no Li" in item["refused"]


def test_a_table_without_cifs_is_refused(address):
    body = {"dataframe_records": [{"formula": "LiCl"}]}
    answer = requests.post(address, json=body, timeout=60)
    assert answer.status_code == 400
    assert "cif" in answer.json()["message"]
