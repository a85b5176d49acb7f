"""Programs that tests start: found with all their children, ended with all their children.

Which programs and with which options is the business of `services` and `hosts`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 120


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on at `address`."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        return listener.getsockname()[1]


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Return once `condition()` is true; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)


def command_line(pid: int) -> str:
    """Return the command line of a process; nothing when it has ended (zombies count as ended)."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def family(*roots: int) -> list[int]:
    """Return the given processes and everything below them, parents first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # the name in brackets may hold anything
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = list(roots)
    for pid in found:
        found += children.get(pid, [])
    return found


def marked(mark: str) -> list[int]:
    """Return the processes whose environment, when they were started, held ``NAME=value``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def kill(*pids: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to every process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


class Lasting:
    """Something that starts on entering a with block and is gone on leaving it."""

    def start(self) -> Self:
        """Start it, or start it again."""
        raise NotImplementedError

    def remove(self) -> None:
        """End it and remove its files."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Start; of what does not start as a whole nothing is left."""
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove."""
        self.remove()


class Service:
    """A program with a log, in a session of its own; ended with everything it has started.

    Attributes
    ----------
    log : Path
        What it and its children write to the terminal; kept over restarts.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the program that was started is still there."""
        return self._process is not None and self._process.poll() is None

    def launch(
        self,
        command: Sequence[object],
        ready: Callable[[], object],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start the program and wait until `ready()`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder or self.log.parent,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        name = str(command[0])
        try:
            wait_until(lambda: not self.running or ready(), f"{name} to answer")
            assert self.running, f"{name} ended at once"
        except AssertionError as error:
            self.kill()
            raise AssertionError(
                f"{error}: {self.log.read_text(errors='replace')[-2000:]}"
            ) from None

    def pids(self) -> list[int]:
        """Return the program and everything below it, parents first."""
        return family(self._process.pid) if self.running else []

    def kill(self) -> None:
        """Kill -9 everything at once, as a power cut would; no harm when it is not there."""
        while pids := [pid for pid in self.pids() if command_line(pid)]:
            kill(*pids, how=signal.SIGSTOP)
            kill(*pids)
            self._reap(10)
        self._reap(10)

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 20) -> None:
        """Ask the program to end, kill what is left after `seconds`."""
        pids = self.pids()
        if pids:
            kill(pids[0], how=how)
        self._reap(seconds)
        kill(*[pid for pid in pids if command_line(pid)])
        self.kill()

    def _reap(self, seconds: float) -> None:
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
