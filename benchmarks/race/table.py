"""The race's results as aligned text, and as plain values for a file.

Nothing is measured here; the numbers come from trial.py.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from race.contestants import RaceData
from race.roofline import line

PACKAGES = ("tensorflow", "tensorflow-cpu", "tensorflow-addons", "maml", "numpy")
EPOCH_COLUMNS = {"stock": "stock_s", "sie": "sie_s", "ratio": "ratio"}
FIRST_COLUMNS = {"stock": "stock_first_s", "sie": "sie_first_s"}
TRIAL_COLUMNS = {"stock": "trial_stock_s", "sie": "trial_sie_s", "ratio": "trial_ratio"}


def machine() -> dict[str, Any]:
    """Return what the numbers hang on: processor, cores, versions."""
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }
    versions = {package.name: package.version for package in distributions()}
    return found | {name: versions[name] for name in PACKAGES if name in versions}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [text.split(":", 1)[1].strip() for text in lines if text.startswith("model name")]
    return next(iter(names), platform.processor())


def about(data: RaceData, machine: Mapping[str, Any]) -> str:
    """Say on what and with what the race is run."""
    features = data.features
    return (
        f"{data.n_train} training and {len(data.validation)} validation structures, "
        f"{len(features.rows)} orbit rows of {features.dimension} for {data.n_atoms} atoms\n"
        + ", ".join(f"{name} {value}" for name, value in machine.items())
    )


def name(result: Mapping[str, Any]) -> str:
    """Name a configuration."""
    return f"{result['n_layers']} x {result['n_neurons']}, {result['batch_size']}"


def head(threads: int, trial_epochs: int) -> str:
    """Return the race's two header lines."""
    groups = (
        f"{'':>16}{'epoch (median)':>30}{'first, with tracing':>20}"
        f"{f'trial of {trial_epochs} epochs':>30}{'outputs':>12}"
    )
    columns = [*EPOCH_COLUMNS, *FIRST_COLUMNS, *TRIAL_COLUMNS]
    names = "".join(f"{column:>10}" for column in columns)
    return (
        f"\n== seconds on {threads} thread{'s' * (threads > 1)}; layers x width, batch\n{groups}\n"
        f"{'':>16}{names}{'differ by':>12}"
    )


def row(result: Mapping[str, Any]) -> str:
    """Return one configuration's line; a stock trial that was run to its end carries an m."""
    mark = "m" if result["trial_stock_measured"] else "c"
    stock, sie, ratio = (result[key] for key in EPOCH_COLUMNS.values())
    cells = [_cell(stock, 3), _cell(sie, 3), _cell(ratio, 1)]
    cells += [_cell(result[key], 2) for key in FIRST_COLUMNS.values()]
    stock, sie, ratio = (result[key] for key in TRIAL_COLUMNS.values())
    cells += [_cell(stock, 1, mark), _cell(sie, 2), _cell(ratio, 1)]
    differ = result.get("largest_difference")
    last = f"{'-':>12}" if differ is None else f"{differ:12.1e}"
    return f"{name(result):>16}{''.join(cells)}{last}"


def _cell(value: float, digits: int, mark: str = "") -> str:
    text = "-" if math.isnan(value) else f"{value:.{digits}f}{mark}"
    return f"{text:>10}"


def foot(results: Sequence[Mapping[str, Any]]) -> str:
    """Return what follows the race: the marks, where the time goes, and the roofline."""
    marks = "m: run to its end; c: computed, first epoch and the median for each of the others"
    return "\n".join([marks, "", _parts(results), "", _roofline(results)])


def _parts(results: Sequence[Mapping[str, Any]]) -> str:
    columns = [*results[0]["parts"], "sum", "epoch"]
    lines = [
        "where sie's epoch goes, ms; pieces timed alone, beside the whole epoch",
        " " * 16 + "".join(f"{column:>11}" for column in columns),
    ]
    for result in results:
        values = list(result["parts"].values())
        values += [sum(values), result["sie_s"]]
        lines.append(f"{name(result):>16}" + "".join(f"{1e3 * value:11.1f}" for value in values))
    return "\n".join(lines)


def _roofline(results: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for result in results:
        found, batch, width = result["roofline"], result["batch_size"], result["readout_width"]
        lines.append(line(name(result), found))
        lines.append(
            f"{'':>18}{found['operations'] / 1e9:.2f} Gflop an epoch; a product of {batch} x "
            f"{2 * width} x {3 * width} reaches {found['product'] / 1e9:.0f} Gflop/s, of 2048³ "
            f"{found['big_product'] / 1e9:.0f}; a copy {found['bandwidth'] / 1e9:.1f} GB/s"
        )
    return "\n".join(lines)


def medians(found: Mapping[str, float]) -> str:
    """Return the closing lines: those medians that were measured."""
    names = {
        "median_ratio": "seconds per epoch on one thread",
        "median_ratio_two_threads": "seconds per epoch on two threads",
        "median_trial_ratio": "whole trials on one thread",
    }
    lines = [
        f"median ratio, {names[key]}: {value:.1f}"
        for key, value in found.items()
        if not math.isnan(value)
    ]
    return "\n".join(["", *lines])


def plain(value: Any) -> Any:
    """Return the same with None for every NaN, for JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
