"""Statistics of all splits: counts, label ranges, similarity to training (tables S3 to S6).

One step of a study, and the only one that looks at the test entries: at their compositions and
labels, to describe the test set, never to learn or to choose.
"""

from __future__ import annotations

from sie.datasets.record import Database
from sie.splits.record import Split
from sie.splits.similarity import split_statistics, statistics_table
from sie.study.workbench import Workbench


def run_splits(bench: Workbench, database: Database) -> None:
    """Write split_statistics.csv for left-out clusters, folds and the test set.

    Parameters
    ----------
    bench : Workbench
        Gives the splits.
    database : Database
        All entries, those of the test set included.
    """
    table = database.table
    labels = dict(zip(database.ids, (int(v) for v in database.labels), strict=True))
    sigmas = table["log10_sigma"].astype(float).to_dict()
    compositions = {k: s.composition.element_composition for k, s in database.structures.items()}
    test = Split("test", bench.held.development, bench.held.test, {"kind": "test"})
    rows = [
        split_statistics(split, labels, sigmas, compositions, relative=relative)
        for split in (*_every_cluster(bench), *bench.folds, test)
        for relative in (False, True)
    ]
    bench.write_table("split_statistics", statistics_table(rows).reset_index())


def _every_cluster(bench: Workbench) -> list[Split]:
    """Return a split for every cluster, also for those of one class, which are described too."""
    clustering = bench.data.clustering
    members = sorted(zip(clustering.ids, clustering.labels, strict=True))
    return [
        Split(
            f"loco-{number}",
            tuple(entry for entry, own in members if own != number),
            tuple(entry for entry, own in members if own == number),
        )
        for number in clustering.numbers
    ]
