"""Ordered cells against weighted embeddings, on the crystals that could be ordered (Fig. 2).

One step of a study. Both kinds of features are without Li, of the same crystals, folds and seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from sie.comparison.compare import compare
from sie.comparison.record import Evaluation, Kind, SystemResults
from sie.comparison.systems import ControlSystem, NetworkSystem, System
from sie.comparison.tables import differences, evaluations_table, summary
from sie.errors import InputError
from sie.features.cache import cached_features, features_hash
from sie.reporting.ordered_figures import PANELS, ComparedCurves, ControlLevel, ordered_comparison
from sie.splits.kfold import stratified_folds
from sie.structures.ordering import OrderedResult
from sie.structures.ordering_batch import OrderingReport, order_all
from sie.structures.representations import Representation
from sie.study.workbench import Workbench

EXPERIMENT = "ordered/{dataset}"
ORDERED, WEIGHTED = "ordered cells", "weighted embeddings"
LEVEL = 1
LEAST_ENTRIES = 20
"""Fewer ordered crystals say nothing over five folds."""


def run_ordered(bench: Workbench) -> None:
    """Order, train on both kinds of features, then write ordering_*.csv, ordered_*.csv and fig2."""
    report = _order(bench)
    ids = list(report.structures)
    labels = {entry: bench.data.labels[entry] for entry in ids}
    if len(ids) < LEAST_ENTRIES or len(set(labels.values())) < 2:
        raise InputError(
            f"ordered comparison: only {len(ids)} crystals could be ordered; raise the limits of "
            "time and size in sie/study/settings.py"
        )
    splits = stratified_folds(ids, labels)
    results = compare(
        _systems(bench, report, labels),
        splits,
        bench.settings.network_seeds,
        bench.recorder(EXPERIMENT),
        bench.marks,
        bench.workers,
        partial(bench.started, "ordered comparison"),
    )
    fractions = bench.positive_fractions(splits)
    table = evaluations_table(results, splits, fractions)
    bench.write_table("ordered_evaluations", table)
    bench.write_table("ordered_summary", summary(table))
    bench.write_table("ordered_differences", differences(table, WEIGHTED))
    curves = [_curves(result) for result in results if result.kind is Kind.NETWORK]
    levels = [_level(result) for result in results if result.kind is Kind.CONTROL]
    bench.write_figure("fig2_ordered", ordered_comparison(curves, levels))


def _order(bench: Workbench) -> OrderingReport:
    crystals = bench.data.crystals
    advance = bench.started("ordering crystals", 0, len(crystals))

    def progress(done: int, total: int, entry: str, result: OrderedResult) -> None:
        advance(f"{entry}: {result.outcome}")

    limits = bench.settings.ordered_limits
    report = order_all(crystals, limits, processes=bench.workers, progress=progress)
    rows = [
        {
            "id": entry,
            "outcome": str(result.outcome),
            "detail": result.detail,
            "seconds": round(result.seconds, 3),
            "supercell": " x ".join(map(str, result.supercell)),
            "composition_error": result.composition_error,
        }
        for entry, result in report.results.items()
    ]
    bench.write_table("ordering_crystals", pd.DataFrame(rows))
    outcomes = [{"outcome": str(o), "crystals": n} for o, n in report.counts.items()]
    bench.write_table("ordering_outcomes", pd.DataFrame(outcomes))
    return report


def _systems(bench: Workbench, report: OrderingReport, labels: dict[str, int]) -> list[System]:
    disordered = {entry: bench.data.crystals[entry] for entry in labels}
    made: list[System] = []
    for name, crystals in ((ORDERED, report.structures), (WEIGHTED, disordered)):
        about = {"representation": str(Representation.CAN), "level": f"V{LEVEL}", "cells": name}
        made.append(
            NetworkSystem(
                name,
                cached_features(crystals, Representation.CAN, LEVEL),
                features_hash(crystals, Representation.CAN, LEVEL),
                labels,
                bench.settings.config,
                bench.settings.epochs,
                about=about,
            )
        )
    return [*made, ControlSystem("mean", labels), ControlSystem("shuffled", labels)]


def _curves(result: SystemResults) -> ComparedCurves:
    """Return curves by fold, averaged over seeds, so that the band is over folds."""
    whole = max((len(c["val_auc_pr"]) for e in result.evaluations if (c := e.curves)), default=0)
    if not whole:
        reason = result.evaluations[0].reason
        raise InputError(f"ordered comparison: no training on {result.name} ended; {reason}")
    values = {
        metric: np.array(
            [
                np.mean([item.curves[f"val_{metric}"] for item in own], axis=0)
                for own in _by_split(result, whole)
            ]
        )
        for metric in PANELS
    }
    return ComparedCurves(result.name, np.arange(1, whole + 1), values)


def _by_split(result: SystemResults, whole: int) -> Sequence[list[Evaluation]]:
    groups: dict[str, list[Evaluation]] = {}
    for item in result.evaluations:
        if item.curves and item.curves["val_auc_pr"].size == whole:  # diverged ones are shorter
            groups.setdefault(item.split, []).append(item)
    return list(groups.values())


def _level(result: SystemResults) -> ControlLevel:
    means = {
        metric: float(np.mean([item.scores[metric] for item in result.evaluations]))
        for metric in PANELS
    }
    return ControlLevel(f"{result.name} control", means)
