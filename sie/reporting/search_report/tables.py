"""Tables of the report; they hold the numbers of the plots for those who cannot see these.

Every text that came from outside is escaped here or in `sie.reporting.html`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from sie.reporting.console import describe_config, mean_sd
from sie.reporting.html import table
from sie.reporting.search_report.importance import Importance
from sie.reporting.search_report.parameter_plots import means_table, outcome_words
from sie.reporting.search_report.record import ClusterSearch, Study
from sie.reporting.search_report.trial_table import TrialTable, value_text
from sie.search.selection import RepeatedConfig

HASHES = {
    "dataset_hash": "data",
    "features_hash": "features",
    "hold_out_hash": "test set kept away",
    "space_hash": "search space",
    "code_hash": "sources",
    "code_version": "version of sie",
    "python": "Python",
    "platform": "platform",
    "packages": "packages",
}


def number(value: float) -> str:
    """Return a score as people write it; nothing where it is not known."""
    return f"{value:.3f}" if math.isfinite(value) else ""


def clusters_table(search: ClusterSearch) -> str:
    """Return how many entries every cluster holds, or those of the split where clusters lack."""
    clustering, split = search.clustering, search.split
    if clustering is None:
        if split is None:
            return ""
        rows = [["left out", str(len(split.validation))], ["training", str(len(split.train))]]
        return table(["part", "entries"], rows, f"Split {split.name}.", {1})
    rows = []
    for number in clustering.numbers:
        ids = [clustering.ids[i] for i in np.flatnonzero(clustering.labels == number)]
        known = [search.entries[i].label for i in ids if i in search.entries]
        positive = str(sum(label == 1 for label in known)) if known else ""
        rows.append([str(number), str(len(ids)), positive or "not recorded"])
    method = clustering.method
    how = ", ".join(f"{name} {value}" for name, value in method.items() if name != "kind")
    caption = f"Clusters by {method.get('kind', 'unknown means')} ({how}); hash {clustering.hash}."
    return table(["cluster", "entries", "superionic"], rows, caption, {0, 1, 2})


def repeats_table(search: ClusterSearch) -> str:
    """Return the configurations after their repeats, best first."""
    rows = [
        [
            str(rank),
            mean_sd(item),
            f"{item.scores.get('val_mcc', math.nan):.3f}",
            f"{item.window.first_epoch}–{item.window.last_epoch}",
            _counts(item),
            f"<code>{item.config.hash}</code>",
            escape(describe_config(item.config)),
        ]
        for rank, item in enumerate(search.judged, start=1)
    ]
    caption = (
        f"Cluster {search.cluster}: configurations after their repeats. Scores are means over the "
        "epochs named, the best window of the repeats' average curve."
    )
    columns = ["rank", "AUC-PR, mean ± sd", "MCC", "epochs", "repeats", "hash", "configuration"]
    return table(columns, rows, caption, {0, 1, 2, 3}, wrap={6})


def others_table(study: Study) -> str:
    """Return winners, controls and baselines, one row a system and one column a cluster."""
    names = list(dict.fromkeys(o.name for s in study.searches for o in s.others))
    rows = [["winner of the search", *(_winner_cell(s) for s in study.searches)]]
    rows.append(["constant prediction", *(number(s.floor) for s in study.searches)])
    for name in names:
        cells = []
        for search in study.searches:
            found = [o for o in search.others if o.name == name]
            cells.append(_spread(found[0].auc_pr) if found else "")
        rows.append([escape(name), *cells])
    if not study.single:
        rows = [[*row, _row_mean(study, row[0])] for row in rows]
    heads = [f"cluster {search.cluster}" for search in study.searches]
    columns = ["AUC-PR", *heads, *([] if study.single else ["mean"])]
    caption = "Validation AUC-PR on the left-out cluster, mean ± sd over repeats or seeds."
    return table(columns, rows, caption, range(1, len(columns)))


def trials_table(search: ClusterSearch, varied: Sequence[str]) -> str:
    """Return every trial of the search phase."""
    rows = []
    for trial in search.trials:
        values = trial.task.config.as_params()
        rows.append(
            [
                str(trial.task.number),
                number(trial.objective),
                str(trial.result.n_epochs),
                escape(str(trial.result.status).replace("_", " ")),
                *(value_text(values[name]) if name in values else "" for name in varied),
                f"<code>{trial.task.config.hash}</code>",
                escape(trial.result.reason),
            ]
        )
    columns = ["trial", "objective", "epochs", "ended", *varied, "hash", "reason"]
    n = len(columns)
    caption = f"Cluster {search.cluster}: all trials of the search."
    return table(columns, rows, caption, {0, 1, 2, *range(4, n - 2)}, wrap={n - 1})


def slices_table(found: TrialTable) -> str:
    """Return the mean outcome of every choice of every hyperparameter."""
    rows = [
        [escape(name), value, str(n), f"{mean:.3f}", f"{best:.3f}"]
        for name, value, n, mean, best in means_table(found)
    ]
    words = outcome_words(found)
    return table(
        ["hyperparameter", "value", "trials", "mean", "best"], rows, f"By choice: {words}.",
        {1, 2, 3, 4},
    )  # fmt: skip


def importance_table(found: Sequence[Importance]) -> str:
    """Return importances by every method with intervals and the level of chance."""
    rows = [
        [
            escape(method.method),
            escape(name),
            f"{value:.3f}",
            f"{low:.3f}–{high:.3f}",
            f"{chance:.3f}",
            "yes" if beyond else "no",
        ]
        for method in found
        for name, value, low, high, chance, beyond in zip(
            method.names,
            method.values,
            *method.interval,
            method.chance,
            method.beyond_chance,
            strict=True,
        )
    ]
    columns = [
        "method",
        "hyperparameter",
        "importance",
        "90 % of halves",
        "chance (1 in 20)",
        "beyond",
    ]
    return table(columns, rows, "Importances; beyond: more than chance gives.", {2, 3, 4})


def environment_table(study: Study) -> str:
    """Return hashes, versions and machine of the searches."""
    rows = []
    for tag, name in HASHES.items():
        values = dict.fromkeys(s.parent.tags.get(tag, "") for s in study.searches)
        rows.append([escape(name), _codes(value or "not recorded" for value in values)])
    for search in study.searches:
        tags = search.parent.tags
        found = f"run {search.parent.run_id}, plan {tags['plan_hash']}, split {tags['split_hash']}"
        rows.append([f"cluster {search.cluster}", _codes([found])])
    if start := study.first.param("pretrained"):
        rows.append(["pre-trained weights", _codes([start])])
    return table(["what", "value"], rows, "What determines the numbers.", wrap={1})


def _winner_cell(search: ClusterSearch) -> str:
    return mean_sd(search.winner) if search.winner else "none"


def _row_mean(study: Study, name: str) -> str:
    if name == "winner of the search":
        values = [s.winner.mean if s.winner else math.nan for s in study.searches]
    elif name == "constant prediction":
        values = [s.floor for s in study.searches]
    else:
        scores = [[o for o in s.others if escape(o.name) == name] for s in study.searches]
        values = [float(np.mean(found[0].auc_pr)) if found else math.nan for found in scores]
    return number(float(np.mean(values)))


def _spread(values: Sequence[float]) -> str:
    sd = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{sd}"


def _counts(item: RepeatedConfig) -> str:
    parts = [str(len(item.values) - item.n_diverged)]
    if item.n_diverged:
        parts.append(f"{item.n_diverged} diverged")
    if item.n_failed:
        parts.append(f"{item.n_failed} failed")
    return ", ".join(parts)


def _codes(values: Iterable[str]) -> str:
    return ", ".join(f"<code>{escape(value)}</code>" for value in values)
