"""Trials whose worker is lost or says nothing any more: started again, or given up with a reason.

Only what happens outside a trial's own Python code; what a trial itself reports is collected by
`sie.search.collect`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import Callback

from sie.training.record import TrialStatus

log = logging.getLogger(__name__)

MAX_LOST_WORKERS = 2
"""How often a trial is started again because its worker was lost."""

MAX_LOST_NODES = 10
"""How often more, where the worker went down with its node: that is not the trial's doing."""

STARTING_S = 60.0
"""What a trial may take beyond its limit before its first report: building and tracing."""

GRACE_S = 20.0
"""What it may take beyond its limit later: the worker itself looks after every chunk."""

SILENT_S = 1800.0
"""How long a trial without a limit may be silent; a chunk takes seconds."""

_LONGEST_STEP_S = 5.0
_MEMORY = "Ray ended it because its node ran out of memory"
_NODE = "its node died"


@dataclass
class _Clock:
    """Since when a trial has said nothing, and what it has trained before; in seconds."""

    silent_since: float
    trained: float = 0.0
    reported: bool = False


class Losses(Callback):
    """Ray callback that ends trials which hang, and says why a trial's worker was lost.

    A trial that hangs in native code cannot end itself and may hold Python's lock for ever, so the
    driver has its worker killed. Time in which the driver itself did not run (a suspended laptop,
    Ctrl-Z) does not count.

    Parameters
    ----------
    time_limit_s : float or None
        Training time that a trial may take.
    """

    def __init__(self, time_limit_s: float | None = None) -> None:
        self._limit = time_limit_s
        self._clocks: dict[str, _Clock] = {}
        self._hung: dict[str, str] = {}
        self._nodes_lost: dict[str, int] = {}
        self._now = 0.0
        self._seen = time.monotonic()

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Kill the workers of trials that have been silent for too long."""
        seen = time.monotonic()
        self._now += min(seen - self._seen, _LONGEST_STEP_S)
        self._seen = seen
        overdue = [name for name, clock in self._clocks.items() if self._is_overdue(clock)]
        for trial in [trial for trial in trials if trial.trial_id in overdue]:
            del self._clocks[trial.trial_id]
            self._hung[trial.trial_id] = self._why_hung()
            trial.max_failures = 0
            log.info("%s hangs; its worker is killed", trial)
            ray.kill(trial.temporary_state.ray_actor)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Start the clock."""
        self._clocks[trial.trial_id] = _Clock(self._now)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Set the clock back: the trial is alive."""
        clock = self._clocks.get(trial.trial_id)
        if clock is not None:
            clock.silent_since, clock.reported = self._now, True
            clock.trained += result.get("seconds_training", 0.0)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Stop the clock."""
        self._clocks.pop(trial.trial_id, None)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Stop the clock."""
        self._clocks.pop(trial.trial_id, None)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Stop the clock; let a lost node not count as one of the trial's own losses."""
        self._clocks.pop(trial.trial_id, None)
        why = _why_lost(trial)
        log.info("the worker of %s was lost, %s; it starts again", trial, why)
        lost = self._nodes_lost.get(trial.trial_id, 0)
        if why == _NODE and lost < MAX_LOST_NODES:
            self._nodes_lost[trial.trial_id] = lost + 1
            trial.max_failures += 1

    def verdict(self, trial: Any) -> tuple[TrialStatus, str]:
        """Return how a trial is said to have ended that Ray has given up, and why."""
        if (why := self._hung.get(trial.trial_id)) is not None:
            return TrialStatus.TIMED_OUT, why
        times = trial.run_metadata.num_failures
        return TrialStatus.FAILED, f"its worker was lost {times} times, {_why_lost(trial)}"

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Ray pickles its callbacks to disk, and nobody reads them."""
        return {}

    def _is_overdue(self, clock: _Clock) -> bool:
        allowed = SILENT_S
        if self._limit is not None:
            rest = max(self._limit - clock.trained, 0.0)
            allowed = rest + (GRACE_S if clock.reported else STARTING_S)
        return self._now - clock.silent_since > allowed

    def _why_hung(self) -> str:
        if self._limit is None:
            return f"hung: no report for {SILENT_S:g} s"
        return f"hung: over {self._limit:g} s without a report"


def _why_lost(trial: Any) -> str:
    """Return in a few words how the newest worker of a trial was lost."""
    try:
        text = Path(trial.error_file).read_text(encoding="utf-8", errors="replace")
    except (OSError, TypeError):
        return "for a reason that Ray does not give"
    newest = text.rpartition("Failure # ")[2]
    # the second are Ray's own words, where the worker was still starting
    if _MEMORY in newest or "running low on memory" in newest:
        return _MEMORY
    if "node has died" in newest or "node was terminated" in newest:
        return _NODE
    return "its process died (killed, crashed, or the system had no memory left for it)"


@contextmanager
def memory_kills_lose_workers() -> Iterator[None]:
    """Make Ray Tune treat a worker that Ray's memory monitor has killed as a lost worker.

    Ray 2.60 reports such a kill as an error that its actor manager does not know, and Tune ends
    the whole search with a RuntimeError; there is no public way to tell it otherwise.
    """
    from ray.air.execution._internal.actor_manager import RayActorManager

    failed = RayActorManager._actor_task_failed

    def translated(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=_MEMORY)
        failed(manager, tracked_actor_task=tracked_actor_task, exception=exception)

    with patch.object(RayActorManager, "_actor_task_failed", translated):
        yield
