"""Many at once: eight processes that log, and two searches in one store on one cluster."""

from __future__ import annotations

import os
import subprocess
import sys

import logging_process
import numpy as np
import pytest
from clusters import RayCluster
from logging_process import EXPERIMENT, RUNS, curve
from search_commands import LOCO_SEARCH, TINY, assert_equal, assert_whole, runs_of
from services import MlflowServer, Postgres

from sie.tracking.queries import read_result, read_text, search
from sie.tracking.store import Store, open_store
from sie.training.record import METRICS

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(400)]

PROCESSES = 8
LOGGER = logging_process.__file__


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with Postgres(folder) as database, MlflowServer(folder, database.uri) as server:
        yield server


@pytest.fixture(scope="module")
def crowded(server, tmp_path_factory):
    """Two stores into which all processes have written at once, SQLite's still new."""
    folder = tmp_path_factory.mktemp("crowd")
    uris = [f"sqlite:///{folder / 'mlflow.db'}", server.uri]
    gate = folder / "gate"
    # half of them begin with the one store, half with the other
    writers = [
        subprocess.Popen(
            [sys.executable, LOGGER, str(number), gate, *uris[:: 1 if number % 2 else -1]],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        gate.touch()
        ends = [(writer.communicate(timeout=350), writer.returncode) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
    assert [code for _, code in ends] == [0] * PROCESSES, ends
    return [Store(uri, folder / "artifacts") for uri in uris]


@pytest.mark.parametrize("which", [0, 1], ids=["sqlite", "postgresql over http"])
def test_eight_processes_that_log_at_once_lose_nothing(crowded, which):
    store = crowded[which]
    runs = search(store, [store.experiment(EXPERIMENT)], "")
    expected = {(process, run) for process in range(PROCESSES) for run in range(RUNS)}
    found = [(int(run.tags["process"]), int(run.params["run"])) for run in runs]
    assert sorted(found) == sorted(expected)
    for run, (process, number) in zip(runs, found, strict=True):
        assert run.status == "FINISHED"
        assert read_text(store, run.run_id, "who.txt") == run.key
        curves = read_result(store, run).curves
        for metric, name in enumerate(METRICS):
            np.testing.assert_array_equal(curves[name], curve(process, number, metric))


@pytest.mark.long
def test_two_searches_in_one_store_on_one_cluster_do_not_disturb_each_other(tmp_path):
    """Both have the same plan, so that each says what the other should have found."""
    names = ("one", "two")
    with RayCluster(tmp_path / "ray", nodes=(1, 1)) as cluster:
        searches = [
            subprocess.Popen(
                [
                    *map(str, (*LOCO_SEARCH, *TINY, "--max-concurrent", 2, "--name", name)),
                    "--address",
                    cluster.address,
                ],
                cwd=tmp_path,
                env={**os.environ, **cluster.env},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in names
        ]
        for running in searches:
            out, err = running.communicate(timeout=300)
            assert running.returncode == 0, out + err
            assert err == ""
            assert "winner of cluster 0" in out
    store = open_store(None, tmp_path / "mlruns")
    for name in names:
        assert_whole(store, name)
    assert_equal(store, *(runs_of(store, name) for name in names))
