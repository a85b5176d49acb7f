r"""Cut the tables of docs/screening.md from the ranking that experiments/screen.py wrote.

python benchmarks/screening_tables.py results/mp-li/ranked.parquet docs/results/obelix_screening \
  --run RUN_ID --tracking-uri sqlite:///mlruns/mlflow.db

With the id of the screening's MLflow run its times stand beside the counts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

ARTICLE_TABLE_2 = {
    "mp-532413": "Li5B7S13",
    "mp-2412": "LiP5",
    "mp-27687": "LiP7",
    "mp-961684": "LiCaAs",
    "mp-1198027": "LiSi2B",
    "mp-1222826": "Li2Zr6MnCl15",
    "mp-36791": "LiNdS2",
}
"""Candidates of the article's Table 2 (10.1039/d5dd00052a) that the Materials Project holds."""

COLUMNS = [
    "id", "reduced_formula", "p_si", "p_si_sd", "band_gap_eV", "band_gap_from", "d_training",
    "closest_known", "novel", "space_group", "intermetallic",
]  # fmt: skip
DECIMALS = {"p_si": 3, "p_si_sd": 3, "band_gap_eV": 2, "d_training": 2}


def with_places(ranked: pd.DataFrame, min_gap: float) -> pd.DataFrame:
    """Return the rows above a band gap with their place by P_SI there, and among all entries."""
    places = ranked.assign(place_of_all=ranked["p_si"].rank(ascending=False, method="min"))
    above = places[places["band_gap_eV"] > min_gap]
    above = above.assign(place=above["p_si"].rank(ascending=False, method="min"))
    return above.astype({"place": int, "place_of_all": int})


def counts(ranked: pd.DataFrame, min_gap: float) -> dict[str, Any]:
    """Return how many structures pass what, of all and above a band gap (eV)."""
    above = ranked[ranked["band_gap_eV"] > min_gap]
    passing = ranked[ranked["passes"]]
    return {
        "structures": len(ranked),
        "band_gap_from": ranked["band_gap_from"].value_counts().to_dict(),
        "p_si_above_0.5": int((ranked["p_si"] > 0.5).sum()),
        "min_gap_eV": min_gap,
        "above_min_gap": {
            "structures": len(above),
            "p_si_above_0.5": int((above["p_si"] > 0.5).sum()),
            **{name: above[name].value_counts().to_dict() for name in ("set_80", "set_90")
               if name in above},
        },
        "candidates": {
            "novel_composition": len(passing),
            "distinct_structures": int(passing["duplicate_group"].nunique()),
        },
    }  # fmt: skip


def times_of(run: str, tracking_uri: str) -> dict[str, float]:
    """Return the seconds and rates that a screening recorded."""
    from mlflow import MlflowClient

    metrics = MlflowClient(tracking_uri).get_run(run).data.metrics
    kept = ("seconds_", "structures_per", "core_hours")
    return {name: round(metrics[name], 2) for name in sorted(metrics) if name.startswith(kept)}


def main() -> None:
    """Write both tables and the counts, and print how many structures they are places among."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ranked", type=Path)
    parser.add_argument("prefix", help="of the files")
    parser.add_argument("--min-gap", type=float, default=1.0, help="in eV")
    parser.add_argument("--run", help="MLflow run of the screening, for its times")
    parser.add_argument("--tracking-uri", default="sqlite:///mlruns/mlflow.db")
    given = parser.parse_args()
    ranked = pd.read_parquet(given.ranked)
    above = with_places(ranked, given.min_gap).sort_values("place", kind="stable")
    best = above[above["novel"]].drop_duplicates("reduced_formula").head(20)
    table2 = above[above["id"].isin(ARTICLE_TABLE_2)]
    for name, rows in (("top20", best), ("table2", table2)):
        path = Path(f"{given.prefix}_{name}.csv")
        rows[["place", "place_of_all", *COLUMNS]].round(DECIMALS).to_csv(path, index=False)
        print(f"{path}: {len(rows)} rows")
    found = counts(ranked, given.min_gap)
    if given.run:
        found["times"] = times_of(given.run, given.tracking_uri)
    path = Path(f"{given.prefix}_counts.json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{len(ranked)} structures, {len(above)} of them above {given.min_gap:g} eV")


if __name__ == "__main__":
    main()
