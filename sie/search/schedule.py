"""Who may go on training: ASHA, the median rule, their repeatable twins, or everybody.

Only the choice of scheduler lives here; what they look at is `sie.search.selection.objective`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from sie.search.choices import Scheduler
from sie.search.plan import REPEATABLE_BATCH, Budget, Mode
from sie.search.record import EndedTrial, TrialTask
from sie.search.selection import OBJECTIVE, SelectionRule, objective
from sie.search.suggest import METRIC
from sie.training.record import TrialStatus

TIME = "epoch"

MEDIAN_SAMPLES = 3
"""Other trials that the median rule wants before it stops one; Ray's own default."""


def make_scheduler(
    budget: Budget,
    mode: Mode,
    rule: SelectionRule,
    past: Sequence[EndedTrial] = (),
    scheduler: Scheduler = Scheduler.ASHA,
) -> TrialScheduler:
    """Return Ray's scheduler on epochs, or the twin whose decisions ignore arrival order.

    Parameters
    ----------
    budget : Budget
        Rungs and reduction factor; the median rule begins at the first rung.
    mode : Mode
        Fast: Ray's own. Repeatable: `BatchHalving`, `BatchMedian`.
    rule : SelectionRule
        Gives the objective that a past trial had at an epoch.
    past : sequence of EndedTrial
        Trials of an earlier start; the others are compared with what they had reached.
    scheduler : Scheduler
        Which one; none lets every trial train to its own end.
    """
    if scheduler is Scheduler.NONE:
        return FIFOScheduler()
    if scheduler is Scheduler.MEDIAN:
        return _median(budget, mode, rule, past)
    return _asha(budget, mode, rule, past)


def _asha(
    budget: Budget, mode: Mode, rule: SelectionRule, past: Sequence[EndedTrial]
) -> TrialScheduler:
    reached = {
        rung: {
            trial.task.number: objective(trial.result.curves[OBJECTIVE][:rung], rule)
            for trial in past
            if trial.result.status.counts and trial.result.n_epochs >= rung
        }
        for rung in budget.rungs
    }
    if mode is Mode.REPEATABLE:
        return BatchHalving(reached, budget.reduction_factor)
    scheduler = ASHAScheduler(
        time_attr=TIME,
        metric=METRIC,
        mode="max",
        grace_period=budget.grace,
        max_t=budget.max_epochs,
        reduction_factor=budget.reduction_factor,
    )
    # Ray offers no way in for results of an earlier experiment but its rungs themselves
    for rung, recorded in scheduler._brackets[0]._rungs:
        recorded.update({f"past-{n}": value for n, value in reached.get(int(rung), {}).items()})
    return scheduler


def _median(
    budget: Budget, mode: Mode, rule: SelectionRule, past: Sequence[EndedTrial]
) -> TrialScheduler:
    reported = {trial.task.number: _reports(trial, budget, rule) for trial in past}
    if mode is Mode.REPEATABLE:
        return BatchMedian(reported, budget.grace)
    scheduler = MedianStoppingRule(
        time_attr=TIME,
        metric=METRIC,
        mode="max",
        grace_period=budget.grace,
        min_samples_required=MEDIAN_SAMPLES,
        # Ray would let a trial wait where there are few to compare with; workers cannot pause one
        min_time_slice=float("inf"),
    )
    for number, reports in reported.items():
        if reports:
            scheduler._results[f"past-{number}"] = [
                {TIME: epoch, METRIC: value} for epoch, value in reports.items()
            ]
    return scheduler


def _reports(trial: EndedTrial, budget: Budget, rule: SelectionRule) -> dict[int, float]:
    """Return the objectives that a past trial reported, by epoch; none of its divergence."""
    result = trial.result
    last = [result.n_epochs] if result.status.counts and result.n_epochs else []
    epochs = sorted({*range(budget.chunk, result.n_epochs, budget.chunk), *last})
    return {epoch: objective(result.curves[OBJECTIVE][:epoch], rule) for epoch in epochs}


class BatchMedian(FIFOScheduler):
    """The median rule with a memory of finished batches only, as `BatchHalving` has it.

    From the first rung on a trial stops whose best objective is below the median of the running
    means that the trials of earlier batches had at that epoch (Golovin et al., Google Vizier,
    10.1145/3097983.3098043, section 3.2.2).

    Parameters
    ----------
    recorded : mapping
        The objectives that trials reported earlier: by number, then by epoch.
    grace : int
        First epoch that counts.
    """

    def __init__(self, recorded: Mapping[int, Mapping[int, float]], grace: int) -> None:
        super().__init__()
        self._grace = grace
        self._recorded = {number: dict(values) for number, values in recorded.items()}

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Accept any metric: this scheduler always looks at the objective."""
        return True

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Record the objective; stop a trial whose best is below the median of earlier batches."""
        if result.get("status") in (TrialStatus.DIVERGED, TrialStatus.FAILED):
            return TrialScheduler.CONTINUE  # it ends anyway
        task: TrialTask = trial.config["task"]
        own = self._recorded.setdefault(task.number, {})
        own[result[TIME]] = result[METRIC]
        if result[TIME] < self._grace:
            return TrialScheduler.CONTINUE
        cutoff = self.cutoff(result[TIME], task.number)
        stop = cutoff is not None and max(own.values()) < cutoff
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def cutoff(self, epoch: int, number: int) -> float | None:
        """Return what the best of trial `number` must reach at an epoch; None with too few."""
        first_of_batch = number - number % REPEATABLE_BATCH
        means = [
            np.mean([value for at, value in values.items() if self._grace <= at <= epoch])
            for earlier, values in self._recorded.items()
            if earlier < first_of_batch and max(values) >= epoch
        ]
        return float(np.median(means)) if len(means) >= MEDIAN_SAMPLES else None


class BatchHalving(FIFOScheduler):
    """ASHA with a memory of finished batches only.

    At a rung a trial is compared with the trials of earlier batches, all of which have ended,
    instead of with whatever has arrived: the decision is the same at any concurrency. The first
    batch is therefore never stopped, and cutoffs lag behind by up to one batch.

    Parameters
    ----------
    recorded : mapping
        For every rung (epoch) the objectives of trials that reached it earlier, by number.
    reduction_factor : int
        One in how many survives a rung.
    """

    def __init__(self, recorded: Mapping[int, Mapping[int, float]], reduction_factor: int) -> None:
        super().__init__()
        self._factor = reduction_factor
        self._recorded = {rung: dict(values) for rung, values in recorded.items()}

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Accept any metric: this scheduler always looks at the objective."""
        return True

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Record the objective at every rung passed; stop below the cutoff of earlier batches."""
        task: TrialTask = trial.config["task"]
        decision = TrialScheduler.CONTINUE
        for rung, recorded in self._recorded.items():
            if result[TIME] < rung or task.number in recorded:
                continue
            recorded[task.number] = result[METRIC]
            cutoff = self.cutoff(rung, task.number)
            if cutoff is not None and result[METRIC] < cutoff:
                decision = TrialScheduler.STOP
        return decision

    def cutoff(self, rung: int, number: int) -> float | None:
        """Return the value that trial `number` must reach at `rung`; None without predecessors."""
        first_of_batch = number - number % REPEATABLE_BATCH
        earlier = [v for n, v in self._recorded[rung].items() if n < first_of_batch]
        return float(np.percentile(earlier, (1 - 1 / self._factor) * 100)) if earlier else None
