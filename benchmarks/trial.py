"""Seconds per epoch and per trial: sie's engine against the stock way, and where the time goes.

    python benchmarks/trial.py [--data-dir FOLDER] [--json FILE] [--blocks N] [--threads 1 2]
                               [--configurations 2,64,64 ...] [--engine-only]

Stock is maml's layers under Keras fit, one atom per row (race/stock.py). Before anything is timed
both ways must give equal outputs for equal weights; else the exit code is 1. Each way runs alone
in a process of its own; for each configuration they take turns, block by block. Without
--data-dir the rows are random, in the size of OBELiX as CAMNS-V1; FOLDER holds OBELiX's table and
CIFs. Stock has the atoms of the files' cells, as pymatgen reads them today, or with --cells
primitive those of primitive cells, about half as many, as the article's code read them.
A configuration is n_layers,n_neurons,batch_size. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from race import table
from race.contestants import Lap, RaceData, ask, enter, quiet
from race.data import obelix_data, synthetic_data

from sie.models.config import TrialConfig

CONFIGURATIONS = ((2, 32, 32), (2, 64, 64), (3, 128, 64), (4, 256, 128), (4, 256, 32))
"""(n_layers, n_neurons, batch_size)."""

MEASURED_TRIAL = (2, 64, 64)
"""The configuration whose stock trial is run to its end; the others' are computed."""

CELLS = ("files", "primitive")
TOLERANCE = 1e-4
SIE_EPOCHS, STOCK_EPOCHS, SIE_TRIALS = 5, 2, 3
"""Epochs of each way in a block, and whole trials of sie."""


class Contestant:
    """One way in a process of its own, which starts with the first question."""

    def __init__(self, way: str, threads: int, data: RaceData) -> None:
        self._way = way
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), enter, (way, threads, data))

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def ask(self, question: str, *arguments: Any) -> Any:
        """Call a method of the class in race/contestants.py and wait for its answer."""
        print(f"    {self._way}: {question} ...", file=sys.stderr, flush=True)
        return self._pool.submit(ask, question, *arguments).result()


def difference(stock: Contestant, sie: Contestant, config: TrialConfig) -> dict[str, float]:
    """Compare outputs for equal weights: the largest difference, and how far outputs spread."""
    ours, theirs = sie.ask("outputs", config), stock.ask("outputs", config)
    largest = float(np.abs(ours - theirs).max())
    if not largest <= TOLERANCE:
        raise SystemExit(
            f"not the same function: outputs for equal weights differ by {largest:.1e}"
        )
    return {"largest_difference": largest, "output_spread": float(np.ptp(ours))}


