"""One process of this machine at a time compares in an experiment; the others wait.

So that two commands at once do not train the same twice: who waited finds all of it recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from sie.files import cache_dir
from sie.hashing import content_hash
from sie.tracking.recorder import Recorder

log = logging.getLogger(__name__)


@contextmanager
def claim(recorder: Recorder) -> Iterator[None]:
    """Hold the experiment of a recorder, after waiting for a process that holds it now.

    The lock is the system's, which lets go of it when its process dies. Processes of other
    machines are not kept away: they would train the same again, and both records are right.
    """
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    key = content_hash("comparison", recorder.store.uri, recorder.experiment_id)
    lock = FileLock(folder / f"comparison-{key}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning(
            "another command compares in the same experiment: waiting until it has ended, "
            "then going on from what it recorded"
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
