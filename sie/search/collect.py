"""Between Ray Tune and the rest: collects curves, names each trial's end, tells observers.

The only module that reads Ray's results; what observers do with them lives with them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from ray.tune import Callback, Stopper

from sie.search.losses import Losses
from sie.search.record import EndedTrial, TrialTask
from sie.search.selection import OBJECTIVE, SelectionRule, result_objective
from sie.training.record import METRICS, TrialResult, TrialStatus

RUNNING = "running"


class Observer(Protocol):
    """Something that wants to know how trials fare; must not raise where it is told.

    Tune would take what it raises there for the trial's failure.
    """

    def require(self) -> None:
        """Raise what must end the search; called between events, where Tune lets it through."""

    def trial_started(self, task: TrialTask) -> None:
        """Take note that a trial has been handed to a worker."""

    def trial_reported(
        self, task: TrialTask, epoch: int, objective: float, curve: Sequence[float]
    ) -> None:
        """Take note that a trial has trained some more epochs.

        `curve` are the values of `OBJECTIVE` in these epochs, the last of them being `epoch`.
        """

    def trial_ended(self, ended: EndedTrial) -> None:
        """Take note that a trial has ended, for whatever reason; called once a trial."""


class FailureGuard(Stopper):
    """Ends a search whose trials fail: the first five alike, or over 30 % of ten and more.

    Trials that diverge count among the first five, where they point at the data, but not among
    the 30 %: a space may hold rates that are too high. Reasons are alike that differ in numbers
    only, such as the epoch.
    """

    ALIKE = 5
    SHARE = 0.3
    AT_LEAST = 10

    def __init__(self) -> None:
        self.message = ""
        self._ends: list[tuple[TrialStatus, str]] = []

    def count(self, result: TrialResult) -> None:
        """Take note of an ended trial."""
        self._ends.append((result.status, result.reason))
        first = [(status, re.sub(r"\d+", "#", why)) for status, why in self._ends[: self.ALIKE]]
        bad = (TrialStatus.FAILED, TrialStatus.DIVERGED)
        if len(first) == self.ALIKE and len(set(first)) == 1 and first[0][0] in bad:
            self.message = f"the first {self.ALIKE} trials all {first[0][0]}: {self._ends[0][1]}"
        failed = [reason for status, reason in self._ends if status is TrialStatus.FAILED]
        if len(self._ends) >= self.AT_LEAST and len(failed) > self.SHARE * len(self._ends):
            reason, times = Counter(failed).most_common(1)[0]
            self.message = (
                f"{len(failed)} of {len(self._ends)} trials failed, {times} of them with: {reason}"
            )

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Whether the search must end."""
        return bool(self.message)


@dataclass
class _Partial:
    """Curves of a trial under way."""

    task: TrialTask
    chunks: list[dict[str, list[float]]] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)
    seconds_training: float = 0.0
    seconds_setup: float = 0.0

    def add(self, report: dict[str, Any]) -> None:
        # a worker that was lost starts its trial again from the first epoch
        if report["first_epoch"] == 1:
            self.chunks.clear()
        if report["curves"]:
            self.chunks.append(report["curves"])
        self.seconds_training += report["seconds_training"]
        self.seconds_setup += report["seconds_setup"]
        self.last = report

    def result(self, status: TrialStatus, reason: str) -> TrialResult:
        curves = {
            name: np.concatenate([np.asarray(c[name], dtype=float) for c in self.chunks])
            for name in METRICS
            if self.chunks
        }
        return TrialResult(status, reason, curves, self.seconds_training, self.seconds_setup)


class Collector(Callback):
    """Ray callback that gathers the trials of one phase.

    Parameters
    ----------
    rule : SelectionRule
        Turns curves into objectives.
    observers : sequence of Observer
        Told of starts, reports and ends, in this order.
    losses : Losses
        Says how a trial ended that Ray has given up.
    """

    def __init__(
        self,
        rule: SelectionRule,
        observers: Sequence[Observer] = (),
        losses: Losses | None = None,
    ) -> None:
        self.guard = FailureGuard()
        self.ended: dict[int, EndedTrial] = {}
        self._rule = rule
        self._observers = observers
        self._losses = losses or Losses()
        self._under_way: dict[int, _Partial] = {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Let observers end the search."""
        for observer in self._observers:
            observer.require()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note the start, once even if a lost worker makes Ray start it again."""
        task: TrialTask = trial.config["task"]
        if task.number not in self._under_way and task.number not in self.ended:
            self._under_way[task.number] = _Partial(task)
            for observer in self._observers:
                observer.trial_started(task)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Gather a report."""
        partial = self._under_way.get(trial.config["task"].number)
        if partial is None or "first_epoch" not in result:
            return
        partial.add(result)
        curve = result["curves"].get(OBJECTIVE, ())
        for observer in self._observers:
            observer.trial_reported(partial.task, result["epoch"], result["objective"], curve)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Name the end: the worker's own, else the scheduler stopped the trial."""
        partial = self._under_way.get(trial.config["task"].number)
        if partial is None:
            return
        last = partial.last
        if self.guard.message or not last:
            self._end(partial, TrialStatus.INTERRUPTED, "the search ended before the trial")
        elif last["status"] == RUNNING:
            reason = f"below the cutoff at epoch {last['epoch']}"
            self._end(partial, TrialStatus.STOPPED_BY_SCHEDULER, reason)
        else:
            self._end(partial, TrialStatus(last["status"]), last["reason"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """End a trial that hung, or lost its worker too often; trials themselves never raise."""
        partial = self._under_way.get(trial.config["task"].number)
        if partial is not None:
            self._end(partial, *self._losses.verdict(trial))

    def interrupt_rest(self, reason: str) -> None:
        """End whatever is still under way as interrupted."""
        for partial in list(self._under_way.values()):
            self._end(partial, TrialStatus.INTERRUPTED, reason)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Ray pickles its callbacks to disk, and the record is in MLflow."""
        return {}

    def in_order(self) -> tuple[EndedTrial, ...]:
        """Return the ended trials by number."""
        return tuple(self.ended[number] for number in sorted(self.ended))

    def _end(self, partial: _Partial, status: TrialStatus, reason: str) -> None:
        task = partial.task
        result = partial.result(status, reason)
        ended = EndedTrial(task, result, result_objective(result, self._rule))
        del self._under_way[task.number]
        self.ended[task.number] = ended
        self.guard.count(result)
        for observer in self._observers:
            observer.trial_ended(ended)
