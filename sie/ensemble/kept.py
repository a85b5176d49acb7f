"""Trained members on disk while an ensemble is being built, so that no finished one is lost.

A working folder of the builder alone: the finished ensemble is written by `sie.ensemble.storage`.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sie.ensemble.record import Recipe
from sie.errors import InputError
from sie.models.weights import WeightFile, load_weights, save_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedMember:
    """What the training of one network left.

    Attributes
    ----------
    weights : Mapping or None
        Float32 arrays by name; None where it diverged.
    train_loss : numpy.ndarray
        Float64, shape (n_epochs,).
    diverged : str
        In which epoch and what, in words; empty for a completed training.
    """

    weights: Mapping[str, np.ndarray] | None
    train_loss: np.ndarray
    diverged: str = ""


class KeptMembers:
    """Finished members of one recipe in a folder, one file each.

    Parameters
    ----------
    parent : Path
        Holds a folder for every recipe and the sources that train it.
    recipe : Recipe
        Files of other networks are not read; what is mixed in with them does not matter.
    code : str
        Hash of the sources: members of others are not mixed with theirs.

    Attributes
    ----------
    folder : Path
        Of this recipe and these sources; created with the first member.
    """

    def __init__(self, parent: Path, recipe: Recipe, code: str) -> None:
        self._recipe = recipe.of_networks
        self.folder = parent / f"{self._recipe.hash}-{code}"

    def save(self, number: int, trained: TrainedMember) -> None:
        """Keep the member at a place of the recipe.

        Raises
        ------
        SieError
            When the folder cannot be written.
        """
        losses = [float(v) if math.isfinite(v) else None for v in trained.train_loss]
        about = {"recipe": self._recipe.hash, "train_loss": losses, "diverged": trained.diverged}
        config = self._recipe.members[number].config.as_dict()
        save_weights(self._path(number), WeightFile(config, trained.weights or {}, about))

    def read(self) -> dict[int, TrainedMember]:
        """Return the members there are by their place in the recipe; a damaged file is left out."""
        found = {}
        for number in range(len(self._recipe.members)):
            path = self._path(number)
            if not path.is_file():
                continue
            try:
                content = load_weights(path)
                losses, diverged = content.about["train_loss"], content.about["diverged"]
            except (InputError, KeyError) as error:
                log.warning("%s; the network is trained again", error)
                continue
            if content.about.get("recipe") == self._recipe.hash:
                loss = np.array([math.nan if v is None else v for v in losses], float)
                found[number] = TrainedMember(None if diverged else content.weights, loss, diverged)
        return found

    def remove(self) -> None:
        """Remove what is kept of this recipe, by other sources too."""
        for folder in self.folder.parent.glob(f"{self._recipe.hash}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"member-{number:04d}.npz"
