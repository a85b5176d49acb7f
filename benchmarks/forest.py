"""What a forest on element fractions reaches in the same splits: the bar for every search.

    python benchmarks/forest.py [--dataset obelix --data-dir DIR] [--json FILE]

400 trees (scikit-learn, default settings, 10 seeds) on the fractions of the elements, for every
cluster that can be left out and for random stratified 5-fold, on the development entries only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pymatgen.core import Composition

from sie.datasets.registry import load_dataset
from sie.features.composition import element_fractions
from sie.features.descriptors import Descriptors
from sie.models.baselines import FOREST, fit_predict
from sie.search.problem import prepare_problem
from sie.splits.kfold import stratified_folds
from sie.splits.left_out import loco_split, usable_clusters
from sie.splits.record import Split
from sie.structures.representations import Representation
from sie.training.metrics import binary_metrics

SEEDS = range(10)
ROW = (
    "{split:>10}{entries:>9}{constant:>10.3f}{auc_pr:>9.3f} ± {auc_pr_sd:.3f}"
    "{mcc:>9.3f} ± {mcc_sd:.3f}"
)


def scores(
    split: Split, vectors: Descriptors, labels: Mapping[str, int], seed: int
) -> dict[str, float]:
    """Train a forest on the training part and score it on the validation part."""
    known, asked = (
        np.array([labels[entry] for entry in part]) for part in (split.train, split.validation)
    )
    train, validation = vectors.rows_of(split.train), vectors.rows_of(split.validation)
    return binary_metrics(asked, fit_predict(FOREST, train, known, validation, seed))


def main() -> None:
    """Print a row for every split: mean and sd over seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="starter")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--json", type=Path, help="write the scores to this file")
    args = parser.parse_args()
    database = load_dataset(args.dataset, data_dir=args.data_dir)
    problem, _, _ = prepare_problem(database, Representation.CAMN, 0)
    counts = usable_clusters(problem.clustering, problem.labels)
    splits = [
        loco_split(problem.clustering, count.cluster, problem.labels)
        for count in counts
        if count.usable
    ]
    splits += stratified_folds(list(problem.labels), problem.labels)
    vectors = element_fractions(
        {entry: Composition(problem.formulas[entry]) for entry in problem.labels}
    )
    print(f"{'split':>10}{'entries':>9}{'constant':>10}{'AUC-PR':>16}{'MCC':>16}")
    table = []
    for split in splits:
        drawn = [scores(split, vectors, problem.labels, seed) for seed in SEEDS]
        auc_pr, mcc = ([item[name] for item in drawn] for name in ("auc_pr", "mcc"))
        row = {
            "split": split.name,
            "entries": len(split.validation),
            "constant": problem.positive_fraction(split),
            "auc_pr": float(np.mean(auc_pr)),
            "auc_pr_sd": float(np.std(auc_pr, ddof=1)),
            "mcc": float(np.mean(mcc)),
            "mcc_sd": float(np.std(mcc, ddof=1)),
        }
        table.append(row)
        print(ROW.format(**row), flush=True)
    if args.json:
        args.json.write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
