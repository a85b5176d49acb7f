"""Names and shapes of the weights of a network, and several members' weights as one set of arrays.

NumPy only; what is computed with the weights lives in each model's own modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.models.inputs import input_shapes
from sie.models.registry import find_model


def weight_shapes(config: TrialConfig, dimension: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every trained weight by name, for rows of `dimension` columns.

    The order is that in which the network has its variables.
    """
    return find_model(config.model).shapes(config, dimension)


def row_length(weights: Mapping[str, np.ndarray], config: TrialConfig, n_leading: int = 0) -> int:
    """Return how many columns the rows have that a network takes; see `require_shapes`."""
    first = next(iter(weight_shapes(config, 1)))  # what meets the rows
    return int(weights[first].shape[n_leading])


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
    first = next(iter(expected))  # what meets the rows
    found = weights[first].shape[n_leading:]
    if found[1:] == expected[first][1:] and found != expected[first]:
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


def assign_named(variables: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> None:
    """Give a network's variables their values by name.

    Raises
    ------
    InputError
        When a name is missing or unknown, or a shape differs; nothing is changed then.
    """
    if wrong := set(weights) ^ set(variables):
        raise InputError(
            f"weights do not fit this network: {', '.join(sorted(wrong))} "
            "on one side only; build it from the configuration saved beside them"
        )
    for name, variable in variables.items():
        if weights[name].shape != tuple(variable.shape):
            raise InputError(
                f"weights do not fit this network: {name} has shape {weights[name].shape}, "
                f"expected {tuple(variable.shape)}; build it from the configuration saved "
                "beside them"
            )
    for name, variable in variables.items():
        variable.assign(weights[name])
