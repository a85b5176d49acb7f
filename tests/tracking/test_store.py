"""The store for real: SQLite files, several processes, servers that are not there."""

import os
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from sie.errors import InputError, TrackingError
from sie.secrets import hidden
from sie.tracking.store import Store, open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(None, tmp_path_factory.mktemp("mlruns"))


def test_the_default_store_is_sqlite_with_artifacts_beside_it(store):
    assert store.uri.startswith("sqlite:////")
    name = store.experiment("loco/starter/CAMN-V0")
    location = store.client().get_experiment(name).artifact_location
    assert location == (store.artifacts / "loco/starter/CAMN-V0").as_uri()


def test_an_experiment_is_created_once_and_restored_when_deleted(store):
    first = store.experiment("twice")
    assert store.experiment("twice") == first
    store.client().delete_experiment(first)
    assert store.experiment("twice") == first


@pytest.mark.parametrize("name", ["../../out", "loco/../../out", "/out", "..", "loco/.."])
def test_artifacts_stay_in_their_folder(store, name):
    with pytest.raises(InputError, match="not a name for an experiment") as caught:
        store.experiment(name)
    assert "\n" not in str(caught.value)
    assert store.client().get_experiment_by_name(name) is None


def test_processes_that_race_for_a_new_store_all_get_it(tmp_path):
    code = (
        "import sys; from pathlib import Path; from sie.tracking.store import open_store;"
        "print(open_store(None, Path(sys.argv[1])).experiment('shared'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "mlruns")]
    racing = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(process.communicate(timeout=120), process.returncode) for process in racing]
    assert [code for _, code in ends] == [0, 0, 0], ends
    assert len({out for (out, _), _ in ends}) == 1


def test_a_sqlite_file_of_the_users_has_its_artifacts_beside_it(tmp_path):
    mine = open_store(f"sqlite:///{tmp_path}/sub/mine.db", tmp_path / "unused")
    assert (tmp_path / "sub" / "mine.db").is_file()
    assert mine.artifacts == tmp_path / "sub" / "artifacts"
    with pytest.raises(InputError, match="name a file"):
        open_store("sqlite://", tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match="cannot write the MLflow store") as caught:
        open_store(None, tmp_path / "file" / "mlruns")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("uri", ["./mlruns", "file:///x", "databricks"])
def test_stores_that_mlflow_3_refuses_are_named(uri, tmp_path):
    with pytest.raises(InputError, match="use sqlite:///FILE"):
        open_store(uri, tmp_path)


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(TrackingError, match="cannot be reached; start it") as caught:
        open_store(f"http://127.0.0.1:{port}", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_something_else_is_one_line(tmp_path):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Other)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(TrackingError, match="answers 404"):
            open_store(f"http://127.0.0.1:{server.server_port}", tmp_path)
    finally:
        server.shutdown()
        server.server_close()


PATIENCE = """
import os, sys
from pathlib import Path
from sie.tracking.store import open_store
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT
open_store(None, Path(sys.argv[1]))
print(MLFLOW_HTTP_REQUEST_TIMEOUT.get(), os.environ["PGCONNECT_TIMEOUT"])
"""


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, "20 10"), ({"MLFLOW_HTTP_REQUEST_TIMEOUT": "7", "PGCONNECT_TIMEOUT": "3"}, "7 3")],
)
def test_a_server_that_hangs_is_given_up_unless_the_user_is_patient(
    store, monkeypatch, given, seconds
):
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "PGCONNECT_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    told = [sys.executable, "-c", PATIENCE, str(store.artifacts.parent)]
    out = subprocess.check_output(told, env={**os.environ, **given}, text=True, timeout=60)
    assert out.strip() == seconds


def test_postgresql_reads_the_variable(monkeypatch):
    psycopg2 = pytest.importorskip("psycopg2")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(psycopg2.OperationalError, match="timeout"),
    ):
        psycopg2.connect(f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/mlflow")


def test_passwords_are_not_shown():
    shown = hidden("postgresql://me:hunter2@db/mlflow")
    assert "hunter2" not in shown
    assert "me:***@db" in shown


def test_the_command_that_shows_it(store, tmp_path, monkeypatch):
    monkeypatch.chdir(store.artifacts.parents[1])
    assert f"sqlite:///{store.artifacts.parent.name}/mlflow.db" in store.ui_command()
    monkeypatch.chdir(tmp_path)
    assert store.uri in store.ui_command()
    assert Store("http://host:5000").ui_command() == "open http://host:5000"
