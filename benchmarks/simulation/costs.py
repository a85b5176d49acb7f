"""Costs and futures of a recorded search's trials: what they would take in other company.

Arithmetic on the record; the events are simulated in simulator.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sie.search.plan import Budget
from sie.search.record import Phase
from sie.search.selection import PENALTY, objective
from sie.training.early_stopping import EarlyStopping
from sie.training.record import TrialStatus
from simulation.record import RecordedTrial, SearchTimes
from simulation.simulator import Costs, SimulatedTrial

NEAREST = 5
"""Trials of similar standing among which a stopped trial's future is drawn."""

STANDING_EPOCHS = 10


@dataclass(frozen=True)
class FittedCosts:
    """Costs of the record's trials.

    Attributes
    ----------
    machine : Costs
        Starts as measured in the record.
    epoch_s : Mapping
        Seconds an epoch by program and batch size.
    build_s : Mapping
        Compiling and the slow first epochs of a program, in a worker that has imported TensorFlow.
    next_s : float
        Setup of a trial whose program is there.
    """

    machine: Costs
    epoch_s: Mapping[tuple[int, ...], float]
    build_s: Mapping[tuple[int, ...], float]
    next_s: float


def trained_epochs(trial: RecordedTrial, budget: Budget) -> int:
    """Return the epochs that a trial trained; an early stop counts fewer than its last chunk."""
    more = trial.status is TrialStatus.DIVERGED
    chunks = -(-(len(trial.curve) + more) // budget.chunk)
    return max(1, min(chunks * budget.chunk, budget.max_epochs))


def by_worker(trials: Sequence[RecordedTrial], workers: int) -> list[list[RecordedTrial]]:
    """Return the trials of a phase by the worker that must have trained them, in order.

    Workers are not recorded; a trial goes to the one that became free last before it started.
    """
    lanes: list[list[RecordedTrial]] = []
    for trial in sorted(trials, key=lambda t: (t.start_s, t.number)):
        free = [lane for lane in lanes if lane[-1].end_s <= trial.start_s]
        if not free and len(lanes) < workers:
            lanes.append([trial])
            continue
        # two writes of one moment may stand in the wrong order: then whoever is free first
        last_ends = sorted(free or lanes, key=lambda lane: lane[-1].end_s)
        (last_ends[-1] if free else last_ends[0]).append(trial)
    return lanes


def fit_costs(times: SearchTimes, base: Costs) -> FittedCosts:
    """Tell training, building and starting apart in the recorded seconds.

    A worker's first trial of a program is cold: its setup compiles and its first epochs are slow.
    What it took beyond the epochs at the pace of warm trials is the program's cost of building.
    """
    lanes = [lane for phase in Phase for lane in by_worker(times.of(phase), times.workers)]
    cold, warm, first = _by_temperature(lanes)
    paces = _paces(warm, times.budget)
    known = set(paces)
    for trial in (*cold, *first):
        if trial.cost_key not in known:  # never warm: an upper bound
            pace = trial.seconds_training / trained_epochs(trial, times.budget)
            paces[trial.cost_key] = min(paces.get(trial.cost_key, np.inf), pace)

    def extra(trial: RecordedTrial) -> float:
        epochs = trained_epochs(trial, times.budget) * paces[trial.cost_key]
        return trial.seconds_setup + max(trial.seconds_training - epochs, 0.0)

    build = _medians((t.program, extra(t)) for t in cold)
    typical = float(np.median(list(build.values()))) if build else 0.0
    for trial in first:
        build.setdefault(trial.program, typical)
    first_use = [max(extra(t) - build[t.program], 0.0) for t in first]
    gaps = [b[0].start_s - a[0].start_s for a, b in _starting_pairs(times)]
    starts = [times.first_start_s(phase) for phase in Phase if times.of(phase)]
    machine = replace(
        base,
        first_start_s=float(np.mean(starts)),
        first_use_s=float(np.median(first_use)),
        actor_start_s=float(np.median(gaps)) if gaps else base.actor_start_s,
    )
    next_s = float(np.median([t.seconds_setup for t in warm])) if warm else 0.0
    return FittedCosts(machine, paces, build, next_s)


def _by_temperature(
    lanes: Iterable[Sequence[RecordedTrial]],
) -> tuple[list[RecordedTrial], list[RecordedTrial], list[RecordedTrial]]:
    """Return cold, warm, and first trials of their workers."""
    cold: list[RecordedTrial] = []
    warm: list[RecordedTrial] = []
    first: list[RecordedTrial] = []
    for lane in lanes:
        seen: set[tuple[int, ...]] = set()
        for trial in lane:
            kind = first if not seen else warm if trial.program in seen else cold
            kind.append(trial)
            seen.add(trial.program)
    return cold, warm, first


def _starting_pairs(
    times: SearchTimes,
) -> Iterable[tuple[list[RecordedTrial], list[RecordedTrial]]]:
    for phase in Phase:
        lanes = by_worker(times.of(phase), times.workers)
        yield from itertools.pairwise(lanes)


def _paces(warm: Iterable[RecordedTrial], budget: Budget) -> dict[tuple[int, ...], float]:
    """Return seconds per epoch by key: all seconds over all epochs, which add up to wall times."""
    seconds: dict[tuple[int, ...], float] = {}
    epochs: dict[tuple[int, ...], float] = {}
    for trial in warm:
        key = trial.cost_key
        seconds[key] = seconds.get(key, 0.0) + trial.seconds_training
        epochs[key] = epochs.get(key, 0.0) + trained_epochs(trial, budget)
    return {key: seconds[key] / epochs[key] for key in seconds}


def _medians(
    pairs: Iterable[tuple[tuple[int, ...], float]],
) -> dict[tuple[int, ...], float]:
    values: dict[tuple[int, ...], list[float]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return {key: float(np.median(found)) for key, found in values.items()}


def continued(
    curve: np.ndarray,
    donors: Sequence[np.ndarray],
    until: int,
    stopping: EarlyStopping,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return a curve that ASHA cut off, with a future: up to its early stop or `until`.

    The future is taken from one of the `NEAREST` longer curves whose last ten epochs before the cut
    were nearest, shifted to meet; where that ends too, from another. What nobody has reached is
    flat. (Assumption: a trial that ASHA stopped would have gone on like those of its level that it
    let go on. They were better, so futures are rather too good, and trials rather too long.)
    """
    while len(curve) < until and stopping.stop_epoch(curve) is None:
        at = len(curve)
        level = np.mean(curve[-STANDING_EPOCHS:]) if at else 0.0
        longer = [donor for donor in donors if len(donor) > at]
        if not longer:
            return np.concatenate([curve, np.full(until - at, level)])
        levels = [np.mean(d[max(at - STANDING_EPOCHS, 0) : at]) if at else 0.0 for d in longer]
        nearest = np.argsort(np.abs(np.array(levels) - level), kind="stable")[:NEAREST]
        chosen = int(rng.choice(nearest))
        rest = longer[chosen][at:until] + (level - levels[chosen])
        curve = np.concatenate([curve, np.clip(rest, 0.0, 1.0)])
    return curve


def simulated_trials(
    times: SearchTimes, fitted: FittedCosts, phase: Phase, seed: int = 0
) -> list[SimulatedTrial]:
    """Return a phase's trials with their whole futures, as the simulator takes them."""
    budget, recorded = times.budget, times.of(phase)
    stopping = EarlyStopping(
        patience=budget.patience, min_gain=budget.min_gain, start_epoch=budget.patience_from
    )
    donors = [np.array(t.curve) for t in recorded]
    after = [np.array(t.curve) for t in times.of(Phase.REPEAT)]
    trials = []
    for trial in recorded:
        curve, status = np.array(trial.curve), trial.status
        if status is TrialStatus.STOPPED_BY_SCHEDULER:
            longest = max(map(len, donors))
            rng = np.random.default_rng([seed, trial.number])
            # repeats are of the best configurations only: they help where no searched trial went on
            curve = continued(curve, donors, min(longest, budget.max_epochs), stopping, rng)
            curve = continued(curve, after, budget.max_epochs, stopping, rng)
            stop = stopping.stop_epoch(curve)
            status = TrialStatus.COMPLETED if stop is None else TrialStatus.EARLY_STOPPED
            curve = curve[:stop]
        trials.append(_simulated(trial, curve, status, times, fitted))
    return trials


def _simulated(
    trial: RecordedTrial,
    curve: np.ndarray,
    status: TrialStatus,
    times: SearchTimes,
    fitted: FittedCosts,
) -> SimulatedTrial:
    budget = times.budget
    complete = replace(trial, curve=tuple(curve), status=status)
    epochs = range(budget.chunk, trained_epochs(complete, budget) + 1, budget.chunk)
    counted = [max(min(epoch, len(curve)), 1) for epoch in epochs] or [max(len(curve), 1)]
    values = [objective(curve[:epoch], times.rule) for epoch in counted]
    if status in (TrialStatus.DIVERGED, TrialStatus.FAILED):
        values[-1] = PENALTY
    return SimulatedTrial(
        number=trial.number,
        program=trial.program,
        build_s=fitted.build_s[trial.program],
        next_s=fitted.next_s,
        epoch_s=fitted.epoch_s[trial.cost_key],
        epochs=tuple(counted),
        objectives=tuple(values),
        chunk=min(budget.chunk, budget.max_epochs),
        status=status,
    )
