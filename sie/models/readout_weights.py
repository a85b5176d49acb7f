"""Weights of the readout: their shapes, how they are drawn, and how they go to maml and back.

NumPy only; what is computed with them lives in `set2set`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sie.models.config import TrialConfig
from sie.models.initial import glorot_uniform, orthogonal

FOLDING_SHARE = 8
"""Kernels are multiplied beforehand where rows have at most this share of the width's columns."""


def folds(dimension: int, width: int) -> bool:
    """Return whether two of the layer's kernels are multiplied beforehand: rows are narrow."""
    return dimension * FOLDING_SHARE <= width


def readout_shapes(dimension: int, width: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the layer's weights by name, for rows of `dimension` columns."""
    return {
        "kernel": (dimension, width),
        "bias": (width,),
        "hidden_kernel": (width, 3 * width),
        "read_kernel": (width, 3 * width),
        "idle_kernel": (1,),
        "gate_bias": (3 * width,),
        "idle_bias": (1,),
    }


def pooling_shapes(config: TrialConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of a configuration's pooling by name."""
    if config.pooling == "set2set":
        return readout_shapes(config.n_neurons, config.readout_width)
    return {"query": (config.n_neurons,)} if config.pooling == "attention" else {}


def pooled_width(config: TrialConfig) -> int:
    """Return the length of what pooling gives for a structure."""
    return 2 * config.readout_width if config.pooling == "set2set" else config.n_neurons


def initial_pooling(rng: np.random.Generator, config: TrialConfig) -> dict[str, np.ndarray]:
    """Draw the weights of a configuration's pooling: float32 arrays of `pooling_shapes`."""
    if config.pooling == "set2set":
        return initial_readout(rng, config.n_neurons, config.readout_width)
    if config.pooling == "attention":
        return {"query": glorot_uniform(rng, config.n_neurons, 1)[:, 0]}
    return {}


def initial_readout(rng: np.random.Generator, dimension: int, width: int) -> dict[str, np.ndarray]:
    """Draw the layer's weights from maml's initial distribution (the forget gate cut out).

    Returns
    -------
    dict
        Float32 arrays of `readout_shapes`.
    """
    recurrent_bias = np.zeros(4 * width, dtype=np.float32)
    recurrent_bias[width : 2 * width] = 1  # maml's unit_forget_bias
    full = orthogonal(rng, 2 * width, 4 * width)
    kernel = glorot_uniform(rng, dimension, width)
    return from_maml([kernel, np.zeros(width, dtype=np.float32), full, recurrent_bias])


def from_maml(weights: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Turn maml's [kernel, bias, recurrent kernel, recurrent bias] into this layer's weights."""
    kernel, bias, recurrent_kernel, recurrent_bias = weights
    width = len(bias)
    # maml's gates: input, forget, cell, output
    into, idle, cell, out = np.split(recurrent_kernel, 4, axis=1)
    used = np.concatenate([into, out, cell], axis=1)
    bias_into, bias_idle, bias_cell, bias_out = np.split(recurrent_bias, 4)
    return {
        "kernel": kernel,
        "bias": bias,
        "hidden_kernel": used[:width],
        "read_kernel": used[width:],
        "idle_kernel": np.linalg.norm(idle).reshape(1),
        "gate_bias": np.concatenate([bias_into, bias_out, bias_cell]),
        "idle_bias": np.linalg.norm(bias_idle).reshape(1),
    }


def to_maml(weights: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Turn this layer's weights into maml's four; the forget gate gets one entry with its norm."""
    width = len(weights["bias"])
    idle = np.zeros((2 * width, width), dtype=np.float32)
    idle[0, 0] = weights["idle_kernel"][0]
    bias_idle = np.zeros(width, dtype=np.float32)
    bias_idle[0] = weights["idle_bias"][0]
    used = np.concatenate([weights["hidden_kernel"], weights["read_kernel"]])
    into, out, cell = np.split(used, 3, axis=1)
    bias_into, bias_out, bias_cell = np.split(weights["gate_bias"], 3)
    return [
        weights["kernel"],
        weights["bias"],
        np.concatenate([into, idle, cell, out], axis=1),
        np.concatenate([bias_into, bias_idle, bias_cell, bias_out]),
    ]
