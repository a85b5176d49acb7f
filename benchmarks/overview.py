"""The three figures to watch, in one table: epochs, features, and time outside training.

    python benchmarks/overview.py [--data-dir FOLDER]

Runs benchmarks/features.py and benchmarks/epochs.py, then a quick search of cluster 0 of the
starter set in a temporary folder, and reads the share of its wall time back from MLflow.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
SEARCH = BENCHMARKS.parent / "experiments" / "loco_search.py"


def search_shares(trials: int) -> dict[str, float]:
    """Run a quick search and return the metrics of its parent run."""
    from sie.tracking.queries import search
    from sie.tracking.store import open_store

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(SEARCH), "--cluster", "0", "--preset", "quick"]
        subprocess.run(
            [*command, "--trials", str(trials)], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        store = open_store(None, Path(folder) / "mlruns")
        experiment = store.experiment("loco/starter/CAMNS-V1")
        (parent,) = search(store, [experiment], "tags.phase = 'cluster-search'")
        return dict(parent.metrics)


def main() -> None:
    """Print the three parts one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="local copy of OBELiX")
    parser.add_argument("--trials", type=int, default=16, help="trials of the search")
    args = parser.parse_args()
    data = ["--data-dir", str(args.data_dir)] if args.data_dir else []
    for part in ("features.py", "epochs.py"):
        print(f"== {part}", flush=True)
        subprocess.run([sys.executable, str(BENCHMARKS / part), *data], check=True)
    print("== quick search of cluster 0, starter set", flush=True)
    shares = search_shares(args.trials)
    outside = 1 - shares["efficiency"]
    print(f"wall time {shares['wall_seconds']:.0f} s, {outside:.0%} of it outside training, ")
    print(
        f"{shares['tracking_share']:.1%} waiting for MLflow, whose writing took "
        f"{shares['mlflow_seconds']:.1f} s beside it"
    )


if __name__ == "__main__":
    main()
