from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from race.roofline import (
    Load,
    Machine,
    attention_waste,
    backward_operations,
    copy_bandwidth,
    epoch_operations,
    forward_operations,
    n_weights,
    product_speed,
    roofline,
    update_bytes,
)
from tensorflow.python.framework import op_callbacks

from sie.models.atomsets import AtomSets, build_atomsets
from sie.models.config import TrialConfig

DIMENSION = 3
SMALL = (
    TrialConfig(n_layers=1, n_neurons=5, readout_width=7, readout_steps=3),
    TrialConfig(n_layers=3, n_neurons=4, readout_width=6, readout_steps=2),
    TrialConfig(n_layers=2, n_neurons=6, readout_width=9, readout_steps=1),
    TrialConfig(n_layers=2, n_neurons=5, readout_width=8, readout_steps=5),
    TrialConfig(n_layers=2, n_neurons=2, readout_width=16, readout_steps=3),  # folded
    TrialConfig(n_layers=1, n_neurons=1, readout_width=8, readout_steps=2),  # folded
)


class Counter:
    """Counts the operations of the matrix products that TensorFlow executes."""

    def __init__(self) -> None:
        self.operations = 0

    def __call__(self, kind: str | bytes, inputs: Any, attrs: Any, outputs: Any, *_: Any) -> None:
        kind = tf.compat.as_str(kind)  # bytes from TensorFlow's slow path
        shape = tuple(outputs[0].shape) if outputs else ()
        if kind == "MatMul":
            flags = {tf.compat.as_str(name): i for i, name in enumerate(attrs[::2])}
            transposed = attrs[2 * flags["transpose_a"] + 1]
            self.operations += 2 * int(np.prod(shape)) * inputs[0].shape[0 if transposed else 1]
        elif kind in ("BatchMatMulV2", "Einsum"):
            raise AssertionError(f"the oracle does not count {kind}")

    def of(self, action: Callable[[], Any]) -> int:
        before = self.operations
        op_callbacks.add_op_callback(self)
        try:
            action()
        finally:
            op_callbacks.remove_op_callback(self)
        return self.operations - before


def counted(model: AtomSets, config: TrialConfig, owner: list[int]) -> tuple[int, int]:
    rows = tf.random.stateless_normal((len(owner), DIMENSION), (1, 2))
    counter = Counter()
    results = []

    def forward() -> None:
        with tf.GradientTape() as tape:
            results.append(model.logits(rows, tf.ones(len(owner)), tf.constant(owner)))
        results.append(tape)

    def backward() -> None:
        logits, tape = results
        tape.gradient(logits, list(model.named_variables().values()))

    return counter.of(forward), counter.of(backward)


@pytest.mark.parametrize("config", SMALL)
def test_operations_are_those_that_tensorflow_executes(config):
    model = build_atomsets(config, DIMENSION, seed=0)
    owner = [0] * 5 + [1] * 4 + [2] * 2 + [3]
    load = Load(structures=4, rows=len(owner), batches=1)
    forward, backward = counted(model, config, owner)
    waste = attention_waste(config, load)
    assert sum(forward_operations(config, DIMENSION, load).values()) + waste == forward
    assert sum(backward_operations(config, DIMENSION, load).values()) + 2 * waste == backward


def test_an_epoch_is_the_sum_of_its_batches():
    config = SMALL[0]
    batches = [Load(3, 11, 1), Load(2, 9, 1)]
    validation = Load(1, 4, 1)
    parts = [epoch_operations(config, DIMENSION, load, validation) for load in batches]
    whole = epoch_operations(config, DIMENSION, Load(5, 20, 2), validation)
    for name in ("phi", "readout", "rho"):
        assert whole[name] == sum(part[name] for part in parts)
    forward = forward_operations(config, DIMENSION, validation)
    assert whole["validation"] == sum(forward.values())


@pytest.mark.parametrize("config", SMALL)
def test_weights_are_those_of_the_network(config):
    model = build_atomsets(config, DIMENSION, seed=0)
    sizes = [variable.shape.num_elements() for variable in model.named_variables().values()]
    assert n_weights(config, DIMENSION) == sum(sizes)


def test_an_update_grows_with_the_weights():
    small, large = (update_bytes(config, DIMENSION) for config in SMALL[:2])
    sizes = [n_weights(config, DIMENSION) for config in SMALL[:2]]
    assert large / small == pytest.approx(sizes[1] / sizes[0])


def test_share_is_that_of_the_time_needed():
    machine = Machine(product=2e9, big_product=4e9, bandwidth=1e9)
    found = roofline(operations=8_000_000_000, update=3e9, machine=machine, epoch_seconds=10.0)
    assert (found["arithmetic_s"], found["update_s"], found["share"]) == (2.0, 3.0, 0.5)
    twice = roofline(8_000_000_000, 3e9, replace(machine, product=8e9, bandwidth=2e9), 10.0)
    assert twice["share"] == 0.25


def test_the_machine_is_measured():
    assert product_speed(16, 32, 48) > 1e6
    assert copy_bandwidth(2, 2**16) > 1e6
