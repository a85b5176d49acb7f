"""Where configurations come from: a sampler behind a searcher that decides what it learns.

The one place that knows what the sampler (TPE, by default) is told:

===================== =================================================================
a trial that          tells it
===================== =================================================================
completed, was        its objective, the best rolling mean it reached (never the last
stopped or stopped    value, which Ray would pass on for a trial that ASHA stopped)
early
diverged or failed    `PENALTY`, so that the region is avoided
timed out,            nothing: that says something about the machine, not the
interrupted, lost     configuration
===================== =================================================================
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.search import Searcher

from sie.search.plan import REPEATABLE_BATCH, Mode, SearchPlan
from sie.search.record import EndedTrial, Phase, TrialTask
from sie.search.samplers import make_sampler
from sie.search.seeds import derive_seed
from sie.search.selection import PENALTY
from sie.training.record import TrialStatus

log = logging.getLogger(__name__)

METRIC = "objective"
SILENT = (TrialStatus.TIMED_OUT, TrialStatus.INTERRUPTED)


def told_value(result: dict[str, Any] | None, error: bool) -> float | None:
    """Return what the sampler is told of an ended trial, or None for nothing."""
    if error or not result:
        return None
    status = result.get("status", "")
    if status in SILENT:
        return None
    if status in (TrialStatus.DIVERGED, TrialStatus.FAILED):
        return PENALTY
    return float(result[METRIC])


class TaskQueue(Searcher):
    """Hands out given tasks in their order, so many at once; learns nothing.

    Parameters
    ----------
    tasks : sequence of TrialTask
        What is to be trained.
    limit : callable
        Says how many tasks may be out at the moment.
    """

    def __init__(self, tasks: Sequence[TrialTask], limit: Callable[[], int]) -> None:
        super().__init__(metric=METRIC, mode="max")
        self._waiting = list(reversed(tasks))
        self._limit = limit
        self._live: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next task, None while too many are out, or FINISHED."""
        if not self._waiting:
            return Searcher.FINISHED
        if len(self._live) >= self._limit():
            return None
        self._live.add(trial_id)
        return {"task": self._waiting.pop()}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Let the next task out."""
        self._live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the record in MLflow is the only state that outlives a search."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore; see `save`."""


class PlanSearcher(TaskQueue):
    """Numbers and seeds what the plan's sampler suggests, and limits how many are out at once.

    In repeatable mode suggestions come in batches of `REPEATABLE_BATCH`; results are told in the
    order of the trials' numbers once a batch is complete, so that the order in which workers
    finish cannot matter. The price is that workers wait for the slowest trial of each batch.

    Parameters
    ----------
    plan : SearchPlan
        Space, budget, seed and mode.
    limit : callable
        Says how many trials may be out at the moment.
    past : sequence of EndedTrial
        Trials that an earlier start of the same plan ended: the sampler is told of them, and they
        are not suggested again.
    unfinished : sequence of TrialTask
        Trials that it had begun: they come first, as they were drawn. (In repeatable mode all
        are drawn again, and alike.)
    """

    def __init__(
        self,
        plan: SearchPlan,
        limit: Callable[[], int],
        past: Sequence[EndedTrial] = (),
        unfinished: Sequence[TrialTask] = (),
    ) -> None:
        super().__init__((), limit)
        self._plan = plan
        self._past = {trial.task.number: trial for trial in past}
        begun = sorted(unfinished, key=lambda task: task.number)
        self._begun = deque(begun if plan.mode is Mode.FAST else [])
        self._taken = {task.number for task in self._begun}
        self._numbers: dict[str, int] = {}
        self._next = 0
        self._ended: dict[int, tuple[str, float | None]] = {}
        replayed = sorted(self._past) if plan.mode is Mode.FAST else []
        if plan.mode is Mode.FAST:
            self._taken |= set(replayed)
        configs = [self._past[number].task.config for number in replayed]
        configs += [task.config for task in self._begun]
        # the plan's points are its first trials; those not begun yet are still to be suggested
        configs += [c for n, c in enumerate(plan.points) if n not in self._taken]
        points = [plan.space.point(config) for config in configs]
        # a search that goes on must not draw its first random configurations a second time
        labels = ("tpe", len(points)) if points else ("tpe",)
        seed, startup = derive_seed(plan.seed, *labels), plan.budget.startup_trials
        self._sampler = make_sampler(plan.sampler, plan.space, METRIC, startup, seed, points)
        for number in replayed:
            self._sampler.suggest(f"past-{number}")
            self._tell(f"past-{number}", _past_value(self._past[number]))

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next task, None while the limit or a batch bars it, or FINISHED."""
        if self._begun:
            if len(self._live) >= self._limit():
                return None
            begun = self._begun.popleft()
            self._sampler.suggest(trial_id)  # it has this configuration as its next point
            self._numbers[trial_id] = begun.number
            self._live.add(trial_id)
            return {"task": begun}
        while True:
            self._skip_taken()
            number = self._next
            if number >= self._plan.budget.trials:
                return Searcher.FINISHED
            if len(self._live) >= self._limit() or self._batch_is_open(number):
                return None
            ended = self._past.get(number)
            name = trial_id if ended is None else f"past-{number}"
            task = self._task(number, self._sampler.suggest(name))
            if ended is not None and ended.task.config != task.config:
                log.warning(
                    "trial %d is recorded with another configuration than the plan draws now; "
                    "--fresh gives a search that can be repeated",
                    number,
                )
            self._next += 1
            self._numbers[name] = number
            self._live.add(name)
            if ended is None:
                return {"task": task}
            self._complete(name, _past_value(ended))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the sampler of an ended trial, at once or at the end of its batch."""
        if trial_id in self._live:
            self._complete(trial_id, told_value(result, error))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: samplers learn from ended trials only."""

    def _skip_taken(self) -> None:
        while self._next in self._taken:
            self._next += 1

    def _task(self, number: int, values: dict[str, Any]) -> TrialTask:
        points = self._plan.points
        return TrialTask(
            key=f"trial-{number:04d}",
            phase=Phase.SEARCH,
            number=number,
            config=points[number] if number < len(points) else self._plan.space.config(values),
            seed=derive_seed(self._plan.seed, Phase.SEARCH, number),
        )

    def _batch_is_open(self, number: int) -> bool:
        starts_batch = number % REPEATABLE_BATCH == 0
        return self._plan.mode is Mode.REPEATABLE and starts_batch and bool(self._live)

    def _complete(self, name: str, value: float | None) -> None:
        self._live.discard(name)
        self._ended[self._numbers[name]] = (name, value)
        batch_ended = not self._live and self._next % REPEATABLE_BATCH == 0
        if self._plan.mode is Mode.FAST or batch_ended:
            for number in sorted(self._ended):
                self._tell(*self._ended.pop(number))

    def _tell(self, name: str, value: float | None) -> None:
        if value is None:
            self._sampler.on_trial_complete(name, error=True)
        else:
            self._sampler.on_trial_complete(name, result={METRIC: value})


def _past_value(ended: EndedTrial) -> float | None:
    return told_value({METRIC: ended.objective, "status": ended.result.status}, error=False)
