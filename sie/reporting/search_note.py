"""What the MLflow page of a search says: winner, table, figures, how to make it again. Markdown.

Wording only; written to the parent run's description by `sie.search.recording`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sie.reporting.console import describe_config, mean_sd, shown
from sie.search.plan import SearchPlan
from sie.search.record import SearchOutcome
from sie.search.selection import RepeatedConfig

ROWS = 10
"""Configurations in the table: a description has room for 8,000 characters."""

CONFIG_CHARS = 300


def begun_note(plan: SearchPlan, command: str) -> str:
    """Return the description of a search that has begun."""
    return "\n\n".join((f"Search under way: {_what(plan)}.", _again(command)))


def search_note(
    plan: SearchPlan,
    outcome: SearchOutcome,
    floor: float,
    figures: Sequence[str],
    views: Mapping[str, str],
    command: str,
    remark: str = "",
) -> str:
    """Return the description of a search that has ended.

    Parameters
    ----------
    plan : SearchPlan
        What was searched.
    outcome : SearchOutcome
        What was found.
    floor : float
        AUC-PR of a constant prediction.
    figures : sequence of str
        Names of the figures that the run keeps.
    views : Mapping[str, str]
        Addresses within MLflow by what they show.
    command : str
        Makes the search again.
    remark : str
        Why the winner may be worth little, or why there is none.
    """
    parts = [_verdict(plan, outcome, floor, remark), f"{_what(plan).capitalize()}."]
    if outcome.judged:
        searched = [p.name for p in plan.space.parameters if len(set(p.values)) > 1]
        parts.append(_table(outcome.judged, searched))
    if figures:
        parts.append(_figures(outcome.run_id, figures))
    parts.append("**Views:** " + ", ".join(f"[{what}]({view})" for what, view in views.items()))
    parts.append(_again(command))
    return "\n\n".join(parts)


def figure_address(run_id: str, name: str) -> str:
    """Return where MLflow's server gives a figure of a run, seen from its page."""
    return f"get-artifact?path={quote(f'figures/{name}.png', safe='')}&run_uuid={run_id}"


def _verdict(plan: SearchPlan, outcome: SearchOutcome, floor: float, remark: str) -> str:
    if outcome.interrupted:
        return "**Stopped.** What had ended is recorded; the command below goes on from there."
    if (winner := outcome.winner) is None:
        return f"**No winner for cluster {plan.cluster}**" + (
            f": {_plain(remark)}." if remark else "."
        )
    n = len(winner.values)
    told = (
        f"**Winner of cluster {plan.cluster}: AUC-PR {mean_sd(winner)}** over {n} "
        f"repeat{'s' * (n != 1)} at epoch {winner.window.centre:g}; a constant prediction scores "
        f"{floor:.3f}. The score is optimistic: the cluster itself chose configuration and epoch."
    )
    return told + (f" Beware: {_plain(remark)}." if remark else "")


def _what(plan: SearchPlan) -> str:
    return (
        f"cluster {plan.cluster} of {_plain(plan.dataset)} left out, "
        f"{plan.representation}-{plan.level}, {plan.budget.trials} trials of at most "
        f"{plan.budget.max_epochs} epochs by {plan.sampler} and {plan.scheduler}, then the best "
        f"{plan.budget.top} repeated {plan.budget.repeats} times; plan `{plan.hash}`"
    )


def _table(judged: Sequence[RepeatedConfig], searched: Sequence[str]) -> str:
    lines = [
        "| rank | AUC-PR, mean ± sd | MCC | epochs | n | configuration |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for rank, item in enumerate(judged[:ROWS], start=1):
        values = item.config.as_dict()
        config = ", ".join(f"{name} {shown(values[name])}" for name in searched if name in values)
        epochs = f"{item.window.first_epoch}-{item.window.last_epoch}"
        mcc = f"{item.scores['val_mcc']:.3f}" if "val_mcc" in item.scores else ""
        cells = (rank, mean_sd(item), mcc, epochs, len(item.values), _plain(config[:CONFIG_CHARS]))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    winner = f"The first in full: {_plain(describe_config(judged[0].config))}."
    return "\n".join(lines) + f"\n\n{winner}"


def _figures(run_id: str, figures: Sequence[str]) -> str:
    links = [f"[{_words(name)}]({figure_address(run_id, name)})" for name in figures]
    first = figures[0]
    return (
        f"**Figures** (artifacts, `figures/`): {', '.join(links)}\n\n"
        f"![{_words(first)}]({figure_address(run_id, first)})"
    )


def _again(command: str) -> str:
    return f"**To make it again:**\n\n```\n{command}\n```"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _plain(text: str) -> str:
    """Return text that Markdown leaves as it is."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)
