"""Processes that order one crystal after another and can be killed when one takes too long.

A killed process is replaced; what becomes of the results is decided by the caller.
"""

from __future__ import annotations

import importlib
import logging
import math
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Generator, Mapping
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from sie.errors import SieError
from sie.structures.ordering import OrderedResult, OrderingLimits, Outcome, order_structure

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

START_SECONDS = 300.0
"""What a process may take to import pymatgen, on a machine that is busy."""

ORPHAN_SECONDS = 10.0
"""Grace after which a process ends itself, should nobody be left to kill it."""

DETAIL_LENGTH = 120
READY = None


def order_each(
    structures: Mapping[str, Structure], limits: OrderingLimits, processes: int
) -> Generator[tuple[str, OrderedResult]]:
    """Order crystals in processes of their own and yield each result as it comes.

    A crystal that is not done within `limits.seconds` is cut off with its process. All processes
    are killed when the generator is closed, by Ctrl-C too.

    Parameters
    ----------
    structures : Mapping[str, Structure]
        Crystals with oxidation states, by any key.
    processes : int
        How many are worked on at once.

    Raises
    ------
    SieError
        When a process does not even start.
    """
    waiting = deque(structures.items())
    workers = [_Worker(limits) for _ in range(min(processes, len(waiting)))]
    try:
        while workers:
            for worker in _stirring(workers):
                if (ended := worker.take()) is not None:
                    yield ended
                if worker.usable and waiting:
                    worker.give(*waiting.popleft())
                    continue
                worker.stop()
                workers.remove(worker)
                if waiting:
                    workers.append(_Worker(limits))
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """The parent's side of one process: what it works on and until when it may."""

    def __init__(self, limits: OrderingLimits) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, limits), daemon=True
        )
        self.process.start()
        theirs.close()
        self._seconds = limits.seconds
        self._key: str | None = None
        self._began = time.monotonic()
        self.deadline = self._began + START_SECONDS
        self.usable = False
        """Whether it waits for a crystal; otherwise, once `take` was called, it is of no use."""

    def give(self, key: str, structure: Structure) -> None:
        """Send a crystal; the clock starts."""
        self._key, self.usable = key, False
        self._began = time.monotonic()
        self.deadline = self._began + self._seconds
        try:
            self.connection.send(structure)
        except BrokenPipeError:  # it has died meanwhile, which `take` will see
            logger.debug("ordering process %s is gone", self.process.pid)

    def take(self) -> tuple[str, OrderedResult] | None:
        """Receive what the process has sent, or cut it off; None when it has only started."""
        seconds = time.monotonic() - self._began
        try:
            if self.connection.poll():
                result = self.connection.recv()
                self.usable = True
            else:
                result = OrderedResult(Outcome.TIMED_OUT, seconds=seconds)
        except (EOFError, ConnectionResetError):
            self.process.join()
            result = OrderedResult(Outcome.CRASHED, seconds=seconds, detail=self._ending())
        key, self._key = self._key, None
        if key is None and result is not READY:
            raise SieError(
                f"an ordering process did not start ({result.outcome} {result.detail}); free "
                "memory, and start from a script file that guards its main part"
            )
        return None if key is None else (key, result)

    def stop(self) -> None:
        """Kill the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _ending(self) -> str:
        code = self.process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _stirring(workers: list[_Worker]) -> list[_Worker]:
    """Wait until processes have sent something or run out of time, and return those."""
    patience = max(0.0, min(worker.deadline for worker in workers) - time.monotonic())
    ready = connection.wait([worker.connection for worker in workers], patience)
    now = time.monotonic()
    return [w for w in workers if w.connection in ready or w.deadline <= now]


def _serve(parent: Connection, limits: OrderingLimits) -> None:
    """Order what comes through the pipe until the parent is gone; runs in the child."""
    for heavy in ("pymatgen.transformations.standard_transformations", "spglib"):
        importlib.import_module(heavy)  # before a crystal's clock runs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this
    _limit_memory(limits.memory_gb)
    parent.send(READY)
    while True:
        try:
            structure = parent.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, limits.seconds + ORPHAN_SECONDS)
        result = _guarded(structure, limits)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        parent.send(result)


def _guarded(structure: Structure, limits: OrderingLimits) -> OrderedResult:
    began = time.perf_counter()
    try:
        return order_structure(structure, limits)
    except MemoryError:
        outcome, detail = Outcome.OUT_OF_MEMORY, f"{limits.memory_gb:g} GB"
    except Exception as error:  # noqa: BLE001 - one crystal's failure is a record, not a crash
        lines = str(error).splitlines() or [""]
        outcome = Outcome.FAILED
        detail = f"{type(error).__name__}: {lines[0]}"[:DETAIL_LENGTH]
    return OrderedResult(outcome, seconds=time.perf_counter() - began, detail=detail)


def _limit_memory(allowed_gb: float) -> None:
    """Limit the address space to what it is now and the given amount; on Linux only."""
    import resource

    status = Path("/proc/self/statm")
    if not status.is_file():
        return
    pages = int(status.read_text().split()[0])
    limit = pages * resource.getpagesize() + math.ceil(allowed_gb * 1e9)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
