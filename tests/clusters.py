"""Ray clusters for tests: several nodes on this machine, or one node on each of several hosts.

with RayCluster(folder, nodes=(0, 1, 1)) as cluster:
    subprocess.run([..., "--address", cluster.address], env={**os.environ, **cluster.env})
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from hosts import Hosts
from processes import Lasting, Service, command_line, family, free_port, kill, marked, wait_until

BIN = Path(sys.executable).parent
STARTS, TOO_SLOW = 3, "timed out during startup"
"""Ray gives a node 30 s, which a busy machine may need more than once; what it says then."""


class RayCluster(Lasting):
    """Several Ray nodes on one machine, each with a raylet, an address and a temp folder.

    The head listens at 127.x.y.2, the next node at 127.x.y.3 and so on; all ask for the token
    of a file. A driver of this machine joins the head.

    Parameters
    ----------
    folder : Path
        Where the logs and the token file go; Ray's own files lie in /tmp (paths of sockets must
        be short).
    nodes : sequence of int
        CPUs of each node; the first is the head.
    dashboard : bool
        Start the dashboard, which takes jobs; needs ray[default].

    Attributes
    ----------
    address : str
        ``ip:port`` of the head, for --address.
    env : dict
        What a driver's environment needs: the mode of authentication and the token's path.
    """

    def __init__(
        self, folder: Path, nodes: Sequence[int] = (1, 1), *, dashboard: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        token = folder / "ray-token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.cpus, self.dashboard_port = tuple(nodes), free_port() if dashboard else None
        self._temp = Path(tempfile.mkdtemp(prefix="sie-nodes-"))
        # tests side by side get networks of their own
        self._network = f"127.{random.SystemRandom().randrange(1, 255)}.{os.getpid() % 250 + 1}"
        self.address = f"{self.ip(0)}:{free_port(self.ip(0))}"
        self._nodes = [Service(folder / f"ray-node-{i}.log") for i in range(len(self.cpus))]

    def ip(self, node: int) -> str:
        """Return the address of a node."""
        return f"{self._network}.{node + 2}"

    def start(self) -> Self:
        """Start every node that is not running; the head first."""
        if not self._nodes[0].running:
            self.start_node(0)
        rest = [node for node, service in enumerate(self._nodes) if not service.running]
        with ThreadPoolExecutor(max(len(rest), 1)) as pool:
            list(pool.map(self.start_node, rest))
        return self

    def start_node(self, node: int) -> None:
        """Start one node, or start it again under the same address (a few seconds)."""
        for left in reversed(range(STARTS)):
            try:
                self._start_node(node)
            except AssertionError as error:
                if not left or TOO_SLOW not in str(error):
                    raise
            else:
                return

    def _start_node(self, node: int) -> None:
        temp, mark = self._temp / str(node), self._mark(node)
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir()
        head = node == 0
        command = ray_start(self.ip(node), self.cpus[node], self.address, head=head)
        command += ["--temp-dir", str(temp)]
        if head and self.dashboard_port:
            command += ["--include-dashboard=true", f"--dashboard-port={self.dashboard_port}"]
        elif head:
            command += ["--include-dashboard=false"]
        service, name = self._nodes[node], mark.partition("=")
        seen = service.log.stat().st_size if service.log.exists() else 0
        service.launch(
            command,
            lambda: b"Ray runtime started" in service.log.read_bytes()[seen:],
            {**self.env, name[0]: name[2]},
        )

    def _mark(self, node: int) -> str:
        return f"SIE_TEST_NODE={self._temp.name}-{node}"

    def pids(self, node: int) -> list[int]:
        """Return every process of a node: ray start, raylet, agents, workers, on the head GCS."""
        # workers write their titles over their environment: found below the raylet
        found = dict.fromkeys(family(*marked(self._mark(node))))
        return [pid for pid in found if command_line(pid)]

    def workers(self, node: int) -> list[int]:
        """Return the worker processes of a node that hold a trial."""
        return [pid for pid in self.pids(node) if "TrialWorker" in command_line(pid)]

    @property
    def dashboard(self) -> str:
        """Where jobs are submitted to."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    def session_file(self, node: int, name: str) -> Path:
        """Return a file of a node's newest session, such as ``logs/debug_state.txt``."""
        sessions = (self._temp / str(node)).glob("session_2*")
        return max(sessions, key=lambda path: path.stat().st_mtime) / name

    def raylet(self, node: int) -> int:
        """Return the raylet of a node."""
        (found,) = (p for p in self.pids(node) if command_line(p).split()[0].endswith("/raylet"))
        return found

    def kill_node(self, node: int) -> None:
        """Kill -9 everything of a node at once, as if its machine had lost power."""
        while pids := self.pids(node):
            kill(*pids, how=signal.SIGSTOP)
            kill(*pids)
            self._nodes[node].kill()

    def remove(self) -> None:
        """Kill all nodes, the head last, and remove Ray's files."""
        for node in reversed(range(len(self._nodes))):
            self.kill_node(node)
        shutil.rmtree(self._temp, ignore_errors=True)


