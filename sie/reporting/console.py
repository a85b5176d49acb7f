"""What a terminal shows before and after a search: the plan, the final table.

Returns rich renderables and lines; printing them is the business of `sie.cli`, progress of `live`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sie.models.config import TrialConfig, shown
from sie.search.selection import RepeatedConfig

if TYPE_CHECKING:
    from sie.search.plan import SearchPlan
    from sie.search.record import TimeUse


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
        "repeats": f"{_counted(min(budget.top, budget.trials), 'configuration')} x "
        f"{_counted(budget.repeats, 'seed')} x {_counted(budget.max_epochs, 'epoch')}",
        "ranked by": f"highest mean of {rule.window} epochs of validation AUC-PR, "
        f"from epoch {rule.min_epoch}",
        "space": f"{plan.space.name} ({plan.space.hash}), {space_size(plan.space.size)} "
        "configurations",
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
    if not budget.rungs:
        return "too short for any to be stopped by the others"
    return (
        f"stopped at epochs {', '.join(map(str, budget.rungs))} "
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


def space_size(size: float) -> str:
    """Return how many configurations a space holds, in words where it is continuous."""
    return "infinitely many" if math.isinf(size) else f"{size:,.0f}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"
