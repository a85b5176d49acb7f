"""The systems of a study: networks of every pair, the baselines, the controls.

Which there are; how they are evaluated lives in `sie.comparison`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sie.comparison.systems import BaselineSystem, ControlSystem, NetworkSystem
from sie.features.composition import composition_statistics, element_fractions
from sie.features.descriptors import Descriptors
from sie.features.pooled import pooled
from sie.features.sendek import SENDEK_NAMES
from sie.features.sendek_cache import cached_sendek_results
from sie.models.baselines import BASELINES, Inputs
from sie.structures.representations import Representation
from sie.study.settings import Pair, pair_name
from sie.study.workbench import Workbench

POOLED: Pair = (Representation.CAMN, 1)
"""What the pooled baselines see: the article's atom features after one convolution."""


def networks(bench: Workbench, pairs: Sequence[Pair]) -> list[NetworkSystem]:
    """Return a network with the fixed configuration for every pair."""
    made = []
    for pair in pairs:
        problem = bench.problem(pair)
        about = {"representation": str(pair[0]), "level": f"V{pair[1]}"}
        made.append(
            NetworkSystem(
                pair_name(pair),
                problem.features,
                problem.features_hash,
                bench.data.labels,
                bench.settings.config,
                bench.settings.epochs,
                about=about,
            )
        )
    return made


def descriptors(bench: Workbench) -> dict[Inputs, Descriptors]:
    """Return the vectors that baselines learn from, of all development entries."""
    compositions = {
        entry: crystal.composition.element_composition
        for entry, crystal in bench.data.crystals.items()
    }
    return {
        Inputs.SENDEK: sendek(bench),
        Inputs.FRACTIONS: element_fractions(compositions),
        Inputs.STATISTICS: composition_statistics(compositions),
        Inputs.POOLED: pooled(bench.problem(POOLED).features),
    }


def sendek(bench: Workbench) -> Descriptors:
    """Return Sendek's features, and write how their sampling went to sendek_crystals.csv."""
    results = cached_sendek_results(bench.data.crystals)
    rows = [
        {
            "id": entry,
            "draws": item.n_draws,
            "converged": item.converged,
            "seconds": round(item.seconds, 4),
            **dict(zip(SENDEK_NAMES, item.values, strict=True)),
        }
        for entry, item in results.items()
    ]
    bench.write_table("sendek_crystals", pd.DataFrame(rows))
    values = np.array([item.values for item in results.values()])
    return Descriptors(tuple(results), SENDEK_NAMES, values)


def baselines(bench: Workbench, groups: Mapping[str, int] | None = None) -> list[BaselineSystem]:
    """Return the standard baselines.

    Parameters
    ----------
    bench : Workbench
        Gives crystals and labels.
    groups : Mapping, optional
        Clusters: a penalty is then chosen by leaving out clusters of the training part.
    """
    vectors = descriptors(bench)
    return [
        BaselineSystem(name, system.model, vectors[system.inputs], bench.data.labels, groups)
        for name, system in BASELINES.items()
    ]


def controls(bench: Workbench) -> list[ControlSystem]:
    """Return the mean and the shuffled control."""
    return [ControlSystem(name, bench.data.labels) for name in ("mean", "shuffled")]
