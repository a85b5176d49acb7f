"""The LOCO grid: searched networks, baselines and controls, cluster by cluster (Figs. 4 and 5).

One step of a study. A network's configuration and epoch are chosen on the very cluster that it is
scored on, as in the article, so its scores are optimistic; those of baselines are not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
import pandas as pd

from sie.comparison.compare import compare
from sie.comparison.loco_results import LocoResult, read_loco
from sie.comparison.record import SCORES, Kind
from sie.comparison.tables import by_split, differences, evaluations_table, summary
from sie.errors import InputError
from sie.reporting.comparison_figures import ClusterSeries, cluster_scores, score_dots
from sie.search.selection import SelectionRule
from sie.splits.record import Split
from sie.study.kfold import REFERENCE
from sie.study.settings import Pair, pair_name
from sie.study.systems import baselines, controls
from sie.study.workbench import Workbench
from sie.tracking.environment import code_hash
from sie.training.record import TrialStatus

EXPERIMENT = "loco/{dataset}/baselines"
SEARCH_NAME = "study"
SHOWN_BASELINES = (REFERENCE, "logistic-sendek")
"""Baselines in the figure by clusters; all of them are in the tables and in Fig. 5."""


def run_loco_baselines(bench: Workbench) -> pd.DataFrame:
    """Evaluate baselines and controls on every left-out cluster; write loco_baselines.csv."""
    clusters = zip(bench.data.clustering.ids, bench.data.clustering.labels, strict=True)
    groups = {entry: int(number) for entry, number in clusters}
    splits = bench.left_out_clusters
    if not splits:
        raise InputError(
            "LOCO: no cluster holds both classes; give --clusters FILE (columns id, cluster)"
        )
    results = compare(
        [*baselines(bench, groups), *controls(bench)],
        splits,
        bench.settings.baseline_seeds,
        bench.recorder(EXPERIMENT),
        bench.marks,
        bench.workers,
        partial(bench.started, "LOCO, baselines and controls"),
    )
    table = evaluations_table(results, splits, bench.positive_fractions(splits))
    bench.write_table("loco_baselines", table)
    return table


def run_loco(
    bench: Workbench, baseline_table: pd.DataFrame, search_pair: Callable[[Pair], Collection[str]]
) -> None:
    """Search every pair, then write loco_*.csv, fig4 and fig5.

    Parameters
    ----------
    bench : Workbench
        Gives the data.
    baseline_table : pandas.DataFrame
        Of `run_loco_baselines`.
    search_pair : callable
        Searches every cluster with the features of a pair, as far as that is not done, and
        returns the hashes of the plans.
    """
    found = []
    for pair in bench.settings.loco_pairs:
        plans = search_pair(pair)
        result = read_loco(bench.store, bench.data.dataset, pair_name(pair), plans, code_hash())
        if result is not None:
            found.append(result)
    write_loco(bench, baseline_table, found)


def write_loco(bench: Workbench, baseline_table: pd.DataFrame, found: Sequence[LocoResult]) -> None:
    """Write tables and figures of the grid."""
    splits = bench.left_out_clusters
    window = SelectionRule().within(bench.settings.loco_budget.max_epochs).window
    networks = [_as_evaluations(result, splits, window, bench) for result in found]
    table = pd.concat([*networks, baseline_table], ignore_index=True)
    means = summary(table)
    bench.write_table("loco_winners", _winners(found, window))
    bench.write_table("loco_evaluations", table)
    bench.write_table("loco_by_cluster", by_split(table))
    bench.write_table("loco_summary", means)
    bench.write_table("loco_differences", differences(table, REFERENCE))
    name = bench.data.dataset
    title = f"{name}, {len(splits)} left-out clusters (searched networks: optimistic)"
    bench.write_figure("fig5_loco", score_dots(means, by_split(table), title, "cluster"))
    sizes = {
        int(split.method["cluster"]): (
            len(split.validation),
            sum(bench.data.labels[entry] for entry in split.validation),
        )
        for split in splits
    }
    series = [ClusterSeries(r.name, Kind.NETWORK, r.scores(window)) for r in found]
    series += [_baseline_series(table, system) for system in SHOWN_BASELINES]
    title = f"{name}: winners of each cluster, mean ± sd over repeats at the average best epoch"
    bench.write_figure("fig4_loco_clusters", cluster_scores(series, sizes, title))


def _as_evaluations(
    result: LocoResult, splits: Sequence[Split], window: int, bench: Workbench
) -> pd.DataFrame:
    fractions = bench.positive_fractions(list(splits))
    scores = result.scores(window)
    return pd.DataFrame(
        {
            "system": result.name,
            "kind": str(Kind.NETWORK),
            "split": split.name,
            "seed": repeat,
            "status": str(TrialStatus.COMPLETED),
            "n_train": len(split.train),
            "n_validation": len(split.validation),
            "positive_fraction": fractions[split.name],
            **{score: own[score][repeat] for score in SCORES},
            "seconds": np.nan,
        }
        for split in splits
        if (own := scores.get(int(split.method["cluster"])))
        for repeat in range(len(own["auc_pr"]))
    )


def _winners(found: Sequence[LocoResult], window: int) -> pd.DataFrame:
    """Return every cluster's winner: configuration, best epoch, scores at both epochs."""
    rows = []
    for result in found:
        scores = result.scores(window)
        for winner in result.winners:
            at_average = scores[winner.cluster]["auc_pr"]
            rows.append(
                {
                    "features": result.name,
                    "cluster": winner.cluster,
                    "best_epoch": winner.verdict.window.centre,
                    "average_best_epoch": result.best_epoch,
                    "n_repeats": len(at_average),
                    "n_diverged": winner.verdict.n_diverged,
                    "n_failed": winner.verdict.n_failed,
                    "auc_pr_at_best_epoch": winner.verdict.mean,
                    "auc_pr_at_average_best_epoch": at_average.mean(),
                    "auc_pr_sd": at_average.std(ddof=1) if len(at_average) > 1 else np.nan,
                    "mcc_at_average_best_epoch": scores[winner.cluster]["mcc"].mean(),
                    "run_id": winner.run_id,
                    **winner.verdict.config.as_dict(),
                }
            )
    return pd.DataFrame(rows)


def _baseline_series(table: pd.DataFrame, system: str) -> ClusterSeries:
    own = table[table["system"] == system]
    scores = {
        int(str(split).removeprefix("loco-")): {s: part[s].to_numpy() for s in SCORES}
        for split, part in own.groupby("split")
    }
    return ClusterSeries(system, Kind.BASELINE, scores)
