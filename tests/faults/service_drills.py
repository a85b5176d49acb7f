"""Drills on services: a cluster's head and nodes, MLflow, PostgreSQL, the network of a host.

The services are real ones, from `services`, `clusters` and `hosts`.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clusters import HostCluster, RayCluster
from faults.lab import Lab
from faults.local_drills import Result, after_some_trials, cleared, conclude, one_start_wanted
from faults.searches import PACE, Search, Start, hooked_environment
from hosts import Hosts
from processes import command_line, kill
from services import MlflowServer, Postgres

AWAY = 20.0
"""Seconds that a service is away."""

HANGING = 30.0
"""Seconds that the MLflow server does not move."""

UNTIL_LOST = 120.0
"""Seconds after which a search has said that its head is lost, on a busy machine too."""

LOST = re.compile(r"error: lost the Ray cluster: its head .* the same command goes on from there")


def kill_server(lab: Lab, draw: random.Random) -> Result:
    """Kill -9 the MLflow server (on SQLite) and start it again 20 s later."""
    folder = lab.folder("server-kill")
    with MlflowServer(folder, f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}") as server:
        calm = lab.calm("server", _on(lab, server))
        return _away_for_a_while(_on(lab, server)("server-kill"), calm, server, draw)


def hang_server(lab: Lab, draw: random.Random) -> Result:
    """Stop the MLflow server with all its processes and let it go on 30 s later."""
    folder = lab.folder("server-hang")
    with MlflowServer(folder, f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}") as server:
        calm = lab.calm("server", _on(lab, server))
        with cleared(_on(lab, server)("server-hang")) as search:
            after_some_trials(search, draw)
            pids = server.pids()
            kill(*pids, how=signal.SIGSTOP)
            until = time.monotonic() + HANGING
            assert not server.answers(), "the server answers although it does not move"
            time.sleep(until - time.monotonic())
            kill(*reversed(pids), how=signal.SIGCONT)
            return conclude(search, calm, remarks=one_start_wanted(search))


def kill_postgres(lab: Lab, draw: random.Random) -> Result:
    """Kill -9 PostgreSQL below the MLflow server and start it again 20 s later."""
    folder = lab.folder("postgres-kill")
    with Postgres(folder) as database, MlflowServer(folder, database.uri) as server:
        calm = lab.calm("postgres", _on(lab, server))
        return _away_for_a_while(_on(lab, server)("postgres-kill"), calm, database, draw)


def _on(lab: Lab, server: MlflowServer, **settings: Any) -> Callable[[str], Search]:
    return lambda name: lab.search(name, tracking_uri=server.uri, **settings)


def _away_for_a_while(
    search: Search, calm: float, service: Postgres | MlflowServer, draw: random.Random
) -> Result:
    with cleared(search):
        after_some_trials(search, draw)
        service.kill()
        time.sleep(AWAY)
        service.start()
        return conclude(search, calm, remarks=one_start_wanted(search))


@contextlib.contextmanager
def _slow_trials(lab: Lab) -> Iterator[None]:
    """Give Ray nodes that are started meanwhile the hook, so that their trials take their time."""
    plan = lab.root / "nodes.json"
    plan.write_text(json.dumps({"pace": PACE, "seeds": []}))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in hooked_environment(plan).items():
            patch.setenv(name, value)
        yield


def kill_node(lab: Lab, draw: random.Random, raylet_only: bool = False) -> Result:
    """Kill -9 a whole Ray node, or its raylet alone, of a cluster of a head and two workers."""
    folder = lab.folder("ray")
    with _slow_trials(lab), RayCluster(folder, nodes=(0, 1, 1)) as cluster:
        calm = lab.calm("cluster", lambda name: _on_cluster(lab, name, cluster))
        search = _on_cluster(lab, "raylet-kill" if raylet_only else "node-kill", cluster)
        with cleared(search):
            after_some_trials(search, draw, 4)
            node = draw.choice((1, 2))
            if raylet_only:
                kill(cluster.raylet(node))
            else:
                cluster.kill_node(node)
            return conclude(search, calm, remarks=one_start_wanted(search))


def kill_raylet(lab: Lab, draw: random.Random) -> Result:
    """Kill -9 the raylet alone of a node."""
    return kill_node(lab, draw, raylet_only=True)


def lose_head(
    lab: Lab, draw: random.Random, how: signal.Signals = signal.SIGKILL, name: str = "head-kill"
) -> Result:
    """Kill -9 the head's control store, or stop it; then a new cluster and the same command."""
    folder = lab.folder("ray")
    with _slow_trials(lab), RayCluster(folder, nodes=(0, 1, 1)) as cluster:
        calm = lab.calm("cluster", lambda name: _on_cluster(lab, name, cluster))
        search = _on_cluster(lab, name, cluster)
        with cleared(search):
            after_some_trials(search, draw, 4)
            kill(_control_store(cluster), how=how)
            remarks = left_in_order(search.starts[-1])
            for node in reversed(range(len(cluster.cpus))):
                cluster.kill_node(node)
            cluster.start()
            return conclude(search, calm, remarks=remarks)


def hang_head(lab: Lab, draw: random.Random) -> Result:
    """Stop the head's control store: its port is open, and nobody answers."""
    return lose_head(lab, draw, signal.SIGSTOP, "head-hang")


def _control_store(cluster: RayCluster) -> int:
    lines = {pid: command_line(pid) for pid in cluster.pids(0)}
    (found,) = (pid for pid, line in lines.items() if line.split()[0].endswith("/gcs_server"))
    return found


def left_in_order(start: Start) -> list[str]:
    """Return what was not as it should be when a search had lost its head."""
    code = start.wait(UNTIL_LOST)
    if start.hung:
        return [f"the search had not ended {UNTIL_LOST:g} s after its head"]
    remarks = [] if code == 1 else [f"exit code {code} without a head, not 1"]
    lines = [line for line in start.errors.splitlines() if line.strip()]
    if len(lines) != 1 or not LOST.fullmatch(lines[0]):
        shown = " / ".join(lines)[:500]
        remarks.append(f"{len(lines)} lines of errors without a head, not one of sie's: {shown}")
    return remarks


def _on_cluster(lab: Lab, name: str, cluster: RayCluster) -> Search:
    return lab.search(name, options=("--address", cluster.address), env=cluster.env)


def partition(lab: Lab, draw: random.Random, seconds: float = 30) -> Result:
    """Pull the network cable of a worker's host and plug it in again 30 s later."""
    folder = lab.folder("partition-hosts")
    with (
        Hosts(lab.root, 3) as hosts,
        MlflowServer(
            folder, f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", address=hosts.gateway
        ) as server,
    ):
        with _slow_trials(lab):
            cluster = HostCluster(hosts, (0, 1, 1)).start()
        settings = {"options": ("--address", cluster.address), "host": (hosts, 0)}
        make = _on(lab, server, **settings)
        calm = lab.calm("hosts", make)
        search = make("partition")
        with cleared(search):
            after_some_trials(search, draw, 4)
            cut = draw.choice((1, 2))
            hosts.cut(cut)
            time.sleep(seconds)
            hosts.heal(cut)
            return conclude(search, calm, remarks=one_start_wanted(search))
