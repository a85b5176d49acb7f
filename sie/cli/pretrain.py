"""The body of experiments/pretrain.py: crystals to features to networks to what is printed.

The top of the flow: puts rooms together and shows what they return; decides nothing itself.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sie.cli import pretrain_report as report
from sie.errors import InputError
from sie.features.extract import level_label
from sie.features.record import OrbitFeatures
from sie.files import cache_dir
from sie.models.pretrained import stem
from sie.pretraining.features import FeatureShards
from sie.pretraining.parts import Parts, divide
from sie.pretraining.settings import Settings, parse_shapes
from sie.pretraining.sources import Source, read_source
from sie.tracking.environment import ROOMS_OF_NUMBERS, code_hash, environment_tags
from sie.tracking.recorder import Recorder
from sie.tracking.store import installed_program, open_store

if TYPE_CHECKING:
    from sie.training.program import ProgramCache

RECORD_FOLDER = Path("mlruns")


@dataclass(frozen=True)
class PretrainOptions:
    """Options of the command, by their names there."""

    source: str = "matbench"
    cifs: Path | None = None
    representation: str = "CAMNS"
    level: tuple[int, ...] = (1,)
    shapes: str = "2x64"
    epochs: int | None = None
    out: Path = Path("pretrained")
    work: Path | None = None
    limit: int | None = None
    batch_size: int | None = None
    max_lr: float | None = None
    patience: int | None = None
    seed: int = 42
    threads: int = 1
    dry_run: bool = False
    tracking_uri: str | None = None

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> PretrainOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    def settings(self) -> list[Settings]:
        """Return how each network of a level is trained.

        Raises
        ------
        InputError
            When an option is out of range.
        """
        given = {
            "max_epochs": self.epochs,
            "batch_size": self.batch_size,
            "max_lr": self.max_lr,
            "patience": self.patience,
        }
        known: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        return [
            Settings(n_layers=layers, n_neurons=neurons, seed=self.seed, **known)
            for layers, neurons in parse_shapes(self.shapes)
        ]

    @property
    def work_folder(self) -> Path:
        """Where features and checkpoints are kept between starts."""
        return cache_dir() / "pretraining" if self.work is None else self.work


@dataclass(frozen=True)
class _Task:
    """What the networks of one level share."""

    options: PretrainOptions
    source: Source
    features: OrbitFeatures
    labels: Mapping[str, int]
    parts: Parts
    level: int
    computed_now: Mapping[str, float]
    failed: Counter[str]

    def name(self, settings: Settings) -> str:
        """Return what a network's files are called."""
        shape = settings.n_layers, settings.n_neurons
        return stem(self.options.representation, self.level, *shape)


def pretrain_networks(options: PretrainOptions, console: Console) -> None:
    """Read the source, compute features, train every network asked for, print how good it is."""
    settings = options.settings()
    with console.status("reading the crystals"):
        source = read_source(options.source, options.cifs)
        crystals = source.crystals.shuffled(options.seed)
    shards = FeatureShards(crystals, options.representation, options.work_folder, options.limit)
    n = shards.ranges[-1][1]
    report.print_plan(source, n, options.representation, options.level, settings, console)
    if options.dry_run:
        return
    from sie.training.program import ProgramCache
    from sie.training.threads import limit_threads

    limit_threads(options.threads)
    # spglib writes to the screen where it falls back to a tighter tolerance; all is well then
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    began = time.perf_counter()
    computed = shards.compute(options.level, report.feature_teller(n, console))
    seconds = time.perf_counter() - began
    labels = crystals.label_of()
    formulas = dict(zip(crystals.ids, crystals.formula_keys(), strict=True))
    with console.status("opening the MLflow store (the first time takes about ten seconds)"):
        store = open_store(options.tracking_uri, RECORD_FOLDER)
    cards = []
    for level in options.level:
        features, failed = shards.load(level)
        report.print_failed(failed, n, console)
        parts = divide(features.ids, [formulas[entry] for entry in features.ids], options.seed)
        cost = {"n": computed, "seconds": round(seconds, 1)} if computed else {}
        task = _Task(options, source, features, labels, parts, level, cost, failed)
        title = f"pretrain/{source.name}/{options.representation}-{level_label(level)}"
        recorder, programs = Recorder(store, title), ProgramCache()
        cards += [_network(task, item, programs, recorder, console) for item in settings]
    report.print_results(cards, console)
    report.say(console, f"weights and cards: {options.out}/; runs: {store.ui_command()}")
    report.say(console, f"next: {_next_command(options)}")


def _network(
    task: _Task,
    settings: Settings,
    programs: ProgramCache,
    recorder: Recorder,
    console: Console,
) -> dict[str, Any]:
    """Train a network, or go on with it, or find it done; return its card."""
    from sie.pretraining.card import save_network
    from sie.pretraining.training import Learner

    options, name = task.options, task.name(settings)
    learner = Learner(task.features, task.labels, task.parts, settings, programs)
    if (card := _done(options.out / f"{name}.json", learner.key)) is not None:
        report.say(console, f"{name}: done before")
        return card
    checkpoint = options.work_folder / "checkpoints" / f"{name}-{learner.key}.npz"
    trained = learner.run(checkpoint, report.epoch_teller(name, settings, console))
    path, card = save_network(
        options.out / f"{name}.npz", task.source, learner, trained, task.parts, _about(task)
    )
    checkpoint.unlink(missing_ok=True)
    report.record_network(recorder, path, card)
    return card


def _about(task: _Task) -> dict[str, Any]:
    """Return what the card says of the features and of what they were made with."""
    options = task.options
    return {
        "features": {
            "representation": options.representation,
            "level": task.level,
            "dimension": task.features.dimension,
            "hash": task.features.hash,
            "computed_now": dict(task.computed_now),
            "failed": dict(task.failed),
        },
        "subset": f"{options.limit} at random, seed {options.seed}" if options.limit else "all",
        "made_with": {
            **environment_tags(),
            "code_hash": code_hash((*ROOMS_OF_NUMBERS, "pretraining")),
        },
    }


def _done(card: Path, key: str) -> dict[str, Any] | None:
    """Return the card of a network that is trained already, from equal data and settings."""
    if not (card.is_file() and card.with_suffix(".npz").is_file()):
        return None
    try:
        found: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{card} is no card; remove it and start again") from error
    return found if found.get("key") == key else None


def _next_command(options: PretrainOptions) -> str:
    return (
        f"{installed_program('python')} experiments/loco_search.py --cluster 3 --preset quick "
        f"--representation {options.representation} --level {level_label(options.level[0])} "
        f"--pretrained {shlex.quote(str(options.out))}"
    )
