"""Weight files: named arrays and the configuration that they belong to, in one .npz.

The format lives here and nothing of TensorFlow; networks give and take the arrays.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.files import replacing

FORMAT = 2
_ABOUT = "about.json"
_PREFIX = "weight/"


@dataclass(frozen=True)
class WeightFile:
    """What a weight file holds.

    Attributes
    ----------
    config : Mapping
        Hyperparameters as plain values; `TrialConfig.from_mapping` takes them.
    weights : Mapping[str, numpy.ndarray]
        Float32 arrays by name.
    about : Mapping
        Further plain values: dimension, seed, hashes.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    about: Mapping[str, Any] = field(default_factory=dict)


def save_weights(path: Path, content: WeightFile) -> None:
    """Write a weight file in one step; equal content gives equal arrays on reading, bit for bit.

    Raises
    ------
    SieError
        When the folder cannot be written.
    """
    head = {"format": FORMAT, "config": dict(content.config), "about": dict(content.about)}
    text = json.dumps(head, sort_keys=True, allow_nan=False).encode()
    arrays = {_PREFIX + name: array for name, array in content.weights.items()}
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **{_ABOUT: np.frombuffer(text, dtype=np.uint8)}, **arrays)


def load_weights(path: Path) -> WeightFile:
    """Read a weight file.

    Raises
    ------
    InputError
        When there is no such file, it is no weight file, or a later version wrote it.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(arrays.pop(_ABOUT).tobytes())
        version, config, about = head["format"], head["config"], head["about"]
    except FileNotFoundError as error:
        raise InputError(f"no weight file at {path}; check the path") from error
    # np.load answers a text file with ValueError, a torn archive with BadZipFile or EOFError
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile):
        raise InputError(
            f"{path} is not a weight file of sie, or is damaged; save the weights again"
        ) from None
    if version != FORMAT:
        raise InputError(
            f"{path} has weight format {version}, this version of sie reads {FORMAT}; upgrade sie"
        )
    weights = {name.removeprefix(_PREFIX): array for name, array in arrays.items()}
    return WeightFile(config, weights, about)
