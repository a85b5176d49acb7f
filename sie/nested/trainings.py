"""Training of one candidate on every left-out set, and the probabilities it gives on the way.

Streams to a folder, one file a candidate and seed; what is chosen from them lives in estimate.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.files import replacing, write_text
from sie.nested.candidates import Candidate
from sie.nested.left_out import LeftOut

if TYPE_CHECKING:
    from sie.training.program import ProgramCache

FORMAT = 1


@dataclass(frozen=True)
class Sizes:
    """How long candidates are trained, and how often they are asked: every so many epochs."""

    epochs: int = 120
    every: int = 2

    @property
    def grid(self) -> np.ndarray:
        """Epochs, counted from 1, after which probabilities are kept."""
        return np.arange(self.every, self.epochs + 1, self.every)


class Named(Protocol):
    """Something that was trained: a candidate, or a baseline."""

    @property
    def hash(self) -> str:
        """Names its files."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""


@dataclass(frozen=True)
class Fits:
    """What one candidate and seed gave.

    Attributes
    ----------
    candidate : Candidate or BaselineCandidate
        What was trained.
    seed : int
        Of initial weights, order and dropout.
    epochs : numpy.ndarray
        Int64, shape (n_points,): counted from 1.
    probabilities : Mapping[str, numpy.ndarray]
        By `LeftOut.key` float32, shape (n_points, n_validation): in the order of its validation
        ids; NaN from where the training diverged.
    """

    candidate: Named
    seed: int
    epochs: np.ndarray
    probabilities: Mapping[str, np.ndarray]


def train_candidate(
    candidate: Candidate,
    seed: int,
    features: OrbitFeatures,
    labels: Mapping[str, int],
    left_out: Sequence[LeftOut],
    sizes: Sizes,
    programs: ProgramCache,
) -> Fits:
    """Train a candidate on every set and return its probabilities."""
    from sie.training.trainer import Trainer

    given = {}
    for item in left_out:
        trainer = Trainer(features, labels, item.split.train, item.split.validation, programs)
        trainer.start(candidate.config, seed, sizes.epochs)
        table = np.full((len(sizes.grid), len(item.split.validation)), np.nan, dtype=np.float32)
        for i in range(len(sizes.grid)):
            trainer.run_epochs(sizes.every)
            if trainer.diverged:
                break
            table[i] = trainer.validation_probabilities()
        given[item.key] = table
    return Fits(candidate, seed, sizes.grid, given)


def fits_path(folder: Path, candidate: Named, seed: int) -> Path:
    """Return the file of a candidate and seed."""
    return folder / f"{candidate.hash}-{seed}.npz"


def save_fits(folder: Path, fits: Fits) -> None:
    """Write probabilities to the candidate's file."""
    about = {"format": FORMAT, "seed": fits.seed, **fits.candidate.as_dict()}
    arrays = {f"p_{key}": table for key, table in fits.probabilities.items()}
    text = np.array(json.dumps(about))
    path = fits_path(folder, fits.candidate, fits.seed)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, about=text, epochs=fits.epochs, **arrays)


def load_fits(path: Path) -> Fits:
    """Read a candidate's file.

    Raises
    ------
    InputError
        When it is of another format.
    """
    with np.load(path, allow_pickle=False) as content:
        about = json.loads(str(content["about"]))
        if about.get("format") != FORMAT:
            raise InputError(f"{path}: format {about.get('format')} cannot be read; make it anew")
        tables = {key[2:]: content[key] for key in content.files if key.startswith("p_")}
        epochs = content["epochs"]
    named = _named(about)
    return Fits(named, int(about["seed"]), epochs, tables)


def _named(about: Mapping[str, Any]) -> Named:
    from sie.nested.baselines import BaselineCandidate

    if "baseline" in about:
        return BaselineCandidate(str(about["baseline"]))
    return Candidate.from_mapping(about)


def write_frame(
    folder: Path, labels: Mapping[str, int], left_out: Sequence[LeftOut], sizes: Sizes, data: str
) -> None:
    """Write what all files of a folder share, or check that it is the same.

    Raises
    ------
    InputError
        When the folder holds trainings of other data, splits or sizes.
    """
    frame = {
        "format": FORMAT,
        "dataset_hash": data,
        "epochs": sizes.epochs,
        "every": sizes.every,
        "validation": {item.key: list(item.split.validation) for item in left_out},
        "labels": {entry: int(labels[entry]) for entry in sorted(labels)},
    }
    path = folder / "frame.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != frame:
            raise InputError(f"{folder}: holds trainings of other data or sizes; name another one")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(frame))


def train_all(
    jobs: Sequence[tuple[Candidate, int]],
    seen: Callable[[str], OrbitFeatures],
    labels: Mapping[str, int],
    left_out: Sequence[LeftOut],
    sizes: Sizes,
    folder: Path,
    told: Callable[[str], None] = lambda line: None,
) -> None:
    """Train what is not in the folder yet, in the order given.

    Parameters
    ----------
    jobs : sequence of (Candidate, int)
        With the seed of each.
    seen : callable
        From the name of a view to features of all ids.
    labels : Mapping[str, int]
        Of all ids.
    left_out : sequence of LeftOut
        The trainings of each job.
    sizes : Sizes
        Epochs.
    folder : Path
        Of the files; several processes may share it, each with jobs of its own.
    told : callable
        Told of every job that ends.
    """
    from sie.training.program import ProgramCache

    programs = ProgramCache()
    for number, (candidate, seed) in enumerate(jobs, 1):
        if fits_path(folder, candidate, seed).exists():
            continue
        began = time.perf_counter()
        fits = train_candidate(
            candidate, seed, seen(candidate.view), labels, left_out, sizes, programs
        )
        save_fits(folder, fits)
        seconds = time.perf_counter() - began
        told(f"{number}/{len(jobs)} {candidate.name}, seed {seed}: {seconds:.0f} s")
