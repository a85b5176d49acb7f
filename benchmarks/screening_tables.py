"""Cut the tables of docs/screening.md from the ranking that experiments/screen.py wrote.

python benchmarks/screening_tables.py results/mp-li/ranked.parquet docs/results/obelix_screening
"""

from __future__ import annotations

import argparse
from pathlib import Path

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
    "closest_known", "novel", "space_group",
]  # fmt: skip
DECIMALS = {"p_si": 3, "p_si_sd": 3, "band_gap_eV": 2, "d_training": 2}


def with_places(ranked: pd.DataFrame, min_gap: float) -> pd.DataFrame:
    """Return the rows above a band gap with their place by P_SI there, and among all entries."""
    places = ranked.assign(place_of_all=ranked["p_si"].rank(ascending=False, method="min"))
    above = places[places["band_gap_eV"] > min_gap]
    above = above.assign(place=above["p_si"].rank(ascending=False, method="min"))
    return above.astype({"place": int, "place_of_all": int})


def main() -> None:
    """Write both tables and print how many structures they are places among."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ranked", type=Path)
    parser.add_argument("prefix", help="of the two CSV files")
    parser.add_argument("--min-gap", type=float, default=1.0, help="in eV")
    given = parser.parse_args()
    ranked = pd.read_parquet(given.ranked)
    above = with_places(ranked, given.min_gap).sort_values("place", kind="stable")
    best = above[above["novel"]].drop_duplicates("reduced_formula").head(20)
    table2 = above[above["id"].isin(ARTICLE_TABLE_2)]
    for name, rows in (("top20", best), ("table2", table2)):
        path = Path(f"{given.prefix}_{name}.csv")
        rows[["place", "place_of_all", *COLUMNS]].round(DECIMALS).to_csv(path, index=False)
        print(f"{path}: {len(rows)} rows")
    print(f"{len(ranked)} structures, {len(above)} of them above {given.min_gap:g} eV")


if __name__ == "__main__":
    main()
