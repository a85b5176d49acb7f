"""How long a search will take: arithmetic counted, machine measured, given as a rough figure.

An estimate for the plan that is shown before the first trial; nothing depends on it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from sie.features.views import dimension_of
from sie.models.config import TrialConfig
from sie.models.readout_weights import pooled_width
from sie.models.shapes import weight_shapes
from sie.search.choices import Scheduler
from sie.search.plan import Budget
from sie.search.space import SearchSpace

EFFICIENCY = 1.0
"""Share of NumPy's matrix product that an epoch reaches (benchmarks/epochs.py); TensorFlow's own
product is up to twice as fast as NumPy's where the processor has AVX-512."""

STEP_SECONDS = 0.001
"""Time of a step that is neither arithmetic nor the update: many small operations."""

UPDATE_SECONDS_PER_WEIGHT = 1.7e-9
"""LAMB and Lookahead pass over every weight several times (benchmarks/epochs.py)."""

TRACE_SECONDS = 3.5
"""Building and tracing a network of a new shape in a worker."""

START_SECONDS = 40.0
"""Start of Ray, of its workers (TensorFlow's import) and of the record, twice."""


@dataclass(frozen=True)
class Sizes:
    """Sizes that determine the cost of an epoch."""

    n_train: int
    n_validation: int
    rows_per_structure: float
    dimension: int


def epoch_flops(config: TrialConfig, sizes: Sizes) -> float:
    """Return the floating-point operations of one epoch: training (3 passes) and validation."""
    if config.model != TrialConfig.model:
        return _products(config, sizes) * (3 * sizes.n_train + sizes.n_validation)
    width, d = config.n_neurons, dimension_of(config.view, sizes.dimension)
    dense = d * width + (config.n_layers - 1) * width**2
    # three gates (the forget gate is dead weight) of [h, r], but of h in round 2 once a batch
    steps, readout = (config.readout_steps, config.readout_width)
    if config.pooling != "set2set":
        steps, readout = 1, 0
    halves = max(2 * steps - 3, 0)
    lstm = halves * 3 * readout**2
    rho = pooled_width(config) * width + (config.n_layers - 1) * width**2
    brought = 2 * steps * width * readout
    attention = 2 * steps * sizes.rows_per_structure * width * config.batch_size
    per_structure = 2 * (sizes.rows_per_structure * dense + lstm + rho + brought + attention)
    return per_structure * (3 * sizes.n_train + sizes.n_validation)


def step_seconds(config: TrialConfig, dimension: int) -> float:
    """Return the time of one step that is not the network's arithmetic, in seconds."""
    dimension = dimension_of(config.view, dimension)
    weights = sum(math.prod(shape) for shape in weight_shapes(config, dimension).values())
    return STEP_SECONDS + UPDATE_SECONDS_PER_WEIGHT * weights


def _products(config: TrialConfig, sizes: Sizes) -> float:
    """Return the operations of a structure in any model's layers, those of phi once per row."""
    kernels = weight_shapes(config, dimension_of(config.view, sizes.dimension)).items()
    return sum(
        2 * math.prod(shape) * (sizes.rows_per_structure if name.startswith("phi/") else 1)
        for name, shape in kernels
        if len(shape) > 1
    )


def machine_flops(size: int = 512, seconds: float = 0.1) -> float:
    """Measure the float32 matrix product of one thread, in operations per second."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a = rng.random((size, size), dtype=np.float32)
    with threadpool_limits(1):
        _ = a @ a
        start, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - start) < seconds:
            _ = a @ a
            count += 1
    return 2 * size**3 * count / elapsed


def expected_epochs(budget: Budget, scheduler: Scheduler = Scheduler.ASHA) -> float:
    """Return the epochs of a searched trial on average, at most.

    With ASHA one in `reduction_factor` survives a rung; the median rule is taken to stop half of
    the trials at the first epoch where it may.
    """
    if scheduler is Scheduler.NONE:
        return float(budget.max_epochs)
    if scheduler is Scheduler.MEDIAN:
        return (budget.grace + budget.max_epochs) / 2
    epochs, share, previous = 0.0, 1.0, 0
    for rung in (*budget.rungs, budget.max_epochs):
        epochs += share * (rung - previous)
        share, previous = share / budget.reduction_factor, rung
    return epochs


def estimate_seconds(
    space: SearchSpace,
    budget: Budget,
    sizes: Sizes,
    workers: int,
    flops_per_second: float | None = None,
    scheduler: Scheduler = Scheduler.ASHA,
) -> float:
    """Return the wall time of search and repeats in seconds, good to about a factor of two.

    Parameters
    ----------
    space, budget, sizes
        What is trained, how often, on how much.
    workers : int
        Trials at once.
    flops_per_second : float, optional
        Speed of a matrix product on one thread; measured where it is not given.
    scheduler : Scheduler
        What stops trials.
    """
    rng = np.random.default_rng(0)
    sample = [space.sample(rng) for _ in range(200)]
    speed = EFFICIENCY * (flops_per_second or machine_flops())
    steps = [int(np.ceil(sizes.n_train / config.batch_size)) for config in sample]
    epoch = np.mean(
        [
            epoch_flops(config, sizes) / speed + n_steps * step_seconds(config, sizes.dimension)
            for config, n_steps in zip(sample, steps, strict=True)
        ]
    )
    trained = (
        budget.trials * expected_epochs(budget, scheduler) + budget.n_repeats * budget.max_epochs
    )
    shapes = len({c.program for c in sample})
    tracing = TRACE_SECONDS * min(shapes, budget.trials)
    return START_SECONDS + tracing + float(epoch) * trained / max(workers, 1)
