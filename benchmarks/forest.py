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

from sie.datasets.registry import load_dataset
from sie.search.problem import LearningProblem, prepare_problem
from sie.splits.kfold import stratified_folds
from sie.splits.left_out import loco_split, usable_clusters
from sie.splits.record import Split
from sie.structures.representations import Representation
from sie.training.metrics import binary_metrics

N_TREES = 400
SEEDS = range(10)
ROW = (
    "{split:>10}{entries:>9}{constant:>10.3f}{auc_pr:>9.3f} ± {auc_pr_sd:.3f}"
    "{mcc:>9.3f} ± {mcc_sd:.3f}"
)


def element_fractions(problem: LearningProblem) -> dict[str, np.ndarray]:
    """Return the fraction of every element that occurs, by id."""
    from pymatgen.core import Composition

    fractions = {
        entry: Composition(problem.formulas[entry]).fractional_composition.get_el_amt_dict()
        for entry in problem.labels
    }
    elements = sorted(set().union(*fractions.values()))
    return {
        entry: np.array([amounts.get(element, 0.0) for element in elements])
        for entry, amounts in fractions.items()
    }


def scores(
    split: Split, vectors: Mapping[str, np.ndarray], labels: Mapping[str, int], seed: int
) -> dict[str, float]:
    """Train a forest on the training part and score it on the validation part."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(N_TREES, random_state=seed)
    forest.fit([vectors[i] for i in split.train], [labels[i] for i in split.train])
    predicted = forest.predict_proba([vectors[i] for i in split.validation])[:, 1]
    return binary_metrics(np.array([labels[i] for i in split.validation]), predicted)


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
    vectors = element_fractions(problem)
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
