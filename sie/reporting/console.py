"""What a terminal shows: the plan, progress with an estimate, the final table.

Returns rich renderables and an observer; printing them is the business of experiments/.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from sie.models.config import TrialConfig, shown
from sie.search.selection import RepeatedConfig
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    from sie.search.plan import SearchPlan
    from sie.search.record import EndedTrial, TimeUse, TrialTask


def plan_table(plan: SearchPlan, workers: int, seconds: float) -> Group:
    """Return the plan of a cluster's search, with the estimate of its wall time."""
    budget, rule = plan.budget, plan.rule
    table = Table.grid(padding=(0, 2))
    rows = {
        "features": f"{plan.representation}-{plan.level} ({plan.features_hash})",
        "split": f"loco-{plan.cluster} ({plan.split_hash})",
        "search": f"{budget.trials} trials of at most {budget.max_epochs} epochs; {_stops(plan)}",
        "drawn by": f"{plan.sampler}"
        + (f", after given points ({len(plan.points)})" if plan.points else ""),
        "repeats": f"{min(budget.top, budget.trials)} configurations x {budget.repeats} seeds x "
        f"{budget.max_epochs} epochs",
        "ranked by": f"highest mean of {rule.window} epochs of validation AUC-PR, "
        f"from epoch {rule.min_epoch}",
        "space": f"{plan.space.name} ({plan.space.hash}), {_size(plan.space.size)} configurations",
        "start": f"pre-trained weights ({plan.pretrained}) where the shape matches, else fresh ones"
        if plan.pretrained
        else "fresh weights",
        "run": f"mode {plan.mode}, seed {plan.seed}, {workers} at once, plan {plan.hash}",
        "estimate": f"about {duration(seconds)} on {workers} worker{'s' * (workers > 1)}",
    }
    for name, text in rows.items():
        table.add_row(Text(name, style="bold"), Text(text))
    ranges = Table(show_header=False, box=None, padding=(0, 2), title_justify="left")
    for parameter in plan.space.parameters:
        ranges.add_row(Text(f"  {parameter.name}"), Text(parameter.describe()))
    return Group(Text(f"Search of cluster {plan.cluster}", style="bold underline"), table, ranges)


def _stops(plan: SearchPlan) -> str:
    budget = plan.budget
    if plan.scheduler == "none":
        return "none is stopped by the others"
    if plan.scheduler == "median":
        return f"stopped from epoch {budget.grace} on where below the others' median"
    return (
        f"stopped at epochs {', '.join(map(str, budget.rungs)) or 'none'} "
        f"unless among the best 1 in {budget.reduction_factor}"
    )


def repeats_table(judged: Sequence[RepeatedConfig], varied: Sequence[str]) -> Table:
    """Return the repeated configurations, best first.

    Parameters
    ----------
    judged : sequence of RepeatedConfig
        Best first.
    varied : sequence of str
        Hyperparameters to show.
    """
    table = Table(title="Configurations after their repeats", title_justify="left")
    for name in ("rank", "AUC-PR, mean ± sd", "MCC", "epochs", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("configuration")
    for rank, item in enumerate(judged, start=1):
        values = item.config.as_params()
        table.add_row(
            str(rank),
            mean_sd(item),
            f"{item.scores.get('val_mcc', math.nan):.3f}",
            f"{item.window.first_epoch}-{item.window.last_epoch}",
            str(len(item.values)),
            ", ".join(f"{name} {shown(values[name])}" for name in varied if name in values),
        )
    return table


def mean_sd(item: RepeatedConfig) -> str:
    """Return mean ± sd over the repeats, or the mean alone of a single one."""
    spread = f" ± {item.sd:.3f}" if math.isfinite(item.sd) else ""
    return f"{item.mean:.3f}{spread}"


def time_line(use: TimeUse) -> str:
    """Return one line on where the wall time went."""
    phases = f"search {duration(use.search.wall)}, repeats {duration(use.repeats.wall)}"
    return (
        f"{duration(use.wall)} wall time ({phases}) on {use.workers} "
        f"worker{'s' * (use.workers != 1)}: {use.efficiency:.0%} training, "
        f"{use.starting_share:.1%} starting Ray, {use.setup_share:.1%} starting TensorFlow and "
        f"building networks, {use.idle_share:.1%} scheduling and waiting; MLflow was waited for "
        f"{use.tracking_share:.1%} of the time"
    )


def describe_config(config: TrialConfig) -> str:
    """Return a configuration in one line."""
    return ", ".join(f"{name}={shown(value)}" for name, value in config.as_dict().items())


def duration(seconds: float) -> str:
    """Return a duration in the unit a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class LiveProgress:
    """Observer that shows trials done, running, the best so far and the time left.

    In a terminal a bar that moves; elsewhere a plain line at every tenth of the way.
    """

    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._done = 0
        self._running = 0
        self._stopped = 0
        self._best = -math.inf
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._began = time.monotonic()
        self._bar = self._progress.add_task(title, total=total, note="starting workers")

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def trial_started(self, task: TrialTask) -> None:
        """Count it as running."""
        self._running += 1
        self._update()

    def trial_reported(self, task: TrialTask, epoch: int, objective: float) -> None:
        """Nothing: an objective counts when its trial has ended."""

    def trial_ended(self, ended: EndedTrial) -> None:
        """Count it as done."""
        self._running -= 1
        self._done += 1
        if ended.result.status.counts:
            self._best = max(self._best, ended.objective)
        self._stopped += ended.result.status is TrialStatus.STOPPED_BY_SCHEDULER
        self._update(advance=1)
        every = max(self._total // 10, 1)
        if not self._console.is_terminal and (self._done % every == 0 or self._done == self._total):
            elapsed = time.monotonic() - self._began
            left = elapsed / self._done * (self._total - self._done)
            self._console.print(
                f"{self._title}: {self._done}/{self._total}, {self._note()}, "
                f"{duration(elapsed)} so far, about {duration(left)} left",
                highlight=False,
                soft_wrap=True,
            )

    def _note(self) -> str:
        best = f"best {self._best:.3f}" if math.isfinite(self._best) else "no score yet"
        stopped = f", {self._stopped} stopped early" if self._stopped else ""
        return f"{best}, {self._running} running{stopped}"

    def _update(self, advance: int = 0) -> None:
        self._progress.update(self._bar, advance=advance, note=self._note())


def _size(size: float) -> str:
    return "infinitely many" if math.isinf(size) else f"{size:,.0f}"