def race_one(
    config: TrialConfig,
    sie: Contestant,
    stock: Contestant | None,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Race both ways, or the engine alone, at one configuration."""
    result: dict[str, Any] = difference(stock, sie, config) if stock else {}
    result["sie_first_s"] = sie.ask("begin", config)
    result["stock_first_s"] = stock.ask("begin", config) if stock else np.nan
    sie_blocks, stock_blocks = [], []
    for _ in range(options.blocks):
        sie_blocks.append(sie.ask("epochs", SIE_EPOCHS))
        stock_blocks.append(stock.ask("epochs", STOCK_EPOCHS) if stock else [])
    result |= compare(sie_blocks, stock_blocks)
    trials = [sie.ask("trial", config, options.trial_epochs) for _ in range(SIE_TRIALS)]
    # Keras' epochs after the first are alike: what is left of the trial is counted, not waited for
    rest = (options.trial_epochs - 1) * result["stock_s"]
    result["trial_stock_measured"] = bool(stock) and _shape(config) == MEASURED_TRIAL
    if stock and result["trial_stock_measured"]:
        done = [lap for block in stock_blocks for lap in block]
        more = max(options.trial_epochs - 1 - len(done), 0)
        laps = [*done, *stock.ask("epochs", more)]
        rest = sum(lap.wall for lap in laps[: options.trial_epochs - 1])
    if stock:
        stock.ask("end")
    result["trial_stock_s"] = result["stock_first_s"] + rest
    result["trial_sie_s"] = float(np.median(trials))
    result["trial_ratio"] = result["trial_stock_s"] / result["trial_sie_s"]
    result["parts"] = sie.ask("parts", config)
    result["roofline"] = sie.ask("roofline", config, result["sie_s"])
    return result


def compare(
    sie_blocks: Sequence[Sequence[Lap]], stock_blocks: Sequence[Sequence[Lap]]
) -> dict[str, Any]:
    """Compare blocks of epochs that were run in turn, pair by pair.

    A pair meets the same machine, whatever else that does; so the ratio is the median over pairs,
    not the ratio of medians. `busy` is wall time over processor time of the median epoch: far
    above 1 it says that other programs had the processor.
    """

    def of(blocks: Sequence[Sequence[Lap]], what: str) -> list[float]:
        return [getattr(lap, what) for block in blocks for lap in block]

    found: dict[str, Any] = {}
    for way, blocks in (("stock", stock_blocks), ("sie", sie_blocks)):
        walls, cpus = (of(blocks, what) or [np.nan] for what in ("wall", "cpu"))
        found[f"{way}_s"] = float(np.median(walls))
        found[f"{way}_least_s"] = min(walls)
        found[f"{way}_busy"] = float(np.median(walls) / np.median(cpus))
        found[f"{way}_epochs_s"] = walls
    pairs = [
        float(np.median(of([theirs], "wall")) / np.median(of([ours], "wall")))
        for ours, theirs in zip(sie_blocks, stock_blocks, strict=True)
        if theirs
    ]
    quartiles = np.percentile(pairs, [25, 50, 75]).tolist() if pairs else [np.nan] * 3
    return found | {"ratio": quartiles[1], "ratio_quartiles": quartiles, "ratio_pairs": pairs}


def race(data: RaceData, threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Race at every configuration with so many threads; a row is printed as soon as it is known."""
    print(table.head(threads, options.trial_epochs))
    results = []
    with ExitStack() as stack:
        sie = stack.enter_context(Contestant("sie", threads, data))
        stock = None
        if not options.engine_only:
            stock = stack.enter_context(Contestant("stock", threads, data))
        for shape in options.configurations:
            config = TrialConfig(
                n_layers=shape[0],
                n_neurons=shape[1],
                batch_size=shape[2],
                readout_width=options.readout_width,
            )
            about = {
                "n_layers": config.n_layers,
                "n_neurons": config.n_neurons,
                "batch_size": config.batch_size,
                "readout_width": config.readout_width,
                "threads": threads,
            }
            results.append(about | race_one(config, sie, stock, options))
            print(table.row(results[-1]), flush=True)
    print(table.foot(results))
    return results


def summary(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the medians of the ratios: epochs at one thread and at two, trials at one."""

    def median(key: str, threads: int) -> float:
        values = [result[key] for result in results if result["threads"] == threads]
        return float(np.median(values)) if values else np.nan

    return {
        "median_ratio": median("ratio", 1),
        "median_ratio_two_threads": median("ratio", 2),
        "median_trial_ratio": median("trial_ratio", 1),
    }


def _shape(config: TrialConfig) -> tuple[int, int, int]:
    return config.n_layers, config.n_neurons, config.batch_size


def _configuration(text: str) -> tuple[int, int, int]:
    n_layers, n_neurons, batch_size = (int(number) for number in text.split(","))
    return n_layers, n_neurons, batch_size


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data-dir", type=Path, help="local copy of OBELiX")
    add("--cells", choices=CELLS, default=CELLS[0], help="whose atoms stock has (files)")
    add("--structures", type=int, default=321, help="number of random structures (321)")
    add("--json", type=Path, help="write everything to this file")
    add("--blocks", type=int, default=6, help="turns of both ways at a configuration (6)")
    add("--trial-epochs", type=int, default=40, help="epochs of a whole trial (40)")
    add("--threads", type=int, nargs="+", default=[1, 2], help="of each process (1 2)")
    add("--configurations", type=_configuration, nargs="+", default=CONFIGURATIONS)
    add("--readout-width", type=int, default=512, help="n_hidden of Set2Set (512)")
    add("--engine-only", action="store_true", help="time sie alone")
    return parser.parse_args(arguments)


def main() -> None:
    """Race with each number of threads, print tables, write the file."""
    options = parse()
    quiet()
    if options.data_dir:
        data = obelix_data(options.data_dir, options.cells)
    else:
        data = synthetic_data(options.structures, options.cells)
    machine = table.machine()
    print(table.about(data, machine))
    results = [result for n in options.threads for result in race(data, n, options)]
    medians = summary(results)
    print(table.medians(medians))
    if options.json:
        content = {
            **medians,
            "configurations": results,
            "cells": options.cells,
            "trial_epochs": options.trial_epochs,
            "machine": machine,
        }
        options.json.write_text(json.dumps(table.plain(content), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
