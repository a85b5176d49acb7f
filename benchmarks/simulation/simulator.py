"""A cluster's search, event by event: workers, the serial driver, ASHA, the thread for MLflow.

Knows nothing of records, figures or Ray: trials with known costs and curves come in, times go out.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sie.training.record import TrialStatus


@dataclass(frozen=True)
class Costs:
    """What everything but training costs, in seconds; defaults: benchmarks/driver_costs.py.

    Attributes
    ----------
    first_start_s, actor_start_s : float
        From the beginning of a phase to its first worker; from asking for a further one to having
        it (a Python process that imports Ray).
    pending : int
        Workers that may be starting at once; 0 for all. Ray Tune's choice with a searcher is 1.
    first_use_s : float
        What a new worker's first trial costs beside its network: importing TensorFlow.
    report_s, report_s_per_worker : float
        Driver: one report, and its growth with workers (Ray looks at all of them at each event).
    report_latency_s : float
        What a worker waits for an answer beside the driver's own time.
    trial_s : float
        Driver: the end of a trial and the start of the next in the same worker.
    suggest_s, suggest_s_per_trial : float
        Driver: one suggestion of TPE, and its growth with the trials before it.
    open_s, close_s, row_s : float
        MLflow's thread: opening a run, closing it, one epoch's metrics.
    """

    first_start_s: float = 2.0
    actor_start_s: float = 2.0
    pending: int = 1
    first_use_s: float = 6.0
    report_s: float = 0.0009
    report_s_per_worker: float = 0.000003
    report_latency_s: float = 0.0023
    trial_s: float = 0.019
    suggest_s: float = 0.005
    suggest_s_per_trial: float = 0.00002
    open_s: float = 0.014
    close_s: float = 0.010
    row_s: float = 0.0008


@dataclass(frozen=True)
class SimulatedTrial:
    """A trial with its whole future.

    Attributes
    ----------
    number : int
        Trials are handed out in this order.
    program : tuple
        What a worker compiles once.
    build_s, next_s, epoch_s : float
        First use of the program in a worker, any later one, and an epoch.
    epochs : tuple of int
        Epochs that count at each report; the last is where the trial ends by itself.
    objectives : tuple of float
        What ASHA sees at each report.
    chunk : int
        Epochs that are trained between two reports.
    status : TrialStatus
        How it ends by itself.
    """

    number: int
    program: tuple[int, ...]
    build_s: float
    next_s: float
    epoch_s: float
    epochs: tuple[int, ...]
    objectives: tuple[float, ...]
    chunk: int
    status: TrialStatus = TrialStatus.COMPLETED


@dataclass(frozen=True)
class SimulatedEnd:
    """How a trial ended in the simulation."""

    number: int
    epochs: int
    status: TrialStatus


@dataclass(frozen=True)
class PhaseTimes:
    """What a simulated phase took, in seconds; `wall` does not wait for MLflow.

    `unrecorded` is how long MLflow's thread still writes after the last trial.
    """

    workers: int
    workers_used: int
    wall: float
    training: float
    setup: float
    starting: float
    waiting: float
    driver: float
    mlflow: float
    unrecorded: float
    rows: int
    ends: tuple[SimulatedEnd, ...]


class Asha:
    """Asynchronous successive halving as Ray's ASHAScheduler decides it, one bracket, maximising.

    A trial is judged once at a rung, by the first report at or past it, against all values that
    have come in there before; its own is added whatever the decision.
    """

    def __init__(self, rungs: Sequence[int], reduction_factor: int, max_epochs: int) -> None:
        self._quantile = 100 * (1 - 1 / reduction_factor)
        self._max_epochs = max_epochs
        self._rungs: list[tuple[int, dict[int, float]]] = [
            (rung, {}) for rung in sorted(rungs, reverse=True)
        ]

    def stops(self, number: int, epoch: int, value: float) -> bool:
        """Return whether a trial that goes on by itself is stopped at this report."""
        return epoch >= self._max_epochs or self._enter(number, epoch, value)

    def ended(self, number: int, epoch: int, value: float) -> None:
        """Take note of a trial that ended by itself; Ray enters it in a rung that it passed."""
        self._enter(number, epoch, value)

    def _enter(self, number: int, epoch: int, value: float) -> bool:
        for rung, values in self._rungs:
            if epoch >= rung and number not in values:
                before = list(values.values())
                values[number] = value
                return bool(before) and value < float(np.percentile(before, self._quantile))
        return False


@dataclass
class _Worker:
    built: set[tuple[int, ...]] = field(default_factory=set)
    trial: SimulatedTrial | None = None
    reports: int = 0


class PhaseSimulator:
    """One phase: hands out trials in order to workers that have to be started first.

    Ray Tune with a searcher keeps at most `Costs.pending` trials waiting for a worker that starts;
    a worker that becomes free takes the oldest of them, and the start under way is given up.
    """

    def __init__(
        self,
        trials: Sequence[SimulatedTrial],
        workers: int,
        costs: Costs,
        asha: Asha | None = None,
        suggests: bool = True,
    ) -> None:
        self._queue = deque(sorted(trials, key=lambda trial: trial.number))
        self._limit, self._costs, self._asha, self._suggests = workers, costs, asha, suggests
        self._pending_limit = costs.pending or workers
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._pending: deque[tuple[int, SimulatedTrial]] = deque()
        self._events: list[tuple[float, int, _Worker | None]] = []
        self._tickets = self._live = self._busy = self._handed_out = self._rows = 0
        self._driver = self._mlflow = self._training = self._setup = self._waiting = 0.0
        self._now = self._writer = self._starting = 0.0
        self._ends: list[SimulatedEnd] = []

    def run(self) -> PhaseTimes:
        """Return the times of the phase."""
        self._fill()
        while self._events:
            moment, ticket, worker = heapq.heappop(self._events)
            if worker is None and not any(ticket == waiting for waiting, _ in self._pending):
                continue  # the start of a worker whose trial was taken by another one
            self._now = max(self._now, moment)
            if worker is None:
                self._take_worker(ticket)
            else:
                self._take_report(worker)
            self._fill()
        return PhaseTimes(
            workers=self._limit,
            workers_used=len(self._workers),
            wall=self._now,
            training=self._training,
            setup=self._setup,
            starting=self._starting,
            waiting=self._waiting,
            driver=self._driver,
            mlflow=self._mlflow,
            unrecorded=max(self._writer - self._now, 0.0),
            rows=self._rows,
            ends=tuple(sorted(self._ends, key=lambda end: end.number)),
        )

    def _spend(self, seconds: float) -> None:
        self._now += seconds
        self._driver += seconds

    def _write(self, seconds: float) -> None:
        self._writer = max(self._writer, self._now) + seconds
        self._mlflow += seconds

    def _push(self, moment: float, worker: _Worker | None) -> int:
        self._tickets += 1
        heapq.heappush(self._events, (moment, self._tickets, worker))
        return self._tickets

    def _fill(self) -> None:
        """Ask for trials while workers and the limit of waiting trials allow it."""
        costs = self._costs
        while self._queue and self._live < self._limit and len(self._pending) < self._pending_limit:
            trial = self._queue.popleft()
            if self._suggests:
                self._spend(costs.suggest_s + costs.suggest_s_per_trial * self._handed_out)
            self._handed_out += 1
            self._live += 1
            if self._idle:
                self._spend(costs.trial_s)
                self._begin(self._idle.pop(), trial)
            else:
                first = not self._workers and not self._pending
                delay = costs.first_start_s if first else costs.actor_start_s
                self._starting += delay
                self._pending.append((self._push(self._now + delay, None), trial))

    def _take_worker(self, ticket: int) -> None:
        trial = next(trial for waiting, trial in self._pending if waiting == ticket)
        self._pending.remove((ticket, trial))
        self._workers.append(_Worker())
        self._begin(self._workers[-1], trial)

    def _begin(self, worker: _Worker, trial: SimulatedTrial) -> None:
        self._write(self._costs.open_s)
        setup = trial.next_s if trial.program in worker.built else trial.build_s
        if not worker.built:
            setup += self._costs.first_use_s
        worker.built.add(trial.program)
        worker.trial, worker.reports = trial, 0
        self._busy += 1
        self._setup += setup
        self._train_chunk(worker, trial, setup)

    def _train_chunk(self, worker: _Worker, trial: SimulatedTrial, setup: float = 0.0) -> None:
        seconds = trial.epoch_s * trial.chunk
        self._training += seconds
        self._waiting += self._costs.report_latency_s
        self._push(self._now + setup + seconds + self._costs.report_latency_s, worker)

    def _take_report(self, worker: _Worker) -> None:
        trial, costs = worker.trial, self._costs
        if trial is None:
            raise RuntimeError("a worker without a trial has reported")
        self._spend(costs.report_s + costs.report_s_per_worker * self._busy)
        epoch, value = trial.epochs[worker.reports], trial.objectives[worker.reports]
        worker.reports += 1
        status = trial.status
        if worker.reports == len(trial.epochs):
            if self._asha is not None:
                self._asha.ended(trial.number, epoch, value)
        elif self._asha is not None and self._asha.stops(trial.number, epoch, value):
            status = TrialStatus.STOPPED_BY_SCHEDULER
        else:
            self._train_chunk(worker, trial)
            return
        self._finish(worker, SimulatedEnd(trial.number, epoch, status))

    def _finish(self, worker: _Worker, end: SimulatedEnd) -> None:
        self._ends.append(end)
        self._rows += end.epochs
        self._write(self._costs.close_s + self._costs.row_s * end.epochs)
        self._busy -= 1
        self._live -= 1
        worker.trial = None
        if self._pending:
            self._spend(self._costs.trial_s)
            self._begin(worker, self._pending.popleft()[1])
        else:
            self._idle.append(worker)
