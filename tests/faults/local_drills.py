"""Drills on one machine: driver, workers, Ctrl-C, faulty trials, a full disk.

Each breaks one search once or more and returns what became of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.counting import Count, count
from faults.lab import Lab
from faults.searches import TRIALS, Search, Start, pick_numbers
from processes import kill

from sie.search.selection import OBJECTIVE
from sie.training.record import METRICS

GIGABYTE = 2**30
STOPPED = re.compile(
    r"^[\d.]+ s wall time \(search .*^results: MLflow experiment .*"
    r"^stopped; what had ended is recorded: the same command goes on from there$",
    re.MULTILINE | re.DOTALL,
)
"""What a search that was stopped says at its end."""

TRACE_SIGNS = ("Traceback (most recent call last)", "(raylet)", "(pid=", "Fatal Python error")
"""What a user must never see: Python's tracebacks, and Ray's own lines."""


@dataclass(frozen=True)
class Result:
    """One search that was broken, and what is left of it.

    Attributes
    ----------
    count : Count
        Its trials.
    faults : int
        How often something was broken.
    wall, calm : float
        Seconds of all starts; of the same search undisturbed.
    starts : tuple of Start
        All starts of the command.
    remarks : tuple of str
        What was not as it should be, besides lost and doubled trials.
    """

    count: Count
    faults: int
    wall: float
    calm: float
    starts: tuple[Start, ...]
    remarks: tuple[str, ...] = ()

    @property
    def tracebacks(self) -> int:
        """How many starts showed a traceback, or lines that are Ray's."""
        return sum(any(sign in start.said for sign in TRACE_SIGNS) for start in self.starts)


def conclude(search: Search, calm: float, faults: int = 1, remarks: Sequence[str] = ()) -> Result:
    """Let a broken search come to its end, with the same command where needed, and count."""
    search.run_to_the_end()
    remarks = list(remarks)
    remarks += [f"start {s.number + 1} hung" for s in search.starts if s.hung]
    if search.starts[-1].code != 0 and not search.over:
        remarks.append(f"the last start ended with {search.starts[-1].code}")
    return Result(count(search), faults, search.wall, calm, tuple(search.starts), tuple(remarks))


@contextlib.contextmanager
def cleared(search: Search) -> Iterator[Search]:
    """Start a search, and leave none of its processes behind."""
    try:
        search.start()
        yield search
    finally:
        search.clear()


