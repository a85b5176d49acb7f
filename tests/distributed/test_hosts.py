"""Machines that share a network only: hosts in namespaces, MLflow over HTTP on PostgreSQL."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from clusters import HostCluster
from hosts import Hosts
from processes import wait_until
from search_commands import LOCO_SEARCH, TINY, assert_equal, assert_whole, parent_of, runs_of
from services import MlflowServer, Postgres

from sie.tracking.store import open_store

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(600)]

WORKERS = (1, 2)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with Hosts(tmp_path_factory.mktemp("hosts"), 3) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def server(hosts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with (
        Postgres(folder) as database,
        MlflowServer(folder, database.uri, address=hosts.gateway) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def cluster(hosts):
    """One node on every host; the head trains nothing."""
    return HostCluster(hosts, (0, 1, 1)).start()


@pytest.fixture(scope="module")
def searched(hosts, server, cluster):
    """A search from host 0 over the workers of the other hosts, and its twin on host 1 alone."""
    common = [*LOCO_SEARCH, *TINY, "--tracking-uri", server.uri]
    spread = ["--name", "spread", "--address", cluster.address, "--max-concurrent", 2]
    alone = ["--name", "alone", "--max-concurrent", 1]
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(hosts.run, 0, [*common, *spread])]
        both += [pool.submit(hosts.run, 1, [*common, *alone])]
    for search in both:
        ran = search.result()
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return both[0].result()


@pytest.fixture(scope="module")
def store(server, tmp_path_factory):
    return open_store(server.uri, tmp_path_factory.mktemp("unused"))


def test_hosts_are_apart(hosts):
    names = [hosts.run(host, ["hostname"]).stdout.strip() for host in range(3)]
    assert len(set(names)) == 3
    hosts.run(1, ["touch", "/tmp/mine"])
    assert hosts.run(2, ["test", "-e", "/tmp/mine"]).returncode == 1
    assert len(hosts.pids(1)) < 20


def test_a_cable_can_be_pulled_and_plugged_in(hosts, server):
    code = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=2)"
    ask = [sys.executable, "-c", code, f"{server.uri}/health"]
    hosts.cut(2)
    assert hosts.run(2, ask).returncode == 1
    assert hosts.run(1, ask).returncode == 0
    hosts.heal(2)
    wait_until(lambda: hosts.run(2, ask).returncode == 0, "the healed host", 20)


def test_a_host_can_be_switched_off_and_on(hosts):
    left = hosts.launch(2, ["sleep", "600"])
    hosts.run(2, ["touch", "/tmp/mine", "kept"])
    hosts.kill(2)
    assert left.wait(10) != 0
    hosts.boot(2)
    assert hosts.run(2, ["test", "-e", "/tmp/mine"]).returncode == 1
    assert hosts.run(2, ["test", "-e", "kept"]).returncode == 0


def test_a_search_over_hosts_is_whole_and_says_nothing_of_ray(searched, store):
    assert "winner of cluster 0" in searched.stdout
    # the one warning is of the server's plain http
    assert re.fullmatch(r"(\S+ \S+ sie\.tracking\.store: .* is plain http .*\n)?", searched.stderr)
    assert_whole(store, "spread")


@pytest.mark.usefixtures("searched")
def test_trials_were_spread_over_the_hosts(hosts):
    logs = "/tmp/ray/session_latest/logs"
    for host in WORKERS:
        found = hosts.run(host, ["grep", "-rlE", "actor_name:.*TrialWorker", logs])
        assert found.stdout.splitlines(), f"no trial ran on host {host}"
    assert not hosts.run(0, ["grep", "-rlE", "actor_name:.*TrialWorker", logs]).stdout


@pytest.mark.usefixtures("searched")
def test_one_node_gives_the_same_results_bit_for_bit(store):
    assert_whole(store, "alone")
    assert_equal(store, runs_of(store, "spread"), runs_of(store, "alone"))


@pytest.mark.usefixtures("searched")
def test_artifacts_travelled_over_http(store):
    names = {item.path for item in store.client().list_artifacts(parent_of(store, "spread").run_id)}
    assert {"plan.json", "splits.json", "winner.json", "figures"} <= names
