"""Baselines on the same left-out sets, so that they stand beside candidates and can be mixed in.

They have no epochs; their files hold a single point. The models live in `sie.models.baselines`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sie.features.descriptors import Descriptors
from sie.nested.left_out import LeftOut
from sie.nested.trainings import Fits, fits_path, save_fits

INPUTS = ("fractions", "statistics")


@dataclass(frozen=True)
class BaselineCandidate:
    """A baseline by its name in `sie.models.baselines.BASELINES`."""

    name: str

    @property
    def hash(self) -> str:
        """What its file is called."""
        return f"baseline-{self.name}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "baseline": self.name}


def fit_baselines(
    descriptors: Mapping[str, Descriptors],
    labels: Mapping[str, int],
    left_out: Sequence[LeftOut],
    seeds: Sequence[int],
    folder: Path,
) -> None:
    """Fit forests and boosting on every set and write their probabilities, unless they are there.

    Parameters
    ----------
    descriptors : Mapping
        By one of `INPUTS`.
    labels : Mapping[str, int]
        Of all ids of the sets.
    left_out : sequence of LeftOut
        The trainings.
    seeds : sequence of int
        Of each baseline.
    folder : Path
        Of the files.
    """
    from sie.models.baselines import BASELINES, fit_predict

    for name, system in BASELINES.items():
        vectors = descriptors.get(str(system.inputs))
        if vectors is None:
            continue
        for seed in seeds:
            candidate = BaselineCandidate(name)
            if fits_path(folder, candidate, seed).exists():
                continue
            tables = {}
            for item in left_out:
                classes = np.array([labels[entry] for entry in item.split.train])
                x, other = (
                    vectors.rows_of(ids) for ids in (item.split.train, item.split.validation)
                )
                predicted = fit_predict(system.model, x, classes, other, seed)
                tables[item.key] = predicted[None].astype(np.float32)
            save_fits(folder, Fits(candidate, seed, np.zeros(1, dtype=np.int64), tables))
