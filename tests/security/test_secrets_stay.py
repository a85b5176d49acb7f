"""A search with secrets in its address and environment leaves none of them behind."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from search_commands import LOCO_SEARCH
from services import MlflowServer

from sie.cli.ensemble_options import EnsembleOptions
from sie.cli.loco import LocoOptions
from sie.cli.screen import ScreenOptions
from sie.errors import InputError, TrackingError
from sie.tracking.store import open_store, tracking_errors

PASSWORD = "hunter2-Zq9x"
URI = f"postgresql://sie:{PASSWORD}@db.example.org/mlflow"


@pytest.mark.parametrize(
    "uri", [f"ftp://u:{PASSWORD}@h", f"sqlite://u:{PASSWORD}@h", f"http://u:{PASSWORD}@127.0.0.1:9"]
)
def test_a_refused_address_is_shown_without_its_password(uri, tmp_path):
    with pytest.raises((InputError, TrackingError)) as caught:
        open_store(uri, tmp_path)
    assert PASSWORD not in str(caught.value)


def test_an_error_of_the_store_is_shown_without_the_password():
    with pytest.raises(TrackingError) as caught, tracking_errors(URI):
        raise OSError(f"API request to {URI} failed; password={PASSWORD}")
    assert PASSWORD not in str(caught.value)


def test_commands_to_type_are_shown_without_the_password():
    options = LocoOptions(cluster="0", space=None, record_folder=Path("x"), tracking_uri=URI)
    assert "sie:***@db.example.org" in options.command("1")
    shown = ScreenOptions(tracking_uri=URI, api_key=PASSWORD, source="mp").command()
    shown += " ".join(EnsembleOptions(tracking_uri=URI).words_of_data())
    assert PASSWORD not in options.command("1") + shown
    assert shown.count("***") == 2


def test_plain_http_to_another_machine_is_warned_of(tmp_path, caplog):
    caplog.set_level("WARNING", logger="sie.tracking.store")
    with pytest.raises(TrackingError):
        open_store(f"http://u:{PASSWORD}@mlflow.invalid:5000", tmp_path)
    assert "plain http to another machine" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.mark.end_to_end
@pytest.mark.long
def test_nothing_that_a_search_leaves_behind_shows_a_secret(server, tmp_path):
    """Output, record folder, database, artifacts, and the files of the cache."""
    words = {
        name: f"{name[:4]}{secrets.token_hex(12)}"
        for name in ("MP_API_KEY", "MLFLOW_FLASK_SERVER_SECRET_KEY", "PGPASSWORD", "password")
    }
    uri = server.uri.replace("://", f"://user:{words['password']}@")
    environment = {name: word for name, word in words.items() if name.isupper()}
    command = [*LOCO_SEARCH, "--trials", "2", "--top", "1", "--repeats", "1", "--max-epochs", "6"]
    command += ["--grace-epochs", "3", "--tracking-uri", uri, "--verbose"]
    ended = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **environment},
        capture_output=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    left = {"stdout": ended.stdout, "stderr": ended.stderr}
    folders = (tmp_path, server._folder, Path(os.environ["SIE_CACHE_DIR"]))
    left |= {str(path): path.read_bytes() for folder in folders for path in _files(folder)}
    assert any(path.endswith("mlflow.db") for path in left)
    pattern = re.compile("|".join(words.values()).encode())
    assert [name for name, content in left.items() if pattern.search(content)] == []
    assert b"user:***@127.0.0.1" in left["stdout"]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
