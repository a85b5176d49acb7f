"""Pre-trained weights: where they lie, how they are packed, what a network takes over from them.

Reading only needs NumPy; the training that made them lives in `sie.pretraining`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class StartingWeights:
    """What the trials of a search start from, by the shape of their network.

    Attributes
    ----------
    by_shape : Mapping
        Weights by (n_layers, n_neurons, readout_width, readout_steps); empty for cold starts.
    hash : str
        Content hash of all of them; empty where there are none.
    by_view : Mapping
        The same for each view that configurations may choose; the others are for those without.
    """

    by_shape: Mapping[tuple[int, ...], Mapping[str, np.ndarray]] = field(default_factory=dict)
    hash: str = ""
    by_view: Mapping[str, StartingWeights] = field(default_factory=dict)

    @classmethod
    def of_views(cls, by_view: Mapping[str, StartingWeights]) -> StartingWeights:
        """Return the weights of several views; those without any are left out."""
        found = {view: starts for view, starts in by_view.items() if starts.hash}
        hashes = sorted((view, starts.hash) for view, starts in found.items())
        return (
            cls({}, content_hash("starting-weights-of-views-1", hashes), found) if found else cls()
        )

    def of(self, config: TrialConfig) -> Mapping[str, np.ndarray] | None:
        """Return the weights for a trial; None where it starts cold."""
        if config.pretrained is False:
            return None
        if config.view in self.by_view:
            return self.by_view[config.view].by_shape_of(config)
        return self.by_shape_of(config)

    def by_shape_of(self, config: TrialConfig) -> Mapping[str, np.ndarray] | None:
        """Return the weights that a network of this shape has, whatever it sees."""
        if config.kind != TrialConfig().kind or config.standardise:
            return None  # they were trained on rows as they are, with Set2Set and relu
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
    if folder is not None and not folder.is_dir():
        raise InputError(f"no folder {folder}; give the one that experiments/pretrain.py wrote")
    places = [SHIPPED] if folder is None else [SHIPPED, folder]
    files = {
        path.name: path for place in places for path in weight_files(representation, level, place)
    }
    found = [read_pretrained(path) for _, path in sorted(files.items())]
    for item in found:
        own = stem(representation, level, item.config.n_layers, item.config.n_neurons)
        for name, needed, there in (
            ("shape", item.path.stem, own),
            ("row length", dimension, item.dimension),
        ):
            if needed != there:
                raise InputError(
                    f"{item.path}: pre-trained with {name} {there}, but {needed} is needed; "
                    "the file was renamed or belongs to other features: pre-train again"
                )
    by_shape = {_shape(item.config): item.weights for item in found}
    if not by_shape:
        return StartingWeights()
    named = [(list(shape), dict(weights)) for shape, weights in sorted(by_shape.items())]
    return StartingWeights(by_shape, content_hash("starting-weights-1", named))


def weight_files(representation: str, level: int, folder: Path) -> list[Path]:
    """Return the weight files of a folder for a representation and level, sorted by name."""
    return sorted(folder.glob(f"{representation}-V{level}-*x*.npz"))


def _shape(config: TrialConfig) -> tuple[int, ...]:
    return config.n_layers, config.n_neurons, config.readout_width, config.readout_steps


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
