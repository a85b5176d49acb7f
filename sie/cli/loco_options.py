"""The options of experiments/loco_search.py as one record, and back to a command line.

Parsing is in the script; what the options do is `sie.cli.loco`'s business.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sie.cli import arguments
from sie.datasets.registry import dataset_source
from sie.errors import InputError
from sie.features.views import parse_view
from sie.models.config import TrialConfig
from sie.models.pretrained import StartingWeights, load_starting_weights, weight_files
from sie.search.plan import PRESETS, Budget
from sie.search.problem import LearningProblem
from sie.search.space import SearchSpace
from sie.secrets import hidden
from sie.tracking.store import installed_program, open_store

_OF_ONE_START = (
    "space", "record_folder", "cluster", "fresh", "resume", "dry_run", "one_of_several",
    "run_options",
)  # fmt: skip

_OF_ENSEMBLES = (
    "dataset", "data_dir", "table", "cifs", "test_set", "clusters", "representation", "level",
    "tracking_uri", "name",
)  # fmt: skip


@dataclass(frozen=True)
class LocoOptions:
    """Options of the command, by their names there."""

    space: SearchSpace
    record_folder: Path
    cluster: list[str] | None = None
    dataset: str = "starter"
    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None
    test_set: str = "random"
    clusters: Path | None = None
    representation: str = "CAMNS"
    level: int = 1
    preset: str | None = None
    trials: int | None = None
    top: int | None = None
    repeats: int | None = None
    max_epochs: int | None = None
    grace_epochs: int | None = None
    trial_time_limit_s: float | None = None
    max_concurrent: int = 4
    seed: int = 42
    mode: str = "fast"
    sampler: str = "hyperopt"
    scheduler: str = "asha"
    points: str | None = None
    pretrained: str = arguments.PRETRAINED
    address: str | None = None
    fresh: bool = False
    resume: bool = False
    one_of_several: bool = False
    dry_run: bool = False
    search_space: str | None = None
    tracking_uri: str | None = None
    system_metrics: bool = False
    name: str = "search"
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any], **more: Any) -> LocoOptions:
        """Pick the options out of parsed arguments."""
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        return cls(**known, **more)

    def command(self, cluster: str) -> str:
        """Return the command line of the same search for another choice of clusters, to be shown.

        Passwords are hidden in it.
        """
        parts = [installed_program("python"), "experiments/loco_search.py"]
        shown = [shlex.quote(hidden(part)) for part in self.arguments(cluster)]
        return " ".join([*parts, *shown])

    def next_step(self, searched_all: bool) -> str:
        """Return what to run after the search: the other clusters, or the ensemble of winners."""
        if not searched_all:
            return f"the other clusters: {self.command('all')}"
        parts = [installed_program("python"), "experiments/build_ensemble.py"]
        names = [*_OF_ENSEMBLES, *(("search_space",) if self.space.views else ())]
        shown = [shlex.quote(hidden(part)) for part in self._given(names)]
        return f"the ensemble: {' '.join([*parts, *shown])}"

    def arguments(self, cluster: str) -> list[str]:
        """Return the arguments of the same search for another choice of clusters."""
        names = [item.name for item in fields(self) if item.name not in _OF_ONE_START]
        return ["--cluster", cluster, *self._given(names)]

    def _given(self, names: Sequence[str]) -> list[str]:
        """Return the arguments of those options that are not the default."""
        parts = []
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in names or value == item.default:
                continue
            option = f"--{item.name.replace('_', '-')}"
            parts += [option] if value is True else [option, str(value)]
        return parts

    def source(self) -> str:
        """Return where the dataset comes from, for the record."""
        return dataset_source(self.dataset, self.data_dir, self.table)

    def starts(self, problem: LearningProblem) -> StartingWeights:
        """Return the pre-trained weights that trials start from, as --pretrained says."""
        given = self.pretrained
        if given == "off" and not self.space.draws_starts:
            return StartingWeights()
        folder = None if given in ("on", "off") else Path(given)
        if problem.views:
            return _starts_of_views(problem.views, folder)
        seen_as = str(problem.representation), problem.level
        if folder is not None and folder.is_dir() and not weight_files(*seen_as, folder):
            raise InputError(
                f"{folder} holds no weights for {problem.representation}-V{problem.level}; make "
                "them with experiments/pretrain.py, or give --pretrained on or off"
            )
        return load_starting_weights(*seen_as, problem.features.dimension, folder)

    def first_points(self) -> tuple[TrialConfig, ...]:
        """Return the configurations to try first, as --points says."""
        if self.points is None:
            return ()
        from sie.search.points import RUNS, best_of_search, read_points

        if not self.points.startswith(RUNS):
            return read_points(Path(self.points), self.space)
        store = open_store(self.tracking_uri, self.record_folder)
        return best_of_search(store, self.points.removeprefix(RUNS).strip("/"), self.space)

    @property
    def logged(self) -> dict[str, Any]:
        """All options of the command, with the numbers of the preset where none were given."""
        if not self.run_options:
            return {}
        budget = vars(self.budget)
        numbers = {name: value for name, value in budget.items() if name in self.run_options}
        return {**self.run_options, **numbers, "search_space": self.search_space or self.space.name}

    @property
    def budget(self) -> Budget:
        """The preset's budget, or the article's, with every given option replaced."""
        return PRESETS[self.preset or "paper"].with_options(vars(self))


def _starts_of_views(views: Sequence[str], folder: Path | None) -> StartingWeights:
    """Return the weights of those views that are a single level; others have none."""
    single = {view: parse_view(view) for view in views if len(parse_view(view).blocks) == 1}
    return StartingWeights.of_views(
        {
            name: load_starting_weights(str(kind), level, view.dimension, folder)
            for name, view in single.items()
            for kind, level in view.blocks
        }
    )
