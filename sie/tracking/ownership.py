"""Which process works on a run, where several machines or folders share a store.

A sign of life on the run itself; processes that share a folder tell each other apart by a lock.
"""

from __future__ import annotations

import logging
import os
import platform
import time
import uuid
from pathlib import Path

from sie.errors import InputError, SieError, TrackingError
from sie.tracking.queries import StoredRun, get_run
from sie.tracking.recorder import Recorder

log = logging.getLogger(__name__)

OWNER_TAG = "owner"
BEAT_TAG = "owner_beat"
BEAT_S = 30.0
"""Between two signs of life."""

SILENT_S = 90.0
"""A process that has given no sign for so long is dead: three beats."""

LOOK_S = 2.0


class TakenOver(SieError):
    """Another process works on the run now, or it was deleted: this one must write no more."""


class Owner:
    """A process, by default this one, as the owner of runs.

    Parameters
    ----------
    folder : Path
        Where its locks are; only processes with the same folder see them.
    text : str
        How it is called on the run; by default machine, process, chance and folder.
    """

    def __init__(self, folder: Path, text: str = "") -> None:
        chance = uuid.uuid4().hex[:8]
        self.text = text or f"{platform.node()}/{os.getpid()}/{chance}/{_place(folder)}"
        self._last = _now()

    def sign(self) -> dict[str, object]:
        """Return the tags of a claim, and of a sign of life."""
        return {OWNER_TAG: self.text, BEAT_TAG: int(time.time() * 1000)}

    def claim(self, recorder: Recorder, run_id: str) -> None:
        """Make the run this process's own."""
        recorder.log(run_id, tags=self.sign())
        self._last = _now()

    def holds(self, recorder: Recorder, run_id: str) -> bool:
        """Return whether a claim has lasted: of two at the same moment the later one does."""
        time.sleep(LOOK_S)
        return self._owner_of(recorder, run_id) == self.text

    def beat(self, recorder: Recorder, run_id: str) -> None:
        """Give a sign of life.

        Raises
        ------
        TakenOver
            When another process has claimed the run since: this one was taken for dead. When the
            run takes nothing any more.
        """
        if (other := self._owner_of(recorder, run_id)) != self.text:
            raise TakenOver(
                f"{other or 'another process'} has taken over run {run_id[:8]}, because this one "
                f"gave no sign for {SILENT_S:g} s; it goes on there, nothing that ended is lost"
            )
        try:
            self.claim(recorder, run_id)
        except TrackingError as error:
            if not error.refused:
                raise
            raise TakenOver(
                f"{error}; restore run {run_id} in MLflow, then the same command goes on"
            ) from error

    def beat_when_due(self, recorder: Recorder, run_id: str) -> None:
        """Give a sign of life unless the last one is recent; `beat` says what it raises."""
        if max(now - last for now, last in zip(_now(), self._last, strict=True)) >= BEAT_S:
            self.beat(recorder, run_id)

    def _owner_of(self, recorder: Recorder, run_id: str) -> str:
        try:
            return get_run(recorder.store, run_id).tags.get(OWNER_TAG, "")
        except InputError as error:
            # a database that is being replaced may not know it for a while
            raise TrackingError(str(error)) from error


def owner_elsewhere(run: StoredRun, folder: Path) -> str:
    """Return who owns a run under way without seeing the locks in `folder`; empty for none."""
    owner = run.tags.get(OWNER_TAG, "")
    machine, _, rest = owner.partition("/")
    ours = machine == platform.node() and rest.rpartition("/")[2] == _place(folder)
    return "" if not owner or ours or run.status != "RUNNING" else owner


def is_alive(recorder: Recorder, run: StoredRun, silent_s: float = SILENT_S) -> bool:
    """Watch a run until its owner gives a sign, or has been silent for so many seconds.

    Looks for a change only: the clocks of two machines need not agree.
    """
    log.warning(
        "%s is at run %s, or has died there: watching it for up to %g s",
        run.tags.get(OWNER_TAG, "another process"), run.run_id[:8], silent_s,
    )  # fmt: skip
    end = time.monotonic() + silent_s
    while time.monotonic() < end:
        time.sleep(min(LOOK_S, silent_s))
        now = get_run(recorder.store, run.run_id)
        if now.tags.get(BEAT_TAG) != run.tags.get(BEAT_TAG):
            return True
    return False


def _now() -> tuple[float, float]:
    """Return two clocks: the first one never jumps, the second goes on while a machine sleeps."""
    return time.monotonic(), time.time()


def _place(folder: Path) -> str:
    """Return what tells a folder from another one of the same machine."""
    folder.mkdir(parents=True, exist_ok=True)
    found = folder.stat()
    return f"{found.st_dev:x}-{found.st_ino:x}"
