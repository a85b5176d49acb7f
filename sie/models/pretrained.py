"""Pre-trained weights: where they lie, how they are packed, what a network takes over from them.

Reading only needs NumPy; the training that made them lives in `sie.pretraining`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.files import write_text
from sie.hashing import content_hash
from sie.models.config import TrialConfig
from sie.models.weights import WeightFile, load_weights, save_weights

SHIPPED = Path(__file__).parent / "data" / "pretrained"

CODED_FROM = 100_000
"""Kernels with so many weights or more are packed in one byte a weight, smaller ones in two."""

_CODE, _SCALE = "#code", "#scale"
_LARGEST = 127


class Parts(StrEnum):
    """What of a network starts from pre-trained weights."""

    ALL = "all"
    """Everything, as in 10.1039/d5dd00052a."""

    BODY = "body"
    """phi and the readout; rho and the score start fresh."""


@dataclass(frozen=True)
class Pretrained:
    """A pre-trained network on disk.

    Attributes
    ----------
    path : Path
        The weight file; its card is the JSON file beside it.
    config : TrialConfig
        Shape of the network, and how it was trained.
    dimension : int
        Length of an input row.
    weights : Mapping[str, numpy.ndarray]
        Float32 arrays by name, unpacked.
    about : Mapping
        The card.
    """

    path: Path
    config: TrialConfig
    dimension: int
    weights: Mapping[str, np.ndarray]
    about: Mapping[str, Any]


def starting_weights(
    config: TrialConfig,
    representation: str,
    level: int,
    dimension: int,
    folder: Path | None = None,
) -> Mapping[str, np.ndarray] | None:
    """Return the weights that a trial may start from; None where nothing was pre-trained for it.

    Parameters
    ----------
    config : TrialConfig
        The trial's; only the shape of the network matters.
    representation, level : str, int
        Of the trial's features.
    dimension : int
        Length of a row of the trial's features.
    folder : Path, optional
        The user's own weights, which come before those of the package.

    Raises
    ------
    InputError
        When the file that should fit has another shape inside, or cannot be read.
    """
    path = find_pretrained(representation, level, config.n_layers, config.n_neurons, folder)
    if path is None:
        return None
    found = read_pretrained(path)
    for name, needed, there in (
        ("n_layers", config.n_layers, found.config.n_layers),
        ("n_neurons", config.n_neurons, found.config.n_neurons),
        ("row length", dimension, found.dimension),
    ):
        if needed != there:
            raise InputError(
                f"{path}: pre-trained with {name} {there}, but {needed} is needed; "
                "the file was renamed or belongs to other features: pre-train again"
            )
    readouts = {(item.readout_width, item.readout_steps) for item in (config, found.config)}
    return found.weights if len(readouts) == 1 else None


@dataclass(frozen=True)
class StartingWeights:
    """What the trials of a search start from, by the shape of their network.

    Attributes
    ----------
    by_shape : Mapping
        Weights by (n_layers, n_neurons, readout_width, readout_steps); empty for cold starts.
    hash : str
        Content hash of all of them; empty where there are none.
    """

    by_shape: Mapping[tuple[int, ...], Mapping[str, np.ndarray]] = field(default_factory=dict)
    hash: str = ""

    def of(self, config: TrialConfig) -> Mapping[str, np.ndarray] | None:
        """Return the weights for a trial; None where it starts cold."""
        return self.by_shape.get(_shape(config))


def load_starting_weights(
    representation: str, level: int, dimension: int, folder: Path | None = None
) -> StartingWeights:
    """Read all pre-trained networks for a representation and level.

    Parameters
    ----------
    representation, level, dimension
        Of the features of a search.
    folder : Path, optional
        The user's own weights, which come before those of the package.

    Raises
    ------
    InputError
        When the folder does not exist, or a file cannot be read or belongs to other features.
    """
    places = [SHIPPED] if folder is None else [SHIPPED, folder]
    if folder is not None and not folder.is_dir():
        raise InputError(f"no folder {folder}; give the one that experiments/pretrain.py wrote")
    pattern = f"{representation}-V{level}-*x*.npz"
    files = {path.name: path for place in places for path in sorted(place.glob(pattern))}
    found = [read_pretrained(path) for _, path in sorted(files.items())]
    for item in found:
        if item.dimension != dimension:
            raise InputError(
                f"{item.path}: pre-trained with row length {item.dimension}, but {dimension} is "
                "needed; the file was renamed or belongs to other features: pre-train again"
            )
    by_shape = {_shape(item.config): item.weights for item in found}
    if folder is not None and not any(path.parent == folder for path in files.values()):
        raise InputError(
            f"{folder} holds no weights for {representation}-V{level}; make them with "
            "experiments/pretrain.py, or give --pretrained on or off"
        )
    if not by_shape:
        return StartingWeights()
    named = [(list(shape), dict(weights)) for shape, weights in sorted(by_shape.items())]
    return StartingWeights(by_shape, content_hash("starting-weights-1", named))


def _shape(config: TrialConfig) -> tuple[int, ...]:
    return config.n_layers, config.n_neurons, config.readout_width, config.readout_steps


def find_pretrained(
    representation: str, level: int, n_layers: int, n_neurons: int, folder: Path | None = None
) -> Path | None:
    """Return the weight file for a shape of network, the user's before the package's, or None.

    Raises
    ------
    InputError
        When the user's folder does not exist.
    """
    if folder is not None and not folder.is_dir():
        raise InputError(f"no folder {folder}; give the one that experiments/pretrain.py wrote")
    name = f"{stem(representation, level, n_layers, n_neurons)}.npz"
    places = [place / name for place in (folder, SHIPPED) if place is not None]
    return next((path for path in places if path.is_file()), None)


def stem(representation: str, level: int, n_layers: int, n_neurons: int) -> str:
    """Return the name of a network's files: CAMNS-V1-2x64."""
    return f"{representation}-V{level}-{n_layers}x{n_neurons}"


