"""Write which searched configurations an ensemble is made of, for docs/results.md.

python benchmarks/ensemble_tables.py RUN_ID docs/results/obelix_mixed_winners.csv

RUN_ID is the MLflow run of experiments/build_ensemble.py, whose winners.json is read.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def winners_table(winners: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Return a row a configuration, by cluster and rank: scores of its repeats, epoch, view."""
    rows = [
        {
            "cluster": int(cluster),
            "rank": rank,
            "config_hash": winner["config_hash"],
            "view": winner["config"].get("view", ""),
            "n": len(winner["val_auc_pr_values"]),
            "auc_pr": winner["val_auc_pr_mean"],
            "auc_pr_sd": winner["val_auc_pr_sd"],
            "mcc": winner["scores"]["val_mcc"],
            "best_epoch": winner["best_epoch"],
        }
        for cluster, of_cluster in winners.items()
        for rank, winner in enumerate(of_cluster, 1)
    ]
    return pd.DataFrame(rows).sort_values(["cluster", "rank"], ignore_index=True)


def main() -> None:
    """Read the run's artifact and write the table."""
    from mlflow import MlflowClient

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="MLflow run of the build")
    parser.add_argument("out", type=Path)
    parser.add_argument("--tracking-uri", default="sqlite:///mlruns/mlflow.db")
    given = parser.parse_args()
    client = MlflowClient(given.tracking_uri)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(client.download_artifacts(given.run, "winners.json", folder))
        table = winners_table(json.loads(path.read_text(encoding="utf-8")))
    table.to_csv(given.out, index=False, float_format="%.4f")
    print(f"{given.out}: {len(table)} configurations of {table['cluster'].nunique()} clusters")


if __name__ == "__main__":
    main()
