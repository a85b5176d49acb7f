"""What a pre-training leaves for people: lines on the screen, a run in MLflow.

Shows results and decides nothing; the command itself is in `sie.cli.pretrain`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sie.cli.config_file import log_options
from sie.features.extract import level_label
from sie.models.pretrained import stem
from sie.pretraining.settings import Settings
from sie.pretraining.sources import Source
from sie.reporting.console import duration
from sie.search.estimate import TRACE_SECONDS, Sizes, epoch_flops, machine_flops, step_seconds
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    from sie.pretraining.training import Progress

FEATURE_SECONDS = {"CAMN": 0.004, "CAN": 0.004, "CAMNS": 0.006, "CANS": 0.006}
"""Time of a crystal, most of it spglib's: the simplified ones have more symmetry to find."""

ROWS_PER_CRYSTAL = 16.0
"""Orbits of a crystal of the Materials Project, on average."""

SECONDS_BETWEEN_LINES = 30.0


def say(console: Console, text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_plan(
    source: Source,
    n: int,
    representation: str,
    levels: Sequence[int],
    settings: Sequence[Settings],
    console: Console,
) -> None:
    """Print what is trained on what, and how long it may take.

    Parameters
    ----------
    n : int
        Crystals that are used.
    settings : sequence of Settings
        One for each network of a level.
    """
    crystals = source.crystals
    left = ", ".join(f"{reason} ({count})" for reason, count in crystals.left_out.items())
    speed = machine_flops()
    training = sum(
        epoch_seconds(item, n, 16 if level == 0 else 32, speed) * item.max_epochs + TRACE_SECONDS
        for item in settings
        for level in levels
    )
    say(
        console,
        f"{source.name}: {len(crystals)} crystals, {crystals.positive_fraction:.1%} metals "
        f"({crystals.hash})" + (f"; left out: {left}" if left else ""),
    )
    say(
        console,
        f"used: {n} of them as {representation} {', '.join(map(level_label, levels))}; networks: "
        f"{', '.join(item.shape for item in settings)}, at most {settings[0].max_epochs} epochs",
    )
    say(
        console,
        f"estimate on one thread: features about {duration(n * FEATURE_SECONDS[representation])} "
        f"unless they are there already, training at most {duration(training)}",
    )


def epoch_seconds(settings: Settings, n: int, dimension: int, speed: float) -> float:
    """Return the time of an epoch over the training part of n crystals, roughly."""
    config, train = settings.config(0), round(0.85 * n)
    flops = epoch_flops(config, Sizes(train, round(0.05 * n), ROWS_PER_CRYSTAL, dimension))
    return flops / speed + train / config.batch_size * step_seconds(config, dimension)


def feature_teller(n: int, console: Console) -> Callable[[int, int], None]:
    """Return what prints how many of n crystals have features, now and then."""
    began = time.perf_counter()
    fresh, said = 0, 0.0

    def tell(done: int, computed: int) -> None:
        nonlocal fresh, said
        fresh += computed
        elapsed = time.perf_counter() - began
        if fresh and (elapsed - said > SECONDS_BETWEEN_LINES or done == n):
            said = elapsed
            left = duration(elapsed / fresh * (n - done))
            say(console, f"features: {done}/{n} crystals, about {left} left")

    return tell


def epoch_teller(name: str, settings: Settings, console: Console) -> Callable[[Progress], None]:
    """Return what prints after each epoch how good a network is, and how long it may take."""
    began = time.perf_counter()
    here = 0

    def tell(progress: Progress) -> None:
        nonlocal here
        here += 1
        each = (time.perf_counter() - began) / here
        latest = {curve: values[-1] for curve, values in progress.curves.items()}
        say(
            console,
            f"{name}: epoch {progress.epochs}/{settings.max_epochs}, "
            f"train loss {latest['train_loss']:.3f}, validation loss {latest['val_loss']:.3f}, "
            f"AUC-PR {latest['val_auc_pr']:.4f}, MCC {latest['val_mcc']:.3f}; {each:.1f} s an "
            f"epoch, at most {duration(each * (settings.max_epochs - progress.epochs))} left",
        )

    return tell


def print_failed(failed: Counter[str], n: int, console: Console) -> None:
    """Print why how many of n crystals have no features."""
    for reason, count in failed.most_common(5):
        say(console, f"without features: {count} of {n} crystals, {reason}")


def record_network(
    recorder: Recorder, path: Path, card: Mapping[str, Any], run_options: Mapping[str, Any]
) -> None:
    """Write one finished run: settings, curves, scores on the test part; card and weights."""
    data = {f"data_{k}": v for k, v in card["data"].items() if k != "left_out"}
    tags = {"phase": "pretraining", "pretraining_key": card["key"], **card["made_with"]}
    params = {**card["settings"], **data}
    run = recorder.open_run(card["key"], path.stem, tags, params)
    recorder.save_file(run, path)
    recorder.save_file(run, path.with_suffix(".json"))
    log_options(recorder, run, run_options)
    curves = {name: np.array(values) for name, values in card["curves"].items()}
    scores = {f"test_{name}": value for name, value in card["test"].items()}
    times = {"best_epoch": card["best_epoch"], "seconds_training": card["seconds_training"]}
    recorder.close_run(run, TrialStatus.COMPLETED, card["ended"], curves, {**scores, **times})


def print_results(cards: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the scores of networks on the test part, from their cards."""
    table = Table(title="Pre-trained networks, scored on the test part", title_justify="left")
    for name in ("network", "AUC-PR", "ROC-AUC", "MCC", "accuracy", "epochs", "time"):
        table.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    for card in cards:
        settings, test, shown = card["settings"], card["test"], card["features"]
        shape = settings["n_layers"], settings["n_neurons"]
        table.add_row(
            stem(shown["representation"], shown["level"], *shape),
            *(f"{test[name]:.3f}" for name in ("auc_pr", "roc_auc", "mcc", "accuracy")),
            f"{card['best_epoch']}/{card['epochs']}",
            duration(card["seconds_training"]),
        )
    console.print(table)
