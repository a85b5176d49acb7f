"""One of several processes that log at once; run as a script.

Usage: logging_process.py NUMBER GATE URI [URI ...]. Waits for the file GATE, then writes `RUNS`
runs into every store, each with eight curves of `EPOCHS` values that tell who wrote them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store
from sie.training.record import METRICS, TrialStatus

EXPERIMENT, RUNS, EPOCHS = "crowd", 3, 60


def curve(process: int, run: int, metric: int) -> np.ndarray:
    """Return a curve that no other process, run or metric has."""
    return process + run / 10 + metric / 1000 + np.arange(EPOCHS) * 1e-6


def write(process: int, uri: str) -> None:
    """Write all runs of a process into one store."""
    recorder = Recorder(open_store(uri, Path("unused")), EXPERIMENT)
    for run in range(RUNS):
        key = f"process-{process}-run-{run}"
        run_id = recorder.open_run(key, key, {"process": process}, {"run": run})
        curves = {name: curve(process, run, i) for i, name in enumerate(METRICS)}
        recorder.save_text(run_id, key, "who.txt")
        recorder.close_run(run_id, TrialStatus.COMPLETED, curves=curves)


def main(process: int, gate: Path, uris: list[str]) -> None:
    """Wait for the gate, then write."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not gate.exists():
        time.sleep(0.02)
    for uri in uris:
        write(process, uri)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
