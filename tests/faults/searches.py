"""The small search of the drills as a user starts it, and what it leaves behind.

Breaking it is the business of the drills, counting its trials that of `counting`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hosts import Hosts
from processes import command_line, family, kill, marked

from sie.search.record import Phase
from sie.search.seeds import derive_seed
from sie.tracking.queries import StoredRun, search
from sie.tracking.store import Store, open_store

REPOSITORY = Path(__file__).resolve().parents[2]
HOOK = Path(__file__).resolve().parent / "hook"
SCRIPT = REPOSITORY / "experiments" / "loco_search.py"
SEED = 42
TRIALS, TOP, REPEATS = 10, 1, 1
EXPERIMENT = "loco/starter/CAMNS-V1"
SHOWN = "winner of cluster 0"
PLANNED = TRIALS + TOP * REPEATS
SMALL = (
    "--cluster", 0, "--search-space", "quick", "--trials", TRIALS, "--top", TOP,
    "--repeats", REPEATS, "--max-epochs", 30, "--grace-epochs", 10, "--max-concurrent", 2,
    "--seed", SEED,
)  # fmt: skip
PACE = 0.6
"""Seconds that a trial waits before each chunk of epochs, so that faults meet trials under way."""

BATCH = 5
"""Metrics in one call where the driver is killed between two: a short trial has less than 1000."""

PATIENCE = 600.0
"""Seconds after which a search that does not end counts as hanging."""


@dataclass
class Start:
    """One start of the command: its process and what it wrote to the terminal."""

    process: subprocess.Popen[Any]
    folder: Path
    number: int
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    hung: bool = False

    @property
    def code(self) -> int | None:
        """Exit code; negative for a signal, None while it runs."""
        return self.process.poll()

    @property
    def said(self) -> str:
        """Everything on the terminal."""
        names = (f"out-{self.number}.txt", f"err-{self.number}.txt")
        return "\n".join((self.folder / n).read_text(errors="replace") for n in names)

    @property
    def errors(self) -> str:
        """What it wrote to the standard error."""
        return (self.folder / f"err-{self.number}.txt").read_text(errors="replace")

    @property
    def seconds(self) -> float:
        """Wall time of this start."""
        return (self.ended or time.monotonic()) - self.began

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for the end; one that hangs is killed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.hung = True
            kill(*family(self.process.pid))
            self.process.wait(20)
        self.ended = self.ended or time.monotonic()
        return self.process.returncode


class Search:
    """A search in a folder of its own; `start` again is the user's same command again.

    Parameters
    ----------
    folder : Path
        Where it is started; its record is in ``mlruns/`` unless a server keeps it.
    cache : Path
        Features that searches share.
    options : sequence
        Added to `SMALL`.
    env : Mapping
        Added to the environment.
    fault, numbers : str, sequence of int
        What the hook does to which trials of the search phase.
    tracking_uri : str, optional
        A server that keeps the record.
    host : tuple of (Hosts, int), optional
        Where the driver runs instead of here.
    megabytes : int
        What a trial eats.
    cuts : Mapping
        Trials amid whose record the hook kills the driver, by key: after the first batch of this
        curve, or, for an empty name, before the run is said to have ended.
    """

    def __init__(
        self,
        folder: Path,
        cache: Path,
        options: Sequence[object] = (),
        env: Mapping[str, str] | None = None,
        fault: str = "",
        numbers: Sequence[int] = (),
        tracking_uri: str | None = None,
        host: tuple[Hosts, int] | None = None,
        megabytes: int = 0,
        cuts: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._host, self._uri = folder, host, tracking_uri
        self.starts: list[Start] = []
        self.numbers = tuple(numbers)
        server = ("--tracking-uri", tracking_uri) if tracking_uri else ()
        self.command = [sys.executable, SCRIPT, *SMALL, "--name", folder.name, *server, *options]
        self.witness = folder / "witness.jsonl"
        plan = {
            "witness": str(self.witness),
            "pace": PACE,
            "fault": fault,
            "seeds": [derive_seed(SEED, Phase.SEARCH, number) for number in numbers],
            "megabytes": megabytes,
            "batch": BATCH,
            "cuts": [
                {"key": key, "metric": metric, "mark": str(folder / f"killed-{key}")}
                for key, metric in (cuts or {}).items()
            ],
        }
        (folder / "drill.json").write_text(json.dumps(plan))
        self.env = {
            **hooked_environment(folder / "drill.json"),
            "SIE_CACHE_DIR": str(cache),
            "SIE_DRILL_OF": str(folder),
            "COLUMNS": "200",
            **(env or {}),
        }

    def start(self) -> Start:
        """Run the command in the background."""
        number = len(self.starts)
        command = [str(part) for part in self.command]
        with (
            (self.folder / f"out-{number}.txt").open("wb") as out,
            (self.folder / f"err-{number}.txt").open("wb") as err,
        ):
            streams = {"stdout": out, "stderr": err, "stdin": subprocess.DEVNULL}
            if self._host is not None:
                hosts, host = self._host
                process = hosts.launch(host, command, self.env, **streams)
            else:
                process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env={**os.environ, **self.env},
                    start_new_session=True,
                    **streams,
                )
        self.starts.append(Start(process, self.folder, number))
        return self.starts[-1]

    @property
    def over(self) -> bool:
        """Whether the result has been shown and recorded: after that nobody starts it again.

        A driver that is killed while it tidies up may have come so far.
        """
        if self.starts[-1].code is None or SHOWN not in self.starts[-1].said:
            return False
        return [parent.status for parent in self.parents()] == ["FINISHED"]

    def parents(self) -> list[StoredRun]:
        """Return the runs of the search itself; there should be one."""
        store = self.store()
        query = f"tags.phase = 'cluster-search' and tags.search_name = '{self.folder.name}'"
        return search(store, [store.experiment(EXPERIMENT)], query)

    def run_to_the_end(self, more_starts: int = 3) -> None:
        """Wait for the search under way; where it gave up, give the same command again."""
        if self.over:
            return
        if self.starts[-1].code not in (None, 0):
            self.start()
        while self.starts[-1].wait() != 0 and more_starts:
            more_starts -= 1
            self.start()

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal sends it to the whole group in the foreground."""
        os.killpg(self.starts[-1].process.pid, signal.SIGINT)

    def kill_driver(self) -> bool:
        """Kill -9 the driver alone; False when it had ended before."""
        start = self.starts[-1]
        if start.code is not None:
            return False
        kill(start.process.pid)
        start.wait(20)
        return start.code == -signal.SIGKILL

    def workers(self) -> list[int]:
        """Return the trial workers of a search on this machine."""
        below = family(self.starts[-1].process.pid)
        return [pid for pid in below if "Trainable" in command_line(pid)]

    def ends(self) -> list[dict[str, Any]]:
        """Return the trials that the record had taken over, in order, from the witness."""
        if not self.witness.exists():
            return []
        return [json.loads(line) for line in self.witness.read_text().splitlines()]

    def wait_for_ends(self, n: int, seconds: float = PATIENCE) -> bool:
        """Wait until n trials have ended in all; False when the search ended before."""
        deadline = time.monotonic() + seconds
        while len(self.ends()) < n and time.monotonic() < deadline:
            if self.starts[-1].code is not None:
                return False
            time.sleep(0.1)
        return len(self.ends()) >= n

    @property
    def wall(self) -> float:
        """Wall time of all starts, in seconds."""
        return sum(start.seconds for start in self.starts)

    def store(self) -> Store:
        """Return the store that holds the record."""
        return open_store(self._uri, self.folder / "mlruns")

    def clear(self) -> None:
        """Kill what is left of it: a driver that was killed leaves nobody to tidy up."""
        for start in self.starts:
            if start.code is None:
                kill(*family(start.process.pid))
        kill(*marked(f"SIE_DRILL_OF={self.folder}"))


def hooked_environment(plan: Path) -> dict[str, str]:
    """Return what makes Python processes take the hook, and sie from this checkout."""
    inherited = os.environ.get("PYTHONPATH", "")
    own = [str(HOOK), str(REPOSITORY)]
    rest = [part for part in inherited.split(os.pathsep) if part and part not in own]
    path = os.pathsep.join([*own, *rest])
    # workers as eager as other programs, on a busy machine too
    return {"PYTHONPATH": path, "SIE_DRILL": str(plan), "RAY_worker_niceness": "0"}


def pick_numbers(draw: random.Random, n: int = 1) -> list[int]:
    """Return the numbers of trials that a drill makes faulty."""
    return sorted(draw.sample(range(1, TRIALS - 2), n))
