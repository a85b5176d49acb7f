"""`ray job submit`: the working directory travels, the driver runs on the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from clusters import BIN, RayCluster
from search_commands import EXPERIMENT, parent_of, runs_of

from sie.tracking.store import open_store

NEEDED = ("aiohttp_cors", "opencensus", "prometheus_client", "virtualenv")
MISSING = [name for name in NEEDED if find_spec(name) is None]

pytestmark = [
    pytest.mark.distributed,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        bool(MISSING), reason=f"Ray takes jobs with ray[default] only; missing: {MISSING}"
    ),
]

REPOSITORY = Path(__file__).resolve().parents[2]
SEARCH = (
    "experiments/loco_search.py", "--cluster", "0", "--search-space", "quick", "--trials", "2",
    "--top", "1", "--repeats", "1", "--max-epochs", "4", "--grace-epochs", "4",
    "--max-concurrent", "1", "--address", "auto", "--name", "job",
)  # fmt: skip


@pytest.fixture
def cluster(tmp_path):
    with RayCluster(tmp_path / "ray", nodes=(1,), dashboard=True) as cluster:
        yield cluster


@pytest.mark.long
def test_a_submitted_search_runs_on_the_cluster_and_is_recorded(cluster, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    command = [BIN / "ray", "job", "submit", "--address", cluster.dashboard]
    command += ["--working-dir", REPOSITORY, "--", sys.executable, *SEARCH, "--tracking-uri", uri]
    ran = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        env={**os.environ, **cluster.env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "winner of cluster 0" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    store = open_store(uri, tmp_path)
    assert store.client().get_experiment_by_name(EXPERIMENT) is not None
    assert parent_of(store, "job").status == "FINISHED"
    assert [run.tags["phase"] for run in runs_of(store, "job")] == ["repeat", "search", "search"]
