"""Words of the report, section by section; figures and tables come beside them in `page`.

Every text that came from outside is escaped here or in `sie.reporting.html`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

import numpy as np

from sie.reporting.console import describe_config, duration, mean_sd, space_size
from sie.reporting.html import table
from sie.reporting.search_report.importance import Importance
from sie.reporting.search_report.record import ClusterSearch, Study
from sie.reporting.search_report.tables import number
from sie.search.choices import Scheduler

OPTIMISM = (
    "The winners' scores are optimistic: the left-out cluster itself chose configuration and "
    "epoch. They rank configurations; they do not estimate how well an unknown chemistry would be "
    "predicted. For that, build the ensemble and open the test set once (experiments/evaluate.py)."
)


def paragraphs(lines: Sequence[str]) -> str:
    """Return lines of text as paragraphs."""
    return "".join(f"<p>{_options_whole(line)}</p>\n" for line in lines)


def _options_whole(line: str) -> str:
    """Escape text; options of a command do not break at their hyphens."""
    return re.sub(r"(?<!\S)(--[a-z-]+)", r"<code>\1</code>", escape(line))


def _warning(warnings: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>\n" for line in warnings)
    beware = f"<p>Beware:</p>\n<ul>\n{items}</ul>\n" if items else ""
    return f'<div class="warning" role="note">\n<p>{escape(OPTIMISM)}</p>\n{beware}</div>\n'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return (what, number) as cards."""
    cards = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(number)}</dd></div>" for what, number in pairs
    )
    return f'<dl class="facts">{cards}</dl>\n'


def summary(study: Study, warnings: Sequence[str]) -> str:
    """Tell what was searched, what won, and how far to trust it."""
    first = study.first
    cards = _single_facts(first) if study.single else _study_facts(study)
    lines = [*_what(study), *_how(first)]
    differ = [
        f"{name}: {', '.join(value or 'none' for value in values)}"
        for name, values in study.differences().items()
    ]
    if differ:
        warnings = [
            *warnings,
            f"these searches are not alike, so do not compare them ({'; '.join(differ)})",
        ]
    missing = [f"Cluster {s.cluster}: {line}." for s in study.searches for line in s.missing]
    notes = [f"{note}." for note in study.notes]
    return (
        facts(cards)
        + _warning(warnings)
        + paragraphs([*lines, *notes, *missing])
        + _cluster_results(study)
    )


def importance_words(found: Sequence[Importance]) -> list[str]:
    """Return in one sentence a method which hyperparameters stand out."""
    lines = []
    for method in found:
        beyond = [n for n, yes in zip(method.names, method.beyond_chance, strict=True) if yes]
        verb = "passes" if len(beyond) == 1 else "pass"
        what = f"{', '.join(beyond)} {verb}" if beyond else "no hyperparameter passes"
        lines.append(f"{method.method}: {what} the level of chance.")
    n = len(found[0].names) if found else 0
    return [*lines, f"Of {n} hyperparameters that do not matter, {0.05 * n:.2g} would pass it."]


def _what(study: Study) -> list[str]:
    first = study.first
    seen_as = f"{first.param('representation')}-{first.param('level')}"
    data = first.documents.get("dataset", {})
    entries = (
        f" ({data.get('entries', '?')} entries, {data.get('positive', '?')} superionic, "
        f"{data.get('disordered', '?')} disordered)"
        if data
        else ""
    )
    which = (
        f"cluster {first.cluster}"
        if study.single
        else f"clusters {', '.join(str(s.cluster) for s in study.searches)}, one after the other,"
    )
    leaks = [s.documents.get("leakage", {}).get("split") or {} for s in study.searches]
    shared = sum(leak.get("same_formula") or 0 for leak in leaks)
    return [
        f"Dataset {first.param('dataset')}{entries}, seen as {seen_as}; {which} left out for "
        f"validation. Experiment {study.experiment}, search “{first.name}”."
        + (f" {shared} formulas of left-out clusters also stand in training." if shared else "")
    ]