def write_pretrained(
    path: Path,
    config: TrialConfig,
    dimension: int,
    weights: Mapping[str, np.ndarray],
    card: Mapping[str, Any],
) -> Path:
    """Write the weight file `path` and its card beside it, and return the path.

    Raises
    ------
    SieError
        When the folder cannot be written.
    """
    about = {"dimension": dimension, "packed": True}
    save_weights(path, WeightFile(config.as_dict(), pack(weights), about))
    write_text(path.with_suffix(".json"), json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    return path


def read_pretrained(path: Path) -> Pretrained:
    """Read and unpack a weight file and its card; a missing card reads as empty.

    Raises
    ------
    InputError
        When the file is missing, damaged, or no pre-trained network.
    """
    content = load_weights(path)
    card = path.with_suffix(".json")
    try:
        about = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
        return Pretrained(
            path,
            TrialConfig.from_mapping(content.config),
            int(content.about["dimension"]),
            unpack(content.weights) if content.about.get("packed") else content.weights,
            about,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no pre-trained network ({error}); pre-train again") from error


def pack(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays of fewer bytes: small ones as float16, large kernels as int8 with scales.

    A column of a large kernel is divided by a 127th of its largest entry and rounded, so that no
    weight is off by more than 0.4 % of that entry.
    """
    packed: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if array.ndim == 2 and array.size >= CODED_FROM:
            scale = np.abs(array).max(axis=0, keepdims=True).astype(np.float32) / _LARGEST
            code = np.round(array / np.where(scale > 0, scale, 1))
            packed[name + _CODE], packed[name + _SCALE] = code.astype(np.int8), scale
        else:
            # the norms of the idle gates reach the hundreds; float16 goes to 65,504
            packed[name] = array.astype(np.float16)
    return packed


def unpack(packed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return float32 arrays by their names from what `pack` returned."""
    weights = {}
    for name, array in packed.items():
        if name.endswith(_CODE):
            bare = name.removesuffix(_CODE)
            weights[bare] = array.astype(np.float32) * packed[bare + _SCALE]
        elif not name.endswith(_SCALE):
            weights[name] = array.astype(np.float32)
    return weights


def taken_over(
    pretrained: Mapping[str, np.ndarray],
    fresh: Mapping[str, np.ndarray],
    parts: Parts | str = Parts.ALL,
) -> dict[str, np.ndarray]:
    """Return the weights that a trial starts from: pre-trained where `parts` says so.

    The norms of the readout's idle gates (`readout/idle_kernel`, `readout/idle_bias`) go with the
    readout: LAMB scales its steps by the norm of the whole gate kernel, and so must find them.

    Parameters
    ----------
    pretrained, fresh : Mapping
        Weights of two networks of the same shape, by name.
    parts : Parts or str
        What to take over.
    """
    chosen = Parts(parts)
    body = ("phi/", "readout/")
    return {
        name: pretrained[name] if chosen is Parts.ALL or name.startswith(body) else fresh[name]
        for name in fresh
    }
