"""Several Ray nodes on one machine: what travels between them, and that killing one kills all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import RayCluster
from processes import command_line, wait_until

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(300)]

LARGE_JOB = Path(__file__).with_name("large_job.py")
CHUNK_BYTES = 5 * 1024**2
"""What a node is sent of an object at a time (Ray's object_manager_default_chunk_size)."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # a node writes its statistics every second
        patch.setenv("RAY_debug_dump_period_milliseconds", "1000")
        with RayCluster(tmp_path_factory.mktemp("ray"), nodes=(0, 2)) as cluster:
            yield cluster


def chunks_received(cluster, node):
    text = cluster.session_file(node, "logs/debug_state.txt").read_text()
    return int(re.search(r"num chunks received total: (\d+)", text)[1])


def trial_workers(cluster, node):
    """How many workers of a node have held trials, by the logs that Ray keeps of them."""
    logs = cluster.session_file(node, "logs").glob("worker-*.out")
    return sum("actor_name:" in log.read_text() and "Trial" in log.read_text() for log in logs)


def run_script(cluster, *command, **changes):
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **cluster.env, **changes},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_features_travel_once_to_a_node_with_two_workers(cluster):
    ran = run_script(cluster, LARGE_JOB, cluster.address)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (trial_workers(cluster, 0), trial_workers(cluster, 1)) == (0, 2)
    chunks = -(-int(ran.stdout) // CHUNK_BYTES)
    wait_until(lambda: chunks_received(cluster, 1) >= chunks, "the node's statistics", 10)
    # the rest of the job may take one chunk more; a second copy would take eight
    assert chunks_received(cluster, 1) <= chunks + 1
    assert chunks_received(cluster, 0) == 0


def test_another_token_is_refused_in_one_line(cluster, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("f" * 64)
    code = (
        "import sys; from sie.search.cluster import require_cluster; require_cluster(sys.argv[1])"
    )
    ran = run_script(cluster, "-c", code, cluster.address, RAY_AUTH_TOKEN_PATH=str(wrong))
    assert ran.returncode == 1
    assert "it refuses the token" in ran.stderr.splitlines()[-1]


def test_a_killed_node_is_gone_with_all_its_processes_and_comes_back(cluster):
    pids = cluster.pids(1)
    assert cluster.raylet(1) in pids
    cluster.kill_node(1)
    assert [pid for pid in pids if command_line(pid)] == []
    assert cluster.raylet(0)
    cluster.start_node(1)
    assert cluster.raylet(1) not in pids