def _stopping(search: ClusterSearch) -> str:
    """Return what stopped trials early, as the plan says."""
    budget, scheduler = search.budget, search.scheduler
    if scheduler == Scheduler.ASHA and budget.rungs:
        epochs = "epoch" if len(budget.rungs) == 1 else "epochs"
        return f"compared by ASHA at {epochs} {', '.join(map(str, budget.rungs))}"
    if scheduler == Scheduler.MEDIAN:
        return f"stopped from epoch {budget.grace} on where below the others' median"
    return "none stopped by the others"


def _how(search: ClusterSearch) -> list[str]:
    budget, rule = search.budget, search.rule
    space = search.space
    size = f" ({space.name}, {space_size(space.size)} configurations)" if space else ""
    return [
        f"Plan: {budget.trials} trials of at most {budget.max_epochs} epochs, drawn by "
        f"{search.sampler}, {_stopping(search)}; the best "
        f"{min(budget.top, budget.trials)} repeated {budget.repeats} times; ranked by the highest "
        f"mean of {rule.window} epochs from epoch {rule.min_epoch}. "
        f"Space {search.param('space')}{size}, seed {search.param('seed')}, mode "
        f"{search.param('mode')}."
    ]


def _single_facts(search: ClusterSearch) -> list[tuple[str, str]]:
    winner = search.winner
    epoch = f"{winner.window.centre:g}" if winner else "none"
    return [
        ("winner's AUC-PR", mean_sd(winner) if winner else "no winner"),
        ("a constant prediction", number(search.floor) or "unknown"),
        ("trials scored / all", f"{len(search.scored)} / {len(search.trials)}"),
        ("best epoch", epoch),
        ("winner's MCC", number(winner.scores.get("val_mcc", math.nan)) if winner else "none"),
        ("wall time", duration(search.parent.metrics.get("wall_seconds", 0.0))),
    ]


def _study_facts(study: Study) -> list[tuple[str, str]]:
    means = [s.winner.mean for s in study.searches if s.winner]
    floors = [s.floor for s in study.searches]
    seconds = sum(s.parent.metrics.get("wall_seconds", 0.0) for s in study.searches)
    return [
        ("clusters searched", str(len(study.searches))),
        ("winners' mean AUC-PR", f"{np.mean(means):.3f}" if means else "no winner"),
        ("a constant prediction", f"{np.mean(floors):.3f}"),
        ("trials", f"{sum(len(s.trials) for s in study.searches):,}"),
        ("wall time", duration(seconds)),
    ]


def _cluster_results(study: Study) -> str:
    rows = []
    for search in study.searches:
        winner, split = search.winner, search.split
        n = len(split.validation) if split else None
        positive = f"{round(search.floor * n)}" if n and math.isfinite(search.floor) else ""
        ends = ", ".join(
            f"{count} {str(status).replace('_', ' ')}" for status, count in search.ends.items()
        )
        rows.append(
            [
                str(search.cluster),
                f"{n} / {positive}" if n else "not recorded",
                ends,
                mean_sd(winner) if winner else "no winner",
                number(search.floor),
                number(winner.scores.get("val_mcc", math.nan)) if winner else "",
                f"{winner.window.centre:g}" if winner else "",
                escape(describe_config(winner.config)) if winner else _why_none(search),
            ]
        )
    columns = ["cluster", "entries / superionic", "trials", "winner's AUC-PR", "constant",
               "MCC", "best epoch", "winner"]  # fmt: skip
    caption = "What each search found; constant: AUC-PR of a constant prediction."
    return table(columns, rows, caption, {0, 1, 3, 4, 5, 6}, wrap={2, 7})


def _why_none(search: ClusterSearch) -> str:
    if not search.budget.n_repeats:
        return "nothing was repeated (--top or --repeats 0)"
    return "no repeat gave a score"
