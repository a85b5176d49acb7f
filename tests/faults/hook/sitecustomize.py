"""Runs in every Python process of a drill: a witness in the driver, faulty trials in the workers.

Python imports this by itself from PYTHONPATH. It does nothing unless SIE_DRILL names a plan, and
changes sie's classes only once sie itself has imported them; nothing in sie knows of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.machinery
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

PLAN: dict[str, Any] = {}
MEGABYTE = 2**20


def _witness(module: ModuleType) -> None:
    """Note every trial that the record has taken over: from then on it must not be lost."""
    record, original = module.SearchRecord, module.SearchRecord.trial_ended

    def trial_ended(self: Any, ended: Any) -> None:
        original(self, ended)
        result = ended.result
        line = {
            "key": ended.task.key,
            "status": str(result.status),
            "reason": result.reason,
            "seconds_training": result.seconds_training,
            "epochs": result.n_epochs,
            "config_hash": ended.task.config.hash,
            "pid": os.getpid(),
            "time": time.time(),
        }
        file = os.open(PLAN["witness"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, (json.dumps(line) + "\n").encode())
        finally:
            os.close(file)

    record.trial_ended = trial_ended


def _small_batches(module: ModuleType) -> None:
    """Let the record of a short trial take as many calls as that of a long one."""
    if not isinstance(getattr(module, "BATCH", None), int):
        raise AttributeError("sie.tracking.recorder has no BATCH: the drill must be adapted")
    module.BATCH = PLAN["batch"]


def _cut(module: ModuleType) -> None:
    """End the driver amid the record of some trials, once for each over all starts of the search.

    After the first batch with a point of one of its curves, or, where none is named, before MLflow
    is told that the run has ended.
    """
    client = module.MlflowClient
    log_batch, set_terminated = client.log_batch, client.set_terminated

    def die_if_due(self: Any, run_id: str, metrics: set[str]) -> None:
        for cut in PLAN["cuts"]:
            due = cut["metric"] in metrics and not Path(cut["mark"]).exists()
            if due and self.get_run(run_id).data.tags.get("sie.key") == cut["key"]:
                _die(cut)

    def log_batch_and_die(self: Any, run_id: str, *args: Any, **kwargs: Any) -> Any:
        answer = log_batch(self, run_id, *args, **kwargs)
        points = kwargs.get("metrics") or (args[0] if args else ())
        die_if_due(self, run_id, {point.key for point in points})
        return answer

    def die_or_terminate(self: Any, run_id: str, *args: Any, **kwargs: Any) -> Any:
        die_if_due(self, run_id, {""})
        return set_terminated(self, run_id, *args, **kwargs)

    client.log_batch, client.set_terminated = log_batch_and_die, die_or_terminate


def _die(cut: dict[str, Any]) -> None:
    # the record is written by another thread: the witness may be a moment behind
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and f'"{cut["key"]}"' not in _witnessed():
        time.sleep(0.01)
    Path(cut["mark"]).touch()
    os.kill(os.getpid(), signal.SIGKILL)


def _witnessed() -> str:
    with contextlib.suppress(OSError):
        return Path(PLAN["witness"]).read_text(encoding="utf-8")
    return ""


def _faulty(module: ModuleType) -> None:
    """Let trials take their time, and those of the given seeds go wrong."""
    trainer, original = module.Trainer, module.Trainer.run_epochs

    def run_epochs(self: Any, n: int) -> Any:
        time.sleep(PLAN["pace"])
        if self.seed in PLAN["seeds"]:
            FAULTS[PLAN["fault"]](self)
        return original(self, n)

    trainer.run_epochs = run_epochs


def _raise(trainer: Any) -> None:
    raise RuntimeError("the drill raises in a trial")


def _raise_memory(trainer: Any) -> None:
    raise MemoryError("the drill finds no memory")


def _hang(trainer: Any) -> None:
    # PyDLL keeps the interpreter's lock, as native code that hangs does: no thread can run
    ctypes.PyDLL(None).sleep(3600)


def _nan(trainer: Any) -> None:
    trainer.set_weights({name: values * float("nan") for name, values in trainer.weights().items()})


def _eat(trainer: Any) -> None:
    eaten = []
    for _ in range(PLAN["megabytes"] // 128):
        eaten.append(bytearray(os.urandom(1) * (128 * MEGABYTE)))
        time.sleep(0.05)
    time.sleep(60)


FAULTS: dict[str, Callable[[Any], None]] = {
    "raise": _raise,
    "memory-error": _raise_memory,
    "hang": _hang,
    "nan": _nan,
    "eat": _eat,
}


class _AfterImport:
    """Finder that lets a function change a module right after it was imported."""

    def __init__(self, changes: dict[str, Callable[[ModuleType], None]]) -> None:
        self._changes = changes

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        change = self._changes.get(name)
        if change is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            change(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _install() -> None:
    with contextlib.suppress(OSError, ValueError):
        PLAN.update(json.loads(Path(os.environ["SIE_DRILL"]).read_text(encoding="utf-8")))
    if PLAN:
        changes = {"sie.search.recording": _witness, "sie.training.trainer": _faulty}
        if PLAN.get("cuts"):
            changes |= {"sie.tracking.recorder": _small_batches, "mlflow.tracking.client": _cut}
        sys.meta_path.insert(0, _AfterImport(changes))


if "SIE_DRILL" in os.environ:
    _install()
