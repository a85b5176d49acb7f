"""MEGNet networks as plain arrays; the parent of the features is read from maml's wheel.

Only reading and checking files lives here; the forward passes are in `sie.features.megnet` and
`sie.features.megnet_readout`.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.hashing import file_sha256

MODEL_FILE = "describers/data/megnet_models/formation_energy.hdf5"
MODEL_SHA256 = "51de7e372f9fdbd10a519c3fd3cbf6fcd1039cc58e092c85b0f4fef49964f57b"

PARTS = ("atom", "bond", "state")
_NETWORKS = {"atom": "v", "bond": "e", "state": "u"}
"""Suffix of each part's update network inside a MEGNet layer (phi_v, phi_e, phi_u)."""

Dense = tuple[np.ndarray, np.ndarray]
"""Kernel (n_in, n_out) and bias (n_out,), float32."""


@dataclass(frozen=True)
class Block:
    """One MEGNet block: two dense layers per part before it, then the update networks.

    Attributes
    ----------
    feed_forward : Mapping
        For each of `PARTS` the dense layers before the block's graph convolution.
    update : Mapping
        For each of `PARTS` the three dense layers of phi_v, phi_e, phi_u.
    """

    feed_forward: Mapping[str, tuple[Dense, ...]]
    update: Mapping[str, tuple[Dense, ...]]


@dataclass(frozen=True)
class Set2SetWeights:
    """A set-to-vector readout with an LSTM of h units (Vinyals et al., arXiv:1511.06391).

    Attributes
    ----------
    memory : Dense
        From a vector of the set to what is attended to: (d, h) and (h,).
    recurrent : Dense
        From the last query and what it read to the LSTM's gates: (2 h, 4 h) and (4 h,).
    steps : int
        Rounds of reading.
    """

    memory: Dense
    recurrent: Dense
    steps: int


@dataclass(frozen=True)
class ReadoutWeights:
    """What follows a MEGNet's blocks, up to one number a crystal.

    Attributes
    ----------
    atom, bond : Set2SetWeights
        Readouts of the two sets.
    dense : tuple of Dense
        From both and the state to the number, the last without activation.
    """

    atom: Set2SetWeights
    bond: Set2SetWeights
    dense: tuple[Dense, ...]


@dataclass(frozen=True)
class MegnetWeights:
    """A trained MEGNet up to its last block (Chen et al. 2019, 10.1021/acs.chemmater.9b01294).

    Attributes
    ----------
    embedding : numpy.ndarray
        Float32, shape (n_elements, 16); row Z is the element with atomic number Z.
    blocks : tuple of Block
        In the order they are applied.
    n_centres, width_angstrom, cutoff_angstrom, last_centre_angstrom : int, float, float, float
        Gaussian expansion of distances and radius of the graph.
    sha256 : str
        Of the weight file.
    """

    embedding: np.ndarray
    blocks: tuple[Block, ...]
    n_centres: int
    width_angstrom: float
    cutoff_angstrom: float
    last_centre_angstrom: float
    sha256: str


def bundled_path() -> Path:
    """Return where maml keeps the formation-energy model, without importing maml.

    Raises
    ------
    InputError
        When maml is not installed or lacks the file.
    """
    spec = importlib.util.find_spec("maml")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / MODEL_FILE).is_file():
            return path
    raise InputError("MEGNet weights not found: maml is not installed here; pip install maml")


@cache
def bundled_weights() -> MegnetWeights:
    """Read the formation-energy weights (Materials Project 2019-04-01) and check their SHA-256.

    Raises
    ------
    InputError
        When the file is not the one the method was published with.
    """
    path = bundled_path()
    weights = read_weights(path)
    if weights.sha256 != MODEL_SHA256:
        raise InputError(
            f"{path}: SHA-256 is {weights.sha256[:12]}..., expected {MODEL_SHA256[:12]}...; "
            "reinstall maml"
        )
    return weights


def read_weights(path: Path) -> MegnetWeights:
    """Read any MEGNet crystal model with element embeddings: `path` (HDF5) and `path`.json.

    Layers are told by the numbers in their names, in the order megnet builds them.
    """
    import h5py

    digest = file_sha256(path)
    graph = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))["graph_converter"]
    centres = graph["bond_converter"]["centers"]["data"]
    with h5py.File(path) as handle:
        layers = handle["model_weights"]
        dense = [_dense(layers[name][name]) for name in _numbered(layers, "dense")]
        updates = [layers[name] for name in _numbered(layers, "meg_net_layer")]
        embedding = _only(layers[_numbered(layers, "embedding")[0]])
        blocks = tuple(
            Block(
                {part: tuple(dense[6 * k + 2 * p : 6 * k + 2 * p + 2]) for p, part in _PARTS},
                {part: _update(update, _NETWORKS[part]) for part in PARTS},
            )
            for k, update in enumerate(updates)
        )
    return MegnetWeights(
        embedding,
        blocks,
        len(centres),
        float(graph["bond_converter"]["width"]),
        float(graph["cutoff"]),
        float(centres[-1]),
        digest,
    )


_PARTS = tuple(enumerate(PARTS))


def read_readout(path: Path) -> ReadoutWeights:
    """Read what follows the blocks of any MEGNet crystal model: `path` (HDF5)."""
    import h5py

    with h5py.File(path) as handle:
        layers = handle["model_weights"]
        atom, bond = _numbered(layers, "set2_set")
        in_blocks = 2 * len(PARTS) * len(_numbered(layers, "meg_net_layer"))
        dense = [_dense(layers[name][name]) for name in _numbered(layers, "dense")[in_blocks:]]
        steps = _layer_settings(handle)
        return ReadoutWeights(
            _set2set(layers[atom], int(steps[atom]["T"])),
            _set2set(layers[bond], int(steps[bond]["T"])),
            tuple(dense),
        )


def _layer_settings(handle: Any) -> dict[str, dict[str, Any]]:
    layers = json.loads(handle.attrs["model_config"])["config"]["layers"]
    return {layer["name"]: layer["config"] for layer in layers}


def _set2set(layer: Any, steps: int) -> Set2SetWeights:
    found = {name: _float32(array) for name, array in _datasets(layer).items()}
    memory = found["x_to_m_weight:0"], found["x_to_m_bias:0"]
    return Set2SetWeights(memory, (found["recurrent_kernel:0"], found["recurrent_bias:0"]), steps)


def _numbered(layers: Any, prefix: str) -> list[str]:
    """Return the names `prefix_<number>` in the order of their numbers."""
    names = [name for name in layers if re.fullmatch(rf"{prefix}_\d+", name)]
    return sorted(names, key=lambda name: int(name.rsplit("_", 1)[1]))


def _dense(group: Any) -> Dense:
    return _float32(group["kernel:0"]), _float32(group["bias:0"])


def _update(layer: Any, suffix: str) -> tuple[Dense, ...]:
    found = _datasets(layer)
    steps = sum(name.startswith(f"weight_{suffix}_") for name in found)
    return tuple(
        (_float32(found[f"weight_{suffix}_{i}:0"]), _float32(found[f"bias_{suffix}_{i}:0"]))
        for i in range(steps)
    )


def _only(layer: Any) -> np.ndarray:
    (dataset,) = _datasets(layer).values()
    return _float32(dataset)


def _datasets(group: Any) -> dict[str, Any]:
    """Return every array below a group by the last part of its name."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if hasattr(item, "shape"):
            found[name.rsplit("/", 1)[-1]] = item

    group.visititems(visit)
    return found


def _float32(dataset: Any) -> np.ndarray:
    return np.ascontiguousarray(dataset[()], dtype=np.float32)
