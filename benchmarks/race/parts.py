"""Where the time of sie's epoch goes: its pieces compiled and timed one by one, same batches.

The whole epoch is timed by trial.py; what the pieces must cost is counted in roofline.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from sie.features.record import OrbitFeatures
from sie.training.metrics import binary_log_loss, binary_metrics
from sie.training.program import Program, ResidentFeatures, sigmoid

PARTS = ("input", "phi", "readout", "rho", "optimiser", "validation", "metrics")


@dataclass(frozen=True)
class Part:
    """One side of a split: its features, and float32 labels of 0 and 1, (n_structures,)."""

    features: OrbitFeatures
    labels: np.ndarray


def epoch_parts(
    program: Program, training: Part, validation: Part, batch_size: int, repeats: int = 5
) -> dict[str, float]:
    """Time the pieces of an epoch, in seconds; the network is of no use afterwards.

    input: index arrays of one order, gathering of rows, random numbers for dropout. phi, readout,
    rho: forward and backward pass alone, with gradients of ones coming from above; rho holds the
    loss and the L2 penalty of both stacks. optimiser: its updates alone. validation: prediction
    without gradients; metrics: all scores. Pieces are compiled apart, so each step pays some 0.1 ms
    a piece for its call, and nothing is counted of what an epoch does between them.

    Parameters
    ----------
    program : Program
        Compiled network with weights set.
    training, validation : Part
        Both parts of the split.
    batch_size : int
        Structures in a batch.
    repeats : int
        Epochs; medians are returned.
    """
    resident, held_out = (ResidentFeatures(part.features) for part in (training, validation))
    order = np.random.default_rng(0).permutation(len(training.features))

    def read() -> list[Any]:
        batches = resident.batches(order, batch_size)
        labels = tf.constant(training.labels)
        steps = range(len(batches[3]) - 1)
        taken = [_take(tf.constant(i), *resident.tensors, labels, *batches) for i in steps]
        # the engine draws an epoch's numbers at once; as many in all
        draws = [(program.draw(len(batch[0])), program.draw(len(batch[3]))) for batch in taken]
        return list(zip(taken, draws, strict=True))

    taken, draws = zip(*read(), strict=True)
    logits = program.predict(held_out)
    actions: dict[str, Callable[[], object]] = {
        "input": read,
        **_passes(program, taken, draws),
        "validation": lambda: program.predict(held_out),
        "metrics": lambda: _scores(validation.labels, logits),
        "optimiser": _updates(program, len(taken)),  # last: its gradients lead nowhere
    }
    times = {name: _median_seconds(action, repeats) for name, action in actions.items()}
    return {name: times[name] for name in PARTS}


@tf.function(reduce_retracing=True)
def _take(i: Any, rows: Any, multiplicity: Any, labels: Any, *batches: Any) -> tuple[Any, ...]:
    order, row_index, owner, bounds, row_bounds = batches
    here = slice(row_bounds[i], row_bounds[i + 1])
    index = row_index[here]
    of_batch = tf.gather(labels, order[bounds[i] : bounds[i + 1]])
    return tf.gather(rows, index), tf.gather(multiplicity, index), owner[here], of_batch


def _passes(
    program: Program, taken: Sequence[Any], draws: Sequence[Any]
) -> dict[str, Callable[[], object]]:
    """Return forward and backward pass of phi, readout and rho over all batches of an epoch."""
    model, variables = program.model, program.model.named_variables()
    of_part = {
        part: [variable for name, variable in variables.items() if name.startswith(part)]
        for part in ("phi", "readout", "rho", "score")
    }
    kernels = [layer.kernel for layer in model.phi]

    def phi(rows: Any, draws: Any) -> Any:
        with tf.GradientTape() as tape:
            result = model._stack(model.phi, rows, "dropout_phi", draws)
        return result, tape.gradient(result, of_part["phi"])

    def readout(rows: Any, multiplicity: Any, owner: Any) -> Any:
        shared = model.readout.shared_kernels()
        alone = [v for v in of_part["readout"] if all(v is not s.kernel for s in shared.values())]
        with tf.GradientTape() as tape:
            tape.watch(rows)
            result = model.readout([rows, multiplicity, owner], shared)
        outputs = [item.outputs for item in shared.values()]
        of_rows, of_alone, of_outputs = tape.gradient(result, [rows, alone, outputs])
        joined = [item.gradient(of) for item, of in zip(shared.values(), of_outputs, strict=True)]
        return result, (of_rows, of_alone, joined)

    def rho(read: Any, labels: Any, draws: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(read)
            logits = model.score(model._stack(model.rho, read, "dropout_rho", draws))[:, 0]
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            objective = tf.reduce_mean(losses) + model.penalty()
        return objective, tape.gradient(
            objective, [read, *of_part["rho"], *of_part["score"], *kernels]
        )

    compiled = {f.__name__: tf.function(f, reduce_retracing=True) for f in (phi, readout, rho)}
    pairs = list(zip(taken, draws, strict=True))
    encoded = [compiled["phi"](batch[0], of_phi)[0] for batch, (of_phi, _) in pairs]
    read = [
        compiled["readout"](rows, multiplicity, owner)[0]
        for rows, (_, multiplicity, owner, _) in zip(encoded, taken, strict=True)
    ]
    arguments = {
        "phi": [(batch[0], of_phi) for batch, (of_phi, _) in pairs],
        "readout": [(rows, *batch[1:3]) for rows, batch in zip(encoded, taken, strict=True)],
        "rho": [
            (item, batch[3], of_rho) for item, (batch, (_, of_rho)) in zip(read, pairs, strict=True)
        ],
    }
    return {name: _over(compiled[name], arguments[name]) for name in compiled}


def _over(compiled: Callable[..., Any], arguments: Sequence[Any]) -> Callable[[], object]:
    def run() -> None:
        for of_batch in arguments:
            compiled(*of_batch)

    return run


def _updates(program: Program, n_steps: int) -> Callable[[], object]:
    gradients = [1e-3 * tf.random.normal(variable.shape) for variable in program.variables]
    compiled = tf.function(program.optimiser.apply)
    return lambda: [compiled(gradients) for _ in range(n_steps)]


def _scores(labels: np.ndarray, logits: np.ndarray) -> tuple[dict[str, float], float]:
    return binary_metrics(labels, sigmoid(logits)), binary_log_loss(labels, logits)


def _median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of the action; the first two calls, which may trace, do not count."""
    times = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return float(np.median(times[2:]))
