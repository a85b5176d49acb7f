"""Which process works on a run, where several machines share a store.

A sign of life on the run itself; processes of one machine tell each other apart by a lock instead.
"""

from __future__ import annotations

import logging
import os
import platform
import time
import uuid
from dataclasses import dataclass, field

from sie.tracking.queries import StoredRun, get_run
from sie.tracking.recorder import Recorder

log = logging.getLogger(__name__)

OWNER_TAG = "owner"
BEAT_TAG = "owner_beat"
SILENT_S = 90.0
"""A process that has given no sign for so long is dead: three beats."""

LOOK_S = 2.0


@dataclass(frozen=True)
class Owner:
    """A process, by default this one, as the owner of runs."""

    text: str = field(
        default_factory=lambda: f"{platform.node()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    )

    def beat(self, recorder: Recorder, run_id: str) -> None:
        """Give a sign of life."""
        recorder.log(run_id, tags={OWNER_TAG: self.text, BEAT_TAG: int(time.time() * 1000)})


def owner_elsewhere(run: StoredRun) -> str:
    """Return which other machine's process owns a run that is under way; empty for none."""
    owner = run.tags.get(OWNER_TAG, "")
    ours = owner.partition("/")[0] in ("", platform.node())
    return "" if ours or run.status != "RUNNING" else owner


def is_alive(recorder: Recorder, run: StoredRun, silent_s: float = SILENT_S) -> bool:
    """Watch a run until its owner gives a sign, or has been silent for so many seconds.

    Looks for a change only: the clocks of two machines need not agree.
    """
    log.warning(
        "%s is at run %s, or has died there: watching it for up to %g s",
        owner_elsewhere(run), run.run_id[:8], silent_s,
    )  # fmt: skip
    end = time.monotonic() + silent_s
    while time.monotonic() < end:
        time.sleep(min(LOOK_S, silent_s))
        now = get_run(recorder.store, run.run_id)
        if now.tags.get(BEAT_TAG) != run.tags.get(BEAT_TAG):
            return True
    return False
