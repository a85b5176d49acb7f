"""The k-fold grid: networks of all pairs, baselines and controls on identical folds (Fig. 3).

One step of a study; neighbours in chemistry stand on both sides of these splits.
"""

from __future__ import annotations

from functools import partial

from sie.comparison.compare import compare
from sie.comparison.tables import by_split, differences, evaluations_table, summary
from sie.reporting.comparison_figures import score_dots
from sie.study.systems import baselines, controls, networks
from sie.study.workbench import Workbench

EXPERIMENT = "kfold/{dataset}"
REFERENCE = "forest-fractions"


def run_kfold(bench: Workbench) -> None:
    """Evaluate everything, then write kfold_*.csv and fig3."""
    splits = bench.folds
    recorder = bench.recorder(EXPERIMENT)
    results = [
        *compare(
            networks(bench, bench.settings.pairs),
            splits,
            bench.settings.network_seeds,
            recorder,
            bench.marks,
            bench.workers,
            partial(bench.started, "k-fold, networks"),
        ),
        *compare(
            [*baselines(bench), *controls(bench)],
            splits,
            bench.settings.baseline_seeds,
            recorder,
            bench.marks,
            bench.workers,
            partial(bench.started, "k-fold, baselines and controls"),
        ),
    ]
    table = evaluations_table(results, splits, bench.positive_fractions(splits))
    means = summary(table)
    bench.write_table("kfold_evaluations", table)
    bench.write_table("kfold_summary", means)
    bench.write_table("kfold_differences", differences(table, REFERENCE))
    title = f"{bench.data.dataset}, {len(splits)} stratified folds"
    bench.write_figure("fig3_kfold", score_dots(means, by_split(table), title, "fold"))