def after_some_trials(search: Search, draw: random.Random, most: int = TRIALS // 2) -> None:
    """Wait for a moment drawn at random, in the middle of the search."""
    n = draw.randint(1, most)
    assert search.wait_for_ends(n), f"no {n} trials ended: {search.starts[-1].said[-2000:]}"
    time.sleep(draw.random())


def kill_driver(lab: Lab, draw: random.Random, kills: int = 1) -> Result:
    """Kill -9 the driver at random moments from the first second on; the same command each time."""
    calm = lab.calm("local")
    search = lab.search("driver-kill")
    killed = 0
    with cleared(search):
        for _ in range(kills):
            time.sleep(draw.uniform(0.1, 0.95) * calm)
            if not search.kill_driver():
                break
            killed += 1
            if search.over:
                break
            search.start()
        return conclude(search, calm, killed)


def kill_driver_often(lab: Lab, draw: random.Random) -> Result:
    """Kill -9 the driver up to four times in one search."""
    return kill_driver(lab, draw, 4)


def kill_driver_writing(
    lab: Lab, draw: random.Random, metrics: Sequence[str] = (OBJECTIVE,)
) -> Result:
    """Kill -9 the driver between two batches of a trial's metrics; the same command each time.

    Parameters
    ----------
    metrics : sequence of str
        For every kill, of another trial each: the curve that has been begun. Not the last one,
        which may end with the batch. Empty: all is written, but the run is not yet closed.
    """
    calm = lab.calm("local")
    keys = [f"trial-{number:04d}" for number in pick_numbers(draw, len(metrics))]
    search = lab.search("driver-kill-writing", cuts=dict(zip(keys, metrics, strict=True)))
    killed = 0
    with cleared(search):
        while killed < len(keys) and search.starts[-1].wait() == -signal.SIGKILL:
            killed += 1
            search.start()
        marks = len(list(search.folder.glob("killed-*")))
        missing = f"the driver was killed {killed} times amid {marks} trials, not {len(keys)}"
        remarks = [] if killed == marks == len(keys) else [missing]
        return conclude(search, calm, max(killed, 1), remarks)


def kill_driver_writing_often(lab: Lab, draw: random.Random) -> Result:
    """Kill -9 the driver before, in and after the curve that trials are ranked by."""
    before, after = METRICS[0], METRICS[-2]
    return kill_driver_writing(lab, draw, draw.sample((before, OBJECTIVE, after), 3))


def kill_driver_closing(lab: Lab, draw: random.Random) -> Result:
    """Kill -9 the driver when a trial is written, but its run is not said to have ended."""
    return kill_driver_writing(lab, draw, ("",))


def kill_worker(lab: Lab, draw: random.Random) -> Result:
    """Kill -9 the process of a trial."""
    calm = lab.calm("local")
    with cleared(lab.search("worker-kill")) as search:
        after_some_trials(search, draw)
        workers = search.workers()
        kill(draw.choice(workers))
        return conclude(search, calm, remarks=one_start_wanted(search))


def one_start_wanted(search: Search) -> list[str]:
    """Return a remark unless the search under way comes to its end by itself."""
    code = search.starts[-1].wait()
    return [] if code == 0 else [f"the search did not go on by itself (exit code {code})"]


def ctrl_c(lab: Lab, draw: random.Random, times: int = 1) -> Result:
    """Press Ctrl-C once, or twice within two seconds; then the same command again."""
    calm = lab.calm("local")
    name = "ctrl-c" if times == 1 else "ctrl-c-twice"
    with cleared(lab.search(name)) as search:
        after_some_trials(search, draw)
        for press in range(times):
            if press:
                time.sleep(draw.uniform(0.3, 2.0))
            search.interrupt()
        began = time.monotonic()
        start = search.starts[-1]
        code = start.wait(120)
        seconds = time.monotonic() - began
        remarks = [] if code == 130 else [f"exit code {code} after Ctrl-C, not 130"]
        if times == 1 and not STOPPED.search(start.said):
            remarks.append("no summary after Ctrl-C")
        if times > 1 and seconds > 10:
            remarks.append(f"it took {seconds:.0f} s to end after the second Ctrl-C")
        return conclude(search, calm, remarks=remarks)


def ctrl_c_twice(lab: Lab, draw: random.Random) -> Result:
    """Press Ctrl-C twice; then the same command again."""
    return ctrl_c(lab, draw, 2)


def faulty_trial(
    lab: Lab,
    draw: random.Random,
    fault: str,
    status: str,
    word: str,
    options: Sequence[object] = (),
    env: dict[str, str] | None = None,
    megabytes: int = 0,
) -> Result:
    """Let one trial go wrong; it must end with a status and a reason, and the others go on.

    `word`, in lower case, must be in the reason that MLflow holds.
    """
    if not word:
        raise ValueError("every reason holds an empty word")
    calm = lab.calm("local")
    numbers = pick_numbers(draw)
    search = lab.search(
        f"trial-{fault}",
        options=options, env=env, fault=fault, numbers=numbers, megabytes=megabytes,
    )  # fmt: skip
    with cleared(search):
        remarks = one_start_wanted(search)
        result = conclude(search, calm, remarks=remarks)
    keys = [f"trial-{number:04d}" for number in numbers]
    wrong = [text for key in keys if (text := wrong_end(result.count, key, status, word))]
    return Result(result.count, 1, result.wall, calm, result.starts, (*result.remarks, *wrong))


def wrong_end(count: Count, key: str, status: str, word: str) -> str:
    """Return what is wrong with how a trial is recorded to have ended, or nothing."""
    was, reason = count.statuses.get(key, "missing"), count.reasons.get(key, "")
    if was == status and word in reason.lower():
        return ""
    return f"{key} is {was} ({reason!r}), not {status} with {word!r}"


def raising_trial(lab: Lab, draw: random.Random) -> Result:
    """Let a trial raise an exception."""
    return faulty_trial(lab, draw, "raise", "failed", "the drill raises")


def nan_trial(lab: Lab, draw: random.Random) -> Result:
    """Let a trial's weights become NaN."""
    return faulty_trial(lab, draw, "nan", "diverged", "not finite")


def hanging_trial(lab: Lab, draw: random.Random) -> Result:
    """Let a trial hang in native code that holds the interpreter's lock."""
    options = ("--trial-time-limit-s", 10)
    return faulty_trial(lab, draw, "hang", "timed_out", "hung", options)


def out_of_memory_trial(lab: Lab, draw: random.Random) -> Result:
    """Let a trial raise MemoryError."""
    return faulty_trial(lab, draw, "memory-error", "failed", "memory")


def eating_trial(lab: Lab, draw: random.Random) -> Result:
    """Let a trial eat memory until Ray's monitor kills its worker.

    The monitor's limit is set to what is in use and 4 GB, so that the machine stays well.
    """
    free, total = _memory("MemAvailable"), _memory("MemTotal")
    if free < 9 * GIGABYTE:
        pytest.skip("less than 9 GB of memory are free")
    limit = (total - free + 4 * GIGABYTE) / total
    env = {"RAY_memory_usage_threshold": f"{limit:.4f}", "RAY_memory_monitor_refresh_ms": "100"}
    return faulty_trial(lab, draw, "eat", "failed", "memory", env=env, megabytes=7 * 1024)


def _memory(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def full_disk(lab: Lab, draw: random.Random, seconds: float = 20) -> Result:
    """Fill the disk under mlruns/ and free it later."""
    calm = lab.calm("local")
    search = lab.search("disk-full")
    with _small_disk(search.folder / "mlruns") as disk, cleared(search):
        after_some_trials(search, draw)
        _fill(disk / "filler")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and search.starts[-1].code is None:
            time.sleep(0.2)
        (disk / "filler").unlink()
        # its record is on the small disk, so count before that goes
        return conclude(search, calm, remarks=one_start_wanted(search))


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Put a file system of 16 MB over a folder, with what lies there; skip where not allowed."""
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here: {error}")
    try:
        for name, data in content.items():
            (folder / name).write_bytes(data)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), bytes(size))
