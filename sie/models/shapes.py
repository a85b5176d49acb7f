"""Names and shapes of the weights of AtomSets, and several members' weights as one set of arrays.

NumPy only; what is computed with the weights lives in `atomsets`, `forward` and `stacked`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.models.inputs import input_shapes
from sie.models.readout_weights import pooled_width, pooling_shapes


def weight_shapes(config: TrialConfig, dimension: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every trained weight by name, for rows of `dimension` columns.

    The order is that of `AtomSets.named_variables`.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for part, n_inputs in (("phi", dimension), ("rho", pooled_width(config))):
        for i in range(config.n_layers):
            shapes[f"{part}/{i}/kernel"] = (n_inputs, config.n_neurons)
            shapes[f"{part}/{i}/bias"] = (config.n_neurons,)
            n_inputs = config.n_neurons
    shapes |= {f"readout/{name}": shape for name, shape in pooling_shapes(config).items()}
    return {**shapes, "score/kernel": (config.n_neurons, 1), "score/bias": (1,)}


def require_shapes(
    weights: Mapping[str, np.ndarray],
    config: TrialConfig,
    dimension: int,
    n_leading: int = 0,
    with_inputs: bool = False,
) -> None:
    """Raise unless `weights` are those of such a network.

    Parameters
    ----------
    weights : Mapping
        Arrays by name.
    config : TrialConfig
        Gives depth, width and readout.
    dimension : int
        Length d of an input row.
    n_leading : int
        Axes in front of those of the weights.
    with_inputs : bool
        Whether the statistics of standardised rows belong to them, as in a network that is kept.

    Raises
    ------
    InputError
        When a name is missing or unknown, or a shape differs.
    """
    expected = weight_shapes(config, dimension)
    if with_inputs:
        expected |= input_shapes(config, dimension)
    if wrong := set(weights) ^ set(expected):
        raise InputError(
            f"weights do not fit this network: {', '.join(sorted(wrong))} on one side only; "
            "give the configuration saved beside them"
        )
    first = expected["phi/0/kernel"][-1:]
    found = weights["phi/0/kernel"].shape[n_leading:]
    if found[1:] == first and found != expected["phi/0/kernel"]:
        raise InputError(
            f"features have rows of {dimension} numbers, but the network takes {found[0]}; "
            "give features of the representation and level it was trained on"
        )
    for name, shape in expected.items():
        if weights[name].shape[n_leading:] != shape:
            raise InputError(
                f"weights do not fit this network: {name} has shape "
                f"{weights[name].shape[n_leading:]}, expected {shape}; give the configuration "
                "saved beside them"
            )


def stack(weights: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join the weights of members of one shape.

    Returns
    -------
    dict
        Float32 arrays by name, shape (n_members, ...).

    Raises
    ------
    InputError
        When there is no member, or names or shapes differ between members.
    """
    if not weights:
        raise InputError("no member to stack; give the weights of one network at least")
    shapes = {name: array.shape for name, array in weights[0].items()}
    for place, member in enumerate(weights):
        if {name: array.shape for name, array in member.items()} != shapes:
            raise InputError(
                f"member {place} has another network shape than member 0; stack members of one "
                "shape at a time"
            )
    return {
        name: np.stack([np.asarray(member[name], dtype=np.float32) for member in weights])
        for name in shapes
    }
