"""Who may go on training: ASHA, or its repeatable twin.

Only the choice of scheduler lives here; what they look at is `sie.search.selection.objective`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from sie.search.plan import REPEATABLE_BATCH, Budget, Mode
from sie.search.record import EndedTrial, TrialTask
from sie.search.selection import OBJECTIVE, SelectionRule, objective
from sie.search.suggest import METRIC

TIME = "epoch"


def make_scheduler(
    budget: Budget, mode: Mode, rule: SelectionRule, past: Sequence[EndedTrial] = ()
) -> TrialScheduler:
    """Return Ray's ASHA on epochs, or the scheduler whose decisions ignore arrival order.

    Parameters
    ----------
    budget : Budget
        Rungs and reduction factor.
    mode : Mode
        Fast: ASHA. Repeatable: `BatchHalving`.
    rule : SelectionRule
        Gives the objective that a past trial had at a rung.
    past : sequence of EndedTrial
        Trials of an earlier start; they stand in the rungs that they reached.
    """
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
