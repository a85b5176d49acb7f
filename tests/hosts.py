"""Separate machines for tests, made of Linux namespaces: own network, processes, /tmp and name.

    with Hosts(folder, 3) as hosts:
        hosts.run(1, ["ray", "start", ...])     # on the second host, until it has ended
        hosts.launch(2, [...])                  # in the background
        hosts.cut(1); hosts.heal(1)             # the network cable of the second host
        hosts.kill(1)                           # power off: every process of it, at once

Hosts see each other at `hosts.ip(i)` and this process at `hosts.gateway`, nothing else. The file
system is shared but for /tmp and /dev/shm; the test's folder stays visible under its own name.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest
from processes import Lasting, command_line, family, kill, wait_until

REPOSITORY = Path(__file__).resolve().parents[1]
UNSHARE = (
    "unshare",
    "--net",
    "--pid",
    "--mount",
    "--uts",
    "--fork",
    "--kill-child",
    "--mount-proc",
)

_INIT = """
set -e
root=$(mktemp -d)
mount -t tmpfs tmpfs "$root"
for seen in $KEEP; do
    case "$seen" in /tmp/*)
        mkdir -p "$root/${seen#/tmp/}"
        mount --bind "$seen" "$root/${seen#/tmp/}" ;;
    esac
done
mount --move "$root" /tmp
chmod 1777 /tmp
mount -t tmpfs tmpfs /dev/shm
hostname "$NAME"
mount --bind "$HOME/hosts" /etc/hosts
ip link set lo up
echo ready > "$HOME/ready"
exec sleep infinity
"""


@cache
def why_not() -> str:
    """Return why this machine cannot make hosts, or nothing when it can."""
    for program in ("ip", "unshare", "nsenter", "setpriv"):
        if shutil.which(program) is None:
            return f"{program} is missing (apt-get install iproute2 util-linux)"
    if os.getuid() != 0:
        return "network namespaces need root"
    name = f"sieprobe{os.getpid() % 10000}"
    tried = [
        [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"],
        ["ip", "link", "add", name, "type", "bridge"],
        ["ip", "link", "del", name],
    ]
    for command in tried:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            return f"namespaces are not allowed here: {ran.stderr.strip()[:100]}"
    return ""


class Hosts(Lasting):
    """Hosts on one switch; skips the test with the reason where they cannot be made.

    Parameters
    ----------
    folder : Path
        Every host's HOME is made below it.
    number : int
        How many hosts.

    Attributes
    ----------
    gateway : str
        The address of this process in the network of the hosts.
    """

    def __init__(self, folder: Path, number: int) -> None:
        if reason := why_not():
            pytest.skip(reason)
        draw = random.SystemRandom()
        self._folder, self._number = folder, number
        self._network = f"10.{draw.randrange(64, 250)}.{draw.randrange(1, 250)}"
        self._id = f"{draw.randrange(16**5):05x}"
        self.gateway = f"{self._network}.1"
        self._boots: dict[int, subprocess.Popen[bytes]] = {}

    def ip(self, host: int) -> str:
        """Return the address of a host."""
        return f"{self._network}.{host + 2}"

    def name(self, host: int) -> str:
        """Return the host name."""
        return f"node{host}"

    def home(self, host: int) -> Path:
        """Return the HOME of a host: the same path there and here."""
        return self._folder / self.name(host)

    def start(self) -> Self:
        """Make the switch and all hosts."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # by default it takes over addresses of cables, and hosts would talk to one that has gone
        _ip("link", "add", self._switch, "address", self._mac(0), "type", "bridge")
        try:
            _ip("addr", "add", f"{self.gateway}/24", "dev", self._switch)
            _ip("link", "set", self._switch, "up")
            for host in range(self._number):
                self.boot(host)
        except BaseException:
            self.remove()
            raise
        return self

    def boot(self, host: int) -> None:
        """Switch a host on; its HOME is as it was, its /tmp is empty."""
        home = self.home(host)
        home.mkdir(parents=True, exist_ok=True)
        (home / "ready").unlink(missing_ok=True)
        lines = [f"{self.ip(other)} {self.name(other)}" for other in range(self._number)]
        (home / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
        kept = " ".join(map(str, (self._folder, REPOSITORY, sys.prefix, sys.base_prefix)))
        told = {**os.environ, "HOME": str(home), "KEEP": kept, "NAME": self.name(host)}
        # a host ends with the tests, however they end
        command = ["setpriv", "--pdeathsig=KILL", *UNSHARE, "bash", "-c", _INIT]
        with (home / "boot.log").open("wb") as log:
            boot = subprocess.Popen(command, env=told, cwd="/", stdout=log, stderr=log)
        self._boots[host] = boot
        wait_until(lambda: (home / "ready").exists() or boot.poll() is not None, "a host to boot")
        assert boot.poll() is None, (home / "boot.log").read_text()
        init, cable = str(self._init(host)), self._cable(host)
        peer = ["peer", "name", "eth0", "address", self._mac(host + 1), "netns", init]
        _ip("link", "add", cable, "type", "veth", *peer)
        _ip("link", "set", cable, "master", self._switch, "up")
        for line in (f"addr add {self.ip(host)}/24 dev eth0", "link set eth0 up"):
            _ip(*line.split(), inside=init)
        _ip("route", "add", "default", "via", self.gateway, inside=init)

    def prefix(self, host: int, folder: Path | None = None) -> list[str]:
        """Return what a command is run with to be on a host, in `folder` or in its HOME."""
        enter = ["nsenter", f"--target={self._init(host)}", "--net", "--pid", "--mount", "--uts"]
        home = self.home(host)
        named = [f"HOME={home}", "TMPDIR=/tmp", f"SIE_CACHE_DIR={home / 'cache'}"]
        return [*enter, f"--wd={folder or home}", "env", *named]

    def launch(
        self, host: int, argv: Sequence[object], env: Mapping[str, str] | None = None, **popen: Any
    ) -> subprocess.Popen[str]:
        """Start a command on a host, with `env` added to ours; standard streams as for Popen."""
        command = [*self.prefix(host), *map(str, argv)]
        told = {**os.environ, "RAY_AUTH_MODE": "token", **(env or {})}
        return subprocess.Popen(command, env=told, text=True, start_new_session=True, **popen)

    def run(
        self,
        host: int,
        argv: Sequence[object],
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host to its end; what it writes comes back as text."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self.launch(host, argv, env, **pipes)
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            kill(*reversed(family(process.pid)))
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def signal(self, process: subprocess.Popen[str], how: signal.Signals) -> None:
        """Send a signal to a command that `launch` has started (not to what entered the host)."""
        kill(*family(process.pid)[1:2], how=how)

    def cut(self, host: int) -> None:
        """Pull the network cable of a host."""
        _ip("link", "set", self._cable(host), "down")

    def heal(self, host: int) -> None:
        """Plug the network cable of a host in again."""
        _ip("link", "set", self._cable(host), "up")

    def pids(self, host: int) -> list[int]:
        """Return all processes that were started on a host, as numbered here."""
        init = self._init(host)
        space = Path(f"/proc/{init}/ns/pid").readlink()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                own = (folder / "ns" / "pid").readlink()
            except OSError:
                continue
            pid = int(folder.name)
            if own == space and pid != init and command_line(pid):
                found.append(pid)
        return sorted(found)

    def kill(self, host: int) -> None:
        """Switch a host off: every process of it ends at once; `boot` brings it back."""
        boot = self._boots.pop(host)
        kill(*family(boot.pid)[1:2])
        boot.kill()
        boot.wait(20)
        # the kernel would take it away with the network, some time later
        subprocess.run(["ip", "link", "del", self._cable(host)], capture_output=True, check=False)

    def remove(self) -> None:
        """Switch all hosts off and take the switch away."""
        for host in list(self._boots):
            self.kill(host)
        _ip("link", "del", self._switch)

    @property
    def _switch(self) -> str:
        return f"sie{self._id}"

    def _mac(self, number: int) -> str:
        return f"02:{self._id[:2]}:{self._id[2:4]}:00:00:{number:02x}"

    def _cable(self, host: int) -> str:
        return f"sie{self._id}-{host}"

    def _init(self, host: int) -> int:
        return family(self._boots[host].pid)[1]


def _ip(*words: str, inside: str | None = None) -> None:
    enter = ["nsenter", f"--target={inside}", "--net"] if inside else []
    ran = subprocess.run([*enter, "ip", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"ip {' '.join(words)}: {ran.stderr}"
