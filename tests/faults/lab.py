"""Where the drills work: folders, features that are computed once, the search undisturbed.

The search itself is in `searches`, what breaks it in the drills' modules.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.searches import Search

from sie.tracking.store import open_store

UNKNOWN = 30.0
"""Seconds that stand for a search undisturbed where none was run."""


class Lab:
    """Where drills work: folders with a store, features that are computed once, calm runs.

    Parameters
    ----------
    root : Path
        Everything goes below it. What an earlier lab left there is used: features, calm runs.
    measure : bool
        Run searches undisturbed for the wall-time cost; if not, `UNKNOWN` stands for them.
    """

    def __init__(self, root: Path, measure: bool = True) -> None:
        self.root, self.cache, self._measure = root, root / "cache", measure
        self._calm = root / "calm.json"
        kept = self._calm.read_text() if self._calm.exists() else "{}"
        self.calm_seconds: dict[str, float] = json.loads(kept)
        # a new store takes ten seconds; an empty one may be copied
        open_store(None, root / "template")

    def folder(self, name: str) -> Path:
        """Return a new folder with an empty store in ``mlruns/``."""
        taken = sum(1 for _ in self.root.glob(f"{name}-*"))
        folder = self.root / f"{name}-{taken + 1}"
        (folder / "mlruns").mkdir(parents=True)
        shutil.copy(self.root / "template" / "mlflow.db", folder / "mlruns" / "mlflow.db")
        return folder

    def search(self, name: str, **settings: Any) -> Search:
        """Return a search in a new folder."""
        return Search(self.folder(name), self.cache, **settings)

    def calm(self, setting: str, make: Callable[[str], Search] | None = None) -> float:
        """Return the wall time of the search undisturbed, run once for each setting.

        Parameters
        ----------
        setting : str
            Says on what it runs.
        make : callable
            Makes the search from a name.
        """
        if not self._measure:
            return self.calm_seconds.get(setting, UNKNOWN)
        if setting not in self.calm_seconds:
            search = make(f"calm-{setting}") if make else self.search(f"calm-{setting}")
            try:
                # the first one computes features that the others find
                if not any(self.cache.glob("*")):
                    self.warm()
                search.start().wait()
                if search.starts[-1].code != 0:
                    raise RuntimeError(f"undisturbed ({setting}): {search.starts[-1].said[-2000:]}")
                self.calm_seconds[setting] = search.wall
                self._calm.write_text(json.dumps(self.calm_seconds))
            finally:
                search.clear()
        return self.calm_seconds[setting]

    def warm(self) -> None:
        """Compute the features."""
        search = self.search("warm", options=("--dry-run",))
        search.start().wait()
