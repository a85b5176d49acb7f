"""An ensemble as files: ensemble.json and .npz; reading them needs no maml and no TensorFlow.

The format lives here; what is computed with the weights is in `sie.ensemble.predictor`.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sie.ensemble.forest import ARRAYS, Forest
from sie.ensemble.record import KnownCompounds, Member, Recipe, TrainedEnsemble
from sie.errors import InputError
from sie.features.weights import PARTS, Block, Dense, MegnetWeights, bundled_weights
from sie.files import replacing, write_text
from sie.hashing import file_sha256
from sie.models.config import TrialConfig
from sie.models.shapes import row_length

FORMAT = 2
PLAIN_FORMAT = 1
"""Of ensembles of networks alone, which earlier versions of sie read too."""

HEAD = "ensemble.json"
MEMBERS, KNOWN, MEGNET = "members.npz", "known.npz", "megnet.npz"
FOREST = "forest.npz"
"""Only where a forest is mixed in."""

Arrays = dict[str, np.ndarray]
Shape = tuple[Any, ...]

_KNOWN_ARRAYS = ("labels", "log10_sigma", "fractions", "mean_vectors")
_EXPANSION = ("n_centres", "width_angstrom", "cutoff_angstrom", "last_centre_angstrom", "sha256")
_NETWORKS = ("feed_forward", "update")


def save_ensemble(
    folder: Path, ensemble: TrainedEnsemble, megnet: MegnetWeights | None = None
) -> Path:
    """Write an ensemble and return its folder; equal content gives equal arrays, bit for bit.

    `ensemble.json` is written last and names the SHA-256 of the other files, so a folder whose
    writing was cut off is refused by `load_ensemble`.

    Parameters
    ----------
    folder : Path
        Created where it is missing; files of an earlier ensemble are replaced.
    ensemble : TrainedEnsemble
        Weights are kept as float32.
    megnet : MegnetWeights, optional
        Network that makes the features; by default the one that maml ships.

    Raises
    ------
    SieError
        When the folder cannot be written.
    """
    network = bundled_weights() if megnet is None else megnet
    groups = group_by_shape(ensemble.members, ensemble.weights)
    known = ensemble.known
    files = {
        MEMBERS: _stacked(groups, ensemble.weights),
        KNOWN: {name: getattr(known, name) for name in _KNOWN_ARRAYS},
        MEGNET: _megnet_arrays(network),
    }
    if ensemble.forest is not None:
        files[FOREST] = ensemble.forest.arrays
    for name, arrays in files.items():
        with replacing(folder / name) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **arrays)
    head = {
        "format": PLAIN_FORMAT if ensemble.forest is None else FORMAT,
        "recipe": ensemble.recipe.as_dict(),
        "recipe_hash": ensemble.recipe.hash,
        "about": dict(ensemble.about),
        "members": [member.as_dict() for member in ensemble.members],
        "groups": list(groups.values()),
        # JSON has no NaN
        "train_loss": [loss if math.isfinite(loss) else None for loss in ensemble.train_loss],
        "left_out": list(ensemble.left_out),
        "known": {name: list(getattr(known, name)) for name in ("ids", "formulas", "elements")},
        "megnet": {name: getattr(network, name) for name in _EXPANSION},
        "sha256": {name: file_sha256(folder / name) for name in files},
    }
    if ensemble.forest is not None:
        head["forest"] = {"elements": list(ensemble.forest.elements)}
    text = json.dumps(head, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    write_text(folder / HEAD, text + "\n")
    _remove_others(folder, files)
    return folder


def load_ensemble(folder: Path) -> TrainedEnsemble:
    """Read an ensemble; members of one shape share one array for each weight.

    Raises
    ------
    InputError
        When there is no ensemble, a file of it is damaged, or a later version wrote it.
    """
    head = _read_head(folder)
    stacked = _arrays(folder, head, MEMBERS)
    known: dict[str, Any] = _arrays(folder, head, KNOWN)
    forest = _arrays(folder, head, FOREST) if "forest" in head else None
    try:
        members = tuple(
            Member(**{**item, "config": TrialConfig.from_mapping(item["config"])})
            for item in head["members"]
        )
        weights: list[Arrays] = [{} for _ in members]
        for key, array in stacked.items():
            number, name = key.split("/", 1)
            for place, index in enumerate(head["groups"][int(number)]):
                weights[index][name] = array[place]
        fields: dict[str, Any] = {key: tuple(value) for key, value in head["known"].items()}
        return TrainedEnsemble(
            Recipe.from_dict(head["recipe"]),
            members,
            weights,
            KnownCompounds(**fields, **known),
            tuple(float("nan") if loss is None else loss for loss in head["train_loss"]),
            tuple(head["left_out"]),
            head["about"],
            None if forest is None else _forest(head, forest),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, InputError) as error:
        raise _damaged(folder / HEAD) from error


def load_megnet(folder: Path) -> MegnetWeights:
    """Read the network that makes an ensemble's features.

    Raises
    ------
    InputError
        As in `load_ensemble`.
    """
    head = _read_head(folder)
    arrays = _arrays(folder, head, MEGNET)
    try:
        blocks = tuple(
            Block(*(_networks(arrays, f"{k}/{kind}") for kind in _NETWORKS))
            for k in range(int(arrays["n_blocks"]))
        )
        return MegnetWeights(arrays["embedding"], blocks, **head["megnet"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder / MEGNET) from error


def group_by_shape(
    members: Sequence[Member], weights: Sequence[Mapping[str, np.ndarray]]
) -> dict[Shape, list[int]]:
    """Return the places of the members of each shape: what can be stacked and run side by side."""
    groups: dict[Shape, list[int]] = {}
    for index, (member, arrays) in enumerate(zip(members, weights, strict=True)):
        shape = (*member.config.shape, row_length(arrays, member.config))
        groups.setdefault(shape, []).append(index)
    return groups


def _stacked(
    groups: Mapping[Shape, list[int]], weights: Sequence[Mapping[str, np.ndarray]]
) -> Arrays:
    return {
        f"{number}/{name}": np.stack([weights[i][name] for i in indices]).astype(np.float32)
        for number, indices in enumerate(groups.values())
        for name in weights[indices[0]]
    }


def _remove_others(folder: Path, files: Mapping[str, Any]) -> None:
    """Remove what an earlier ensemble in the folder had and this one has not."""
    for name in (FOREST,):
        if name not in files:
            (folder / name).unlink(missing_ok=True)


def _forest(head: Mapping[str, Any], arrays: Arrays) -> Forest:
    return Forest(tuple(head["forest"]["elements"]), *(arrays[name] for name in ARRAYS))


def _megnet_arrays(network: MegnetWeights) -> Arrays:
    arrays = {"embedding": network.embedding, "n_blocks": np.array(len(network.blocks))}
    for k, block in enumerate(network.blocks):
        for kind in _NETWORKS:
            for part, layers in getattr(block, kind).items():
                for i, (kernel, bias) in enumerate(layers):
                    key = f"{k}/{kind}/{part}/{i}"
                    arrays[f"{key}/kernel"], arrays[f"{key}/bias"] = kernel, bias
    return arrays


def _networks(arrays: Arrays, key: str) -> dict[str, tuple[Dense, ...]]:
    return {part: _layers(arrays, f"{key}/{part}") for part in PARTS}


def _layers(arrays: Arrays, key: str) -> tuple[Dense, ...]:
    n = sum(name.startswith(f"{key}/") and name.endswith("/kernel") for name in arrays)
    return tuple((arrays[f"{key}/{i}/kernel"], arrays[f"{key}/{i}/bias"]) for i in range(n))


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / HEAD
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        version = head["format"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"no ensemble in {folder}: {HEAD} is missing; give the folder that "
            "build_ensemble.py wrote, or models:/NAME/VERSION"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if version not in (PLAIN_FORMAT, FORMAT):
        raise InputError(
            f"{path} has ensemble format {version}, this version of sie reads up to {FORMAT}; "
            "upgrade sie"
        )
    return head


def _arrays(folder: Path, head: Mapping[str, Any], name: str) -> Arrays:
    """Read the arrays of one file after a look at its checksum."""
    path = folder / name
    try:
        if file_sha256(path) != head["sha256"][name]:
            raise ValueError("content does not match its checksum")
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise _damaged(path) from None


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path} is damaged or not of an ensemble of sie; copy the ensemble's folder anew, or "
        "build it again"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
