"""How busy this machine is: processor, memory, disk and network, under MLflow's own names.

Read from the system's counters (Linux: /proc; elsewhere the disk alone), so nothing is installed
for it. Of a Ray cluster it is the driver's machine, not the workers'.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

PREFIX = "system/"
"""MLflow shows metrics with it under "System metrics"."""

INTERVAL_S = 10.0
ENABLE_VARIABLE = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
INTERVAL_VARIABLE = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
_MEGABYTE = 1e6
_KIBIBYTE = 1024


def wanted() -> bool:
    """Return whether MLflow's own variable asks for system metrics."""
    return os.environ.get(ENABLE_VARIABLE, "").lower() in ("1", "true")


class Machine:
    """Reads the counters; the processor's share is that since the last look.

    Parameters
    ----------
    folder : Path
        On the disk that is looked at.
    proc : Path
        Where Linux shows its counters.
    """

    def __init__(self, folder: Path, proc: Path = Path("/proc")) -> None:
        self._folder, self._proc = folder, proc
        self._ticks = self._cpu()
        self._sent = self._network()

    def look(self) -> dict[str, float]:
        """Return the metrics of now; what the system does not tell is left out."""
        disk = shutil.disk_usage(self._folder)
        found = {
            "disk_usage_percentage": 100 * disk.used / disk.total,
            "disk_available_megabytes": disk.free / _MEGABYTE,
        }
        found |= self._processor() | self._memory()
        if self._sent is not None and (now := self._network()) is not None:
            found["network_receive_megabytes"] = (now[0] - self._sent[0]) / _MEGABYTE
            found["network_transmit_megabytes"] = (now[1] - self._sent[1]) / _MEGABYTE
        return {PREFIX + name: value for name, value in found.items()}

    def _processor(self) -> dict[str, float]:
        before, self._ticks = self._ticks, self._cpu()
        if before is None or self._ticks is None or self._ticks[0] == before[0]:
            return {}
        total, idle = (now - then for now, then in zip(self._ticks, before, strict=True))
        return {"cpu_utilization_percentage": 100 * (1 - idle / total)}

    def _memory(self) -> dict[str, float]:
        lines = (line.split() for line in self._read("meminfo"))
        kib = {parts[0]: int(parts[1]) for parts in lines if len(parts) > 1}
        if not {"MemTotal:", "MemAvailable:"} <= kib.keys():
            return {}
        used = kib["MemTotal:"] - kib["MemAvailable:"]
        return {
            "system_memory_usage_megabytes": used * _KIBIBYTE / _MEGABYTE,
            "system_memory_usage_percentage": 100 * used / kib["MemTotal:"],
        }

    def _cpu(self) -> tuple[int, int] | None:
        """Return all ticks so far, and those in which nothing was done."""
        for line in self._read("stat"):
            name, *ticks = line.split()
            if name == "cpu":
                # user nice system idle iowait irq softirq steal; guests are in user already
                counts = [int(tick) for tick in ticks[:8]]
                return sum(counts), counts[3] + counts[4]
        return None

    def _network(self) -> tuple[int, int] | None:
        """Return bytes received and sent by all interfaces but the machine's own loop."""
        received = sent = 0
        lines = self._read("net/dev")[2:]
        for line in lines:
            name, _, counters = line.partition(":")
            if name.strip() != "lo":
                received += int(counters.split()[0])
                sent += int(counters.split()[8])
        return (received, sent) if lines else None

    def _read(self, name: str) -> list[str]:
        try:
            return (self._proc / name).read_text().splitlines()
        except OSError:
            return []


class Watch:
    """Looks at the machine at regular times, in a thread of its own, until it is ended.

    Parameters
    ----------
    machine : Machine
        What is looked at.
    tell : callable
        Given what was seen.
    seconds : float, optional
        Between two looks; by default MLflow's variable, else 10.
    """

    def __init__(
        self,
        machine: Machine,
        tell: Callable[[Mapping[str, float]], None],
        seconds: float | None = None,
    ) -> None:
        self._machine, self._tell = machine, tell
        self._seconds = seconds or _interval()
        self._over = threading.Event()
        threading.Thread(target=self._run, name="machine", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._tell(self._machine.look())


def _interval() -> float:
    try:
        return max(float(os.environ.get(INTERVAL_VARIABLE, "")), 0.1)
    except ValueError:
        return INTERVAL_S
