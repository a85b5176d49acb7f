"""What an epoch must cost: operations and bytes counted, the machine's speeds measured.

Counting needs no TensorFlow; where an epoch's time really goes is measured in parts.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from sie.models.config import TrialConfig
from sie.models.readout_weights import folds

FLOAT_BYTES = 4
BIG_PRODUCT = 2048
COPY_FLOATS = 2**26
"""A copy of 256 MB: far beyond any cache."""


@dataclass(frozen=True)
class Load:
    """What passes through a network.

    Attributes
    ----------
    structures, rows, batches : int
        Crystals, their orbit rows, and the batches that they are cut into.
    """

    structures: int
    rows: int
    batches: int


@dataclass(frozen=True)
class Machine:
    """What the hardware reaches with the threads of this process.

    Attributes
    ----------
    product, big_product : float
        Float32 operations per second of (b, 2 h) @ (2 h, 3 h), the readout's own product for a
        batch of b and width h, and of a square product of 2048.
    bandwidth : float
        Bytes per second, read and written, of a large copy.
    """

    product: float
    big_product: float
    bandwidth: float


def forward_operations(config: TrialConfig, dimension: int, load: Load) -> dict[str, int]:
    """Count the floating-point operations that a forward pass needs in phi, readout and rho.

    A multiplication and an addition are two operations. Counted are matrix products; left out are
    biases, activations, dropout and softmax weights, which are no more than some per cent. The
    exact savings of sie's readout (`sie.models.set2set`) are taken; what its attention spends on
    the rows of other structures is not needed, see `attention_waste`. With width w, depth L,
    readout width h, T rounds:

    - phi: 2 rows (d w + (L - 1) w²)
    - readout: 4 T w rows for scores and means; 2 w h (batches + T structures) for queries brought
      to the rows' columns and the last mean to the memory's; 6 h² (batches + (T - 2) structures)
      for the hidden half of the gates; for their other half (T - 1) structures (2 w h + 6 h²), or,
      where the kernels are folded, 6 h² (w + 1) batches + 6 (T - 1) w h structures
    - rho: 2 structures (2 h w + (L - 1) w² + w)

    Parameters
    ----------
    config : TrialConfig
        Gives depth, width and readout.
    dimension : int
        Length d of an input row.
    load : Load
        What passes through.
    """
    width, readout, rounds = config.n_neurons, config.readout_width, config.readout_steps
    hidden = (config.n_layers - 1) * width**2
    attention = 4 * rounds * width * load.rows
    brought = 2 * width * readout * (load.batches + rounds * load.structures)
    half = 6 * readout**2  # h or r of one structure, times its half of the kernel
    gates = 0
    if rounds > 1:
        gates = half * (load.batches + (rounds - 2) * load.structures)
        after_read = (rounds - 1) * load.structures
        folded = half * (width + 1) * load.batches + 6 * width * readout * after_read
        plain = (2 * width * readout + half) * after_read
        gates += folded if folds(width, readout) else plain
    return {
        "phi": 2 * load.rows * (dimension * width + hidden),
        "readout": attention + brought + gates,
        "rho": 2 * load.structures * (2 * readout * width + hidden + width),
    }


def attention_waste(config: TrialConfig, load: Load) -> int:
    """Count the forward operations between rows and other structures of their part of the batch.

    Parts are taken as equally large; backward it is twice as many.
    """
    from sie.models.set2set import ATTENTION_PARTS

    others = load.structures / load.batches / ATTENTION_PARTS - 1
    return round(4 * config.readout_steps * config.n_neurons * load.rows * others)


def backward_operations(config: TrialConfig, dimension: int, load: Load) -> dict[str, int]:
    """Count the operations of the backward pass: for each product one per factor.

    The input rows need no gradient, so the first layer of phi has one product, not two.
    """
    parts = {name: 2 * n for name, n in forward_operations(config, dimension, load).items()}
    parts["phi"] -= 2 * load.rows * dimension * config.n_neurons
    return parts


def epoch_operations(
    config: TrialConfig, dimension: int, training: Load, validation: Load
) -> dict[str, int]:
    """Count one epoch by part: training forward and backward; validation forward on its own."""
    forward = forward_operations(config, dimension, training)
    backward = backward_operations(config, dimension, training)
    parts = {name: forward[name] + backward[name] for name in forward}
    predicted = forward_operations(config, dimension, validation)
    return {**parts, "validation": sum(predicted.values())}


def n_weights(config: TrialConfig, dimension: int) -> int:
    """Count the trained numbers of sie's network, with the readout's two idle entries."""
    width, readout = config.n_neurons, config.readout_width
    dense = 2 * (config.n_layers - 1) * (width + 1) * width
    ends = (dimension + 1) * width + (2 * readout + 1) * width + width + 1
    recurrent = (2 * readout + 1) * 3 * readout + 2
    return dense + ends + (width + 1) * readout + recurrent


def update_bytes(config: TrialConfig, dimension: int) -> float:
    """Return the least memory traffic in bytes of one LAMB + Lookahead update.

    LAMB must know a variable's whole step before it scales it, so there are two passes: one reads
    gradient and both moments and writes the moments; one reads weight and moments again and writes
    the weight, whose norm the next update needs. Lookahead reads and writes the slow weight at
    every 6th update. That is 9 + 2 / 6 floats a weight. What stays in the processor's cache can be
    faster than that.
    """
    from sie.training.optimiser import SYNC_PERIOD

    return FLOAT_BYTES * n_weights(config, dimension) * (9 + 2 / SYNC_PERIOD)


def roofline(
    operations: int, update: float, machine: Machine, epoch_seconds: float
) -> dict[str, Any]:
    """Compare a measured epoch with the time that arithmetic and the updates' traffic need.

    Both are added, for an update begins when its gradients are there; arithmetic is set at the
    better of the two products' speeds.

    Parameters
    ----------
    operations : int
        Of the whole epoch.
    update : float
        Bytes of all updates of the epoch.
    machine : Machine
        Measured with the same threads.
    epoch_seconds : float
        Measured.
    """
    arithmetic = operations / max(machine.product, machine.big_product)
    traffic = update / machine.bandwidth
    return {
        "operations": operations,
        "update_bytes": update,
        **asdict(machine),
        "arithmetic_s": arithmetic,
        "update_s": traffic,
        "measured_s": epoch_seconds,
        "share": (arithmetic + traffic) / epoch_seconds,
    }


def line(name: str, found: dict[str, Any]) -> str:
    """Say in one line what `roofline` found."""
    return (
        f"{name:>16}: arithmetic alone would take {1e3 * found['arithmetic_s']:.1f} ms an epoch, "
        f"bandwidth of the update {1e3 * found['update_s']:.1f} ms; "
        f"measured {1e3 * found['measured_s']:.1f} ms: so {found['share']:.0%} of the roofline"
    )


def best_seconds(action: Callable[[], object], seconds: float = 0.4) -> float:
    """Return the shortest time of the action, called for about so many seconds."""
    action()
    times: list[float] = []
    while not times or sum(times) < seconds:
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


@cache
def product_speed(m: int, k: int, n: int) -> float:
    """Measure (m, k) @ (k, n) with TensorFlow and this process' threads, operations per second."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    a = tf.constant(rng.random((m, k), dtype=np.float32))
    b = tf.constant(rng.random((k, n), dtype=np.float32))
    return 2 * m * k * n / best_seconds(lambda: tf.matmul(a, b))


@cache
def copy_bandwidth(threads: int, n_floats: int = COPY_FLOATS) -> float:
    """Measure a copy shared by the threads: bytes read and written per second."""
    source = np.ones((threads, n_floats // threads), np.float32)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(threads) as pool:
        took = best_seconds(lambda: list(pool.map(np.copyto, target, source)))
    return 2 * source.nbytes / took


def measure_machine(batch_size: int, readout_width: int, threads: int) -> Machine:
    """Measure products and copy, each once in a process; about two seconds."""
    return Machine(
        product_speed(batch_size, 2 * readout_width, 3 * readout_width),
        product_speed(BIG_PRODUCT, BIG_PRODUCT, BIG_PRODUCT),
        copy_bandwidth(threads),
    )