def ray_start(ip: str, cpus: int, address: str, *, head: bool) -> list[str]:
    """Return the command that runs a small node in the foreground."""
    command = [str(BIN / "ray"), "start", "--block", "--disable-usage-stats"]
    command += [f"--node-ip-address={ip}", f"--num-cpus={cpus}", "--object-store-memory=100000000"]
    if head:
        port = address.rpartition(":")[2]
        return [*command, "--head", f"--port={port}"]
    return [*command, f"--address={address}"]


class HostCluster:
    """A Ray cluster with one node on each of some hosts; host 0 is the head.

    Every host holds the token in its own HOME, where Ray looks for it (~/.ray/auth_token), and
    commands on the hosts find the cluster at `address`.

    Parameters
    ----------
    hosts : Hosts
        Hosts that run.
    cpus : sequence of int
        CPUs of the nodes on host 0, 1 and so on.
    """

    def __init__(self, hosts: Hosts, cpus: Sequence[int]) -> None:
        self.hosts, self.cpus = hosts, tuple(cpus)
        self.address = f"{hosts.ip(0)}:6379"
        self._token = secrets.token_hex(32)

    def start(self) -> Self:
        """Start all nodes, the head first."""
        self.start_node(0)
        logs = [self._launch(host) for host in range(1, len(self.cpus))]
        for host, log in enumerate(logs, start=1):
            self._wait(host, log)
        return self

    def start_node(self, host: int) -> None:
        """Start the node of one host, or start it again."""
        self._wait(host, self._launch(host))

    def _wait(self, host: int, log: Path) -> None:
        for _ in range(STARTS - 1):
            if _ray_started(log):
                return
            log = self._launch(host)
        assert _ray_started(log), log.read_text()[-1000:]

    def _launch(self, host: int) -> Path:
        home = self.hosts.home(host)
        token, log = home / ".ray" / "auth_token", home / "ray.log"
        token.parent.mkdir(exist_ok=True)
        token.write_text(self._token)
        token.chmod(0o600)
        command = ray_start(self.hosts.ip(host), self.cpus[host], self.address, head=host == 0)
        if host == 0:
            command += ["--include-dashboard=false"]
        with log.open("w") as output:
            self.hosts.launch(host, command, stdout=output, stderr=output)
        return log

    def raylet(self, host: int) -> int:
        """Return the raylet of a host, as numbered here."""
        lines = {pid: command_line(pid) for pid in self.hosts.pids(host)}
        (found,) = (pid for pid, line in lines.items() if line.split()[0].endswith("/raylet"))
        return found

    def workers(self, host: int) -> list[int]:
        """Return the worker processes of a host that hold a trial."""
        return [p for p in self.hosts.pids(host) if "TrialWorker" in command_line(p)]

    def kill_node(self, host: int) -> None:
        """Kill -9 all Ray processes of a host and leave the host on."""
        while pids := [pid for pid in self.hosts.pids(host) if "ray" in command_line(pid)]:
            kill(*pids)


def _ray_started(log: Path) -> bool:
    """Wait for a node; False where it was too slow for Ray's patience."""

    def ended() -> bool:
        text = log.read_text()
        assert "Error" not in text or TOO_SLOW in text, text[-1000:]
        return "Ray runtime started" in text or TOO_SLOW in text

    wait_until(ended, f"the Ray node of {log}")
    return TOO_SLOW not in log.read_text()
