"""What a screening hands to other programs: run, files, funnel and candidates as plain values.

Nothing is computed here; the screening itself is in `sie.cli.screen`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sie.screening.ranking import Ranking

FILES = ("report.html", "ranked.csv", "ranked.parquet", "candidates.csv", "rejects.csv")


@dataclass(frozen=True)
class Screened:
    """A finished screening.

    Attributes
    ----------
    ranking : Ranking
        Everything that has a score, best first.
    run_id : str
        Its run in MLflow.
    metrics : Mapping
        Counts of the funnel, and speeds, as they are in that run.
    """

    ranking: Ranking
    run_id: str
    metrics: Mapping[str, float]

    def as_dict(self, folder: Path) -> dict[str, Any]:
        """Return plain values; `folder` holds the files."""
        best = self.ranking.candidates.head(self.ranking.filters.top)
        return {
            "run_id": self.run_id,
            "folder": folder,
            "files": {name: folder / name for name in FILES},
            "funnel": {step.name: step.kept for step in self.ranking.funnel},
            "metrics": self.metrics,
            "candidates": best,
        }
