"""What starting from pre-trained weights changes: cold and warm starts on identical splits.

One step of a study; folds and left-out clusters, the fixed configuration, the same seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from sie.comparison.compare import compare
from sie.comparison.systems import NetworkSystem
from sie.comparison.tables import evaluations_table, mean_interval, over_splits, summary
from sie.errors import InputError
from sie.models.pretrained import load_starting_weights
from sie.reporting.comparison_figures import SCORE_LABELS, transfer_differences
from sie.study.settings import Pair
from sie.study.systems import networks
from sie.study.workbench import Workbench

EXPERIMENT = "transfer/{dataset}"
WARM = " pre-trained"


def run_transfer(bench: Workbench) -> None:
    """Train cold and warm starts, then write transfer_*.csv and the figure.

    Raises
    ------
    InputError
        When no weights fit the configuration.
    """
    systems = _systems(bench)
    tables, compared = [], []
    for protocol, splits in (("5-fold", bench.folds), ("LOCO", bench.left_out_clusters)):
        results = compare(
            systems,
            splits,
            bench.settings.transfer_seeds,
            bench.recorder(EXPERIMENT),
            {**bench.marks, "protocol": protocol},
            bench.workers,
            partial(bench.started, f"transfer, {protocol}"),
        )
        table = evaluations_table(results, splits, bench.positive_fractions(splits))
        tables.append(table.assign(protocol=protocol))
        compared.append(paired_differences(table).assign(protocol=protocol))
    whole = pd.concat(tables, ignore_index=True)
    means = [summary(t).assign(protocol=p) for p, t in whole.groupby("protocol", sort=False)]
    differences = pd.concat(compared, ignore_index=True)
    bench.write_table("transfer_evaluations", whole)
    bench.write_table("transfer_summary", pd.concat(means, ignore_index=True))
    bench.write_table("transfer_differences", differences)
    title = (
        f"{bench.data.dataset}: {bench.settings.transfer_seeds} seeds, 95 % interval over splits"
    )
    bench.write_figure("transfer", transfer_differences(differences, title))


def paired_differences(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return pre-trained minus cold for every pair of systems, paired by split and seed.

    Parameters
    ----------
    evaluations : pandas.DataFrame
        Of `sie.comparison.tables.evaluations_table`; a warm system is named like its cold one
        with `WARM` behind it.

    Returns
    -------
    pandas.DataFrame
        Columns system, score, mean, the 95 % interval over splits (low, high), sd_seeds (of the
        mean over splits), n_splits, n_seeds.
    """
    rows = []
    indexed = evaluations.set_index(["split", "seed"])
    names = [name for name in evaluations["system"].unique() if not name.endswith(WARM)]
    for name in names:
        cold = indexed[indexed["system"] == name]
        warm = indexed[indexed["system"] == name + WARM]
        for score in SCORE_LABELS:
            difference = (warm[score] - cold[score]).dropna()
            by_split = difference.groupby("split").mean().to_numpy()
            over_seeds = over_splits(difference.rename(score).reset_index(), score)
            low, high = mean_interval(by_split)
            rows.append(
                {
                    "system": name,
                    "score": score,
                    "mean": by_split.mean() if len(by_split) else np.nan,
                    "low": low,
                    "high": high,
                    "sd_seeds": over_seeds.std(ddof=1),
                    "n_splits": len(by_split),
                    "n_seeds": len(over_seeds),
                }
            )
    return pd.DataFrame(rows)


def _systems(bench: Workbench) -> list[NetworkSystem]:
    made: list[NetworkSystem] = []
    pairs: Sequence[Pair] = bench.settings.loco_pairs
    epochs = bench.settings.transfer_epochs
    for pair, network in zip(pairs, networks(bench, pairs), strict=True):
        cold = replace(network, epochs=epochs)
        dimension = cold.features.dimension
        starts = load_starting_weights(str(pair[0]), pair[1], dimension, bench.pretrained)
        weights = starts.of(cold.config)
        if weights is not None:
            made += [cold, replace(cold, name=cold.name + WARM, weights=weights)]
    if not made:
        shape = f"{bench.settings.config.n_layers} x {bench.settings.config.n_neurons}"
        raise InputError(
            f"transfer: no pre-trained weights of shape {shape}; make them with "
            "experiments/pretrain.py and give them with --pretrained FOLDER"
        )
    return made
