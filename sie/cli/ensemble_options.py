"""Options of experiments/build_ensemble.py, and what follows from them alone.

Nothing is read here; what is done with them is in `sie.cli.ensemble`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sie.cli.arguments import REPOSITORY
from sie.ensemble.record import Recipe
from sie.ensemble.recording import default_model_name
from sie.search.space import read_space, space_path
from sie.secrets import hidden

SPACES = REPOSITORY / "search_spaces"

OFF = "off"
DATA_OPTIONS = (
    "dataset", "data_dir", "table", "cifs", "test_set", "clusters", "representation", "level",
)  # fmt: skip


@dataclass(frozen=True)
class EnsembleOptions:
    """Options of the command, by their names there."""

    dataset: str = "starter"
    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None
    test_set: str = "random"
    clusters: Path | None = None
    representation: str = "CAMNS"
    level: int = 1
    search_space: str | None = None
    name: str = "search"
    code: str | None = None
    exclude: tuple[int, ...] = ()
    allow_missing: bool = False
    top_configs: int = 1
    winner: str = "best"
    seeds: int = 10
    seed: int = 42
    epochs: int | None = None
    pretrained: str | None = None
    mix_forest: float = 0.0
    calibrate: str | None = None
    calibration_seeds: int = 1
    max_concurrent: int = 4
    address: str | None = None
    fresh: bool = False
    dry_run: bool = False
    out: Path | None = None
    register: str | None = None
    tracking_uri: str | None = None
    record_folder: Path = Path("mlruns")
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> EnsembleOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    @property
    def of_data(self) -> dict[str, Any]:
        """The options that say which crystals are learnt from, and how they are seen."""
        return {name: getattr(self, name) for name in DATA_OPTIONS}

    @property
    def shared(self) -> dict[str, Any]:
        """The options that the search has too."""
        same = {"name": self.name, "tracking_uri": self.tracking_uri}
        return {**self.of_data, **same, "search_space": self.search_space}

    @property
    def views(self) -> tuple[str, ...]:
        """Views of the searches' space, where it has any."""
        if self.search_space is None:
            return ()
        return read_space(space_path(self.search_space, SPACES)).views

    def words_of_data(self) -> list[str]:
        """Return the options of the data as they are given on a command line."""
        words = []
        for name in (*DATA_OPTIONS, "tracking_uri"):
            value = getattr(self, name)
            if value != type(self).__dataclass_fields__[name].default:
                words += [f"--{name.replace('_', '-')}", hidden(str(value))]
        return words

    def folder(self, recipe: Recipe) -> Path:
        """Return where the ensemble's files go."""
        return self.out or Path("results") / recipe.dataset / "ensemble"

    def model_name(self, recipe: Recipe) -> str | None:
        """Return the name in the registry; None where nothing is registered."""
        if self.register == OFF:
            return None
        return self.register or default_model_name(recipe)
