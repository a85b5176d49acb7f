"""The simulator of a cluster's search: sums, bounds, and Ray's own decisions as the oracle."""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from scaling import futures, scale, study_hours
from simulation.costs import by_worker, continued, fit_costs, simulated_trials
from simulation.record import RecordedTrial, SearchTimes, read_times, write_times
from simulation.simulator import Asha, Costs, PhaseSimulator, SimulatedTrial

from sie.errors import InputError
from sie.search.plan import Budget
from sie.search.record import Phase
from sie.search.selection import SelectionRule
from sie.training.early_stopping import EarlyStopping
from sie.training.record import TrialStatus

FREE = Costs(*[0.0] * 2, 0, *[0.0] * 10)
"""A driver, workers and a record that cost nothing, and start all at once."""


def make_trials(n, chunks=5, epoch_s=0.1, seed=0, programs=3, **more):
    rng = np.random.default_rng(seed)
    given = {"build_s": 2.0, "next_s": 0.01, "chunk": 10} | more
    return [
        SimulatedTrial(
            number=number,
            program=(int(rng.integers(programs)),),
            epoch_s=epoch_s * (1 + rng.random()),
            epochs=tuple(range(10, 10 * chunks + 1, 10)),
            objectives=tuple(rng.random(chunks)),
            **given,
        )
        for number in range(n)
    ]


def simulate(trials, workers, costs, asha=None, suggests=True):
    return PhaseSimulator(trials, workers, costs, asha, suggests).run()


def test_one_workers_wall_time_is_the_sum_of_all_costs():
    trials, costs = make_trials(9), Costs()
    times = simulate(trials, 1, costs)
    reports = sum(len(trial.epochs) for trial in trials)
    used = {trial.program: trial.build_s for trial in trials}
    training = sum(t.epoch_s * 10 * len(t.epochs) for t in trials)
    setup = costs.first_use_s + sum(used.values()) + (9 - len(used)) * 0.01
    driver = reports * (costs.report_s + costs.report_s_per_worker) + 8 * costs.trial_s
    driver += sum(costs.suggest_s + costs.suggest_s_per_trial * n for n in range(9))
    waiting = reports * costs.report_latency_s
    assert times.wall == pytest.approx(training + setup + driver + waiting + costs.first_start_s)
    assert times.driver == pytest.approx(driver)
    assert times.training == pytest.approx(training)
    assert times.setup == pytest.approx(setup)


@given(seed=st.integers(0, 99), workers=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_wall_time_lies_between_the_bounds_of_list_scheduling(seed, workers):
    trials = make_trials(20, seed=seed, build_s=0.0, next_s=0.0)
    times = simulate(trials, workers, FREE)
    work = [10 * t.epoch_s * len(t.epochs) for t in trials]
    ideal = max(sum(work) / workers, max(work))
    assert ideal - 1e-9 <= times.wall <= sum(work) / workers + max(work) + 1e-9
    assert times.rows == sum(t.epochs[-1] for t in trials)


def test_equal_trials_on_more_workers_are_never_slower_but_for_building():
    trials = [replace(t, epoch_s=0.1, program=(0,)) for t in make_trials(40)]
    walls = [simulate(trials, n, FREE).wall for n in (1, 2, 4, 8, 20, 40, 80)]
    assert all(b <= a for a, b in itertools.pairwise(walls))
    assert walls[-1] == walls[-2] == pytest.approx(2.0 + 5.0)


@pytest.mark.parametrize("pending", [0, 1])
def test_no_more_workers_than_repeats_are_of_use(pending):
    trials, costs = make_trials(12, programs=2), replace(Costs(), pending=pending)
    at_most = simulate(trials, 12, costs, suggests=False)
    beyond = simulate(trials, 500, costs, suggests=False)
    assert beyond.wall == at_most.wall
    assert beyond.workers_used <= 12
    if pending == 0:
        assert simulate(trials, 6, costs, suggests=False).wall > at_most.wall


def test_workers_started_one_by_one_stay_few_when_trials_are_short():
    # as measured with Ray: driver_costs.py --ramp, 48 trials of 4 s on 8 workers. Starts took 1.6
    # to 2.1 s there; 1.9 is chosen within: from 2.1 on, simulated starts, all equal, give two
    plain = make_trials(48, chunks=1, epoch_s=0.0, build_s=0.0, next_s=0.0, programs=1)
    trials = [replace(trial, epoch_s=0.4) for trial in plain]
    costs = replace(Costs(), first_start_s=0.0, first_use_s=0.0, actor_start_s=1.9)
    alone = simulate(trials, 8, costs, suggests=False)
    together = simulate(trials, 8, replace(costs, pending=0), suggests=False)
    assert alone.workers_used == 3
    assert together.workers_used == 8
    assert alone.wall == pytest.approx(72, rel=0.15)
    assert together.wall == pytest.approx(26.5, rel=0.15)


def test_a_serial_driver_bounds_the_speed_of_many_workers():
    trials, costs = make_trials(64), replace(FREE, report_s=0.5)
    times = simulate(trials, 64, costs)
    reports = sum(len(trial.epochs) for trial in trials)
    assert times.driver == pytest.approx(0.5 * reports)
    assert times.wall >= times.driver


def test_mlflow_writes_on_after_the_last_trial_where_it_is_slower():
    trials = make_trials(10)
    slow, fast = (simulate(trials, 10, replace(FREE, row_s=s)) for s in (1.0, 1e-6))
    assert slow.wall == fast.wall
    assert slow.mlflow == pytest.approx(slow.rows)
    assert slow.unrecorded > 0.9 * (slow.mlflow - slow.wall)
    assert fast.unrecorded < 1e-3


def ray_decisions(rows, budget):
    """Feed reports to Ray's class, one trial after another, as its controller does."""
    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric="objective",
        mode="max",
        grace_period=budget.grace,
        max_t=budget.max_epochs,
        reduction_factor=budget.reduction_factor,
    )
    ends = []
    for number, (epochs, values) in enumerate(rows):
        trial = SimpleNamespace(trial_id=str(number))
        scheduler.on_trial_add(None, trial)
        for i, (epoch, value) in enumerate(zip(epochs, values, strict=True)):
            result = {"epoch": epoch, "objective": value}
            by_itself = i == len(epochs) - 1
            if by_itself or scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
                scheduler.on_trial_complete(None, trial, result)
                ends.append((number, epoch))
                break
    return ends


@given(seed=st.integers(0, 10**6), factor=st.sampled_from([2, 3, 4]), rounding=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_decisions_in_sequence_are_those_of_rays_asha(seed, factor, rounding):
    rng = np.random.default_rng(seed)
    budget = Budget(max_epochs=200, grace_epochs=20, reduction_factor=factor)
    trials = []
    for trial in make_trials(30, chunks=20, seed=seed):
        own_end = int(rng.integers(1, 21))
        values = tuple(np.round(rng.random(own_end), rounding).tolist())
        trials.append(replace(trial, epochs=trial.epochs[:own_end], objectives=values))
    asha = Asha(budget.rungs, factor, budget.max_epochs)
    ends = simulate(trials, 1, FREE, asha).ends
    expected = ray_decisions([(t.epochs, t.objectives) for t in trials], budget)
    assert [(end.number, end.epochs) for end in ends] == expected


def recorded(phase, number, start, end, n_epochs, status=TrialStatus.COMPLETED, width=32, cold=0.0):
    config = {"n_layers": 2, "n_neurons": width, "readout_width": 8, "readout_steps": 3}
    base = 0.2 if status is TrialStatus.STOPPED_BY_SCHEDULER else 0.4 + 0.02 * number
    curve = tuple((base + 0.001 * np.arange(n_epochs)).tolist())
    training = 0.1 * n_epochs + cold / 2
    config["batch_size"] = 32
    return RecordedTrial(
        phase, number, config, status, training, 0.01 + cold / 2, start, end, curve
    )


def make_record():
    """Two workers, eight trials of 0.1 s an epoch; a cold network costs 3 s, TensorFlow 5 s."""
    stop = TrialStatus.STOPPED_BY_SCHEDULER
    search = [
        recorded(Phase.SEARCH, 0, 1.0, 17.0, 80, cold=8.0),
        recorded(Phase.SEARCH, 1, 3.0, 15.0, 40, stop, cold=8.0),
        recorded(Phase.SEARCH, 2, 15.1, 26.1, 80, width=64, cold=3.0),
        recorded(Phase.SEARCH, 3, 17.1, 25.1, 80),
        recorded(Phase.SEARCH, 4, 25.2, 32.2, 40, stop, width=64, cold=3.0),
        recorded(Phase.SEARCH, 5, 26.2, 34.2, 80, width=64),
    ]
    repeats = [
        recorded(Phase.REPEAT, 0, 35.2, 51.2, 80, cold=8.0),
        recorded(Phase.REPEAT, 1, 37.2, 53.2, 80, cold=8.0),
    ]
    budget = Budget(trials=6, top=1, repeats=2, max_epochs=80, startup_trials=2)
    return SearchTimes(2, 53.2, budget, SelectionRule(), (*search, *repeats))


def test_costs_are_told_apart():
    fitted = fit_costs(make_record(), FREE)
    assert fitted.epoch_s == {
        (2, 32, 8, 3, 32): pytest.approx(0.1),
        (2, 64, 8, 3, 32): pytest.approx(0.1),
    }
    assert fitted.build_s[2, 64, 8, 3] == pytest.approx(3.01)
    assert fitted.machine.first_use_s == pytest.approx(5.0)
    assert fitted.machine.actor_start_s == pytest.approx(2.0)
    assert fitted.machine.first_start_s == pytest.approx(1.0)


def test_trials_are_laid_to_the_worker_that_became_free():
    lanes = by_worker(make_record().of(Phase.SEARCH), 2)
    assert [[trial.number for trial in lane] for lane in lanes] == [[0, 3, 4], [1, 2, 5]]


def test_the_record_simulated_as_it_was_takes_as_long():
    times = make_record()
    fitted = fit_costs(times, replace(FREE, pending=1))
    scaled = scale(times, fitted.machine, futures(times, fitted, 0), 2)
    assert scaled.search.wall == pytest.approx(times.phase_wall_s(Phase.SEARCH), rel=0.03)
    assert scaled.repeats.wall == pytest.approx(times.phase_wall_s(Phase.REPEAT), rel=0.03)
    hours, each = study_hours([scaled], 320)
    assert (hours, each) == (pytest.approx(scaled.wall / 3600), 2)


def test_a_cut_curve_goes_on_like_those_of_its_level():
    rng, stopping = np.random.default_rng(0), EarlyStopping()
    cut = np.full(40, 0.5)
    low, high = np.full(80, 0.2), np.linspace(0.5, 0.9, 500)
    grown = continued(cut, [low, high], 500, stopping, rng)
    assert np.array_equal(grown[:40], cut)
    assert len(grown) == 500 or stopping.stop_epoch(grown) is not None
    flat = continued(cut, [], 500, stopping, rng)
    assert stopping.stop_epoch(flat) == 131


def test_futures_do_not_depend_on_the_workers_and_keep_what_was_recorded():
    times = make_record()
    fitted = fit_costs(times, FREE)
    first, second = (simulated_trials(times, fitted, Phase.SEARCH, seed=3) for _ in range(2))
    assert first == second
    assert [trial.epochs[-1] for trial in first] == [80] * 6
    assert {trial.status for trial in first} == {TrialStatus.COMPLETED}


def test_the_record_survives_its_file(tmp_path):
    times = make_record()
    write_times(times, tmp_path / "trials.json")
    assert read_times(tmp_path / "trials.json") == times
    (tmp_path / "other.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(InputError, match="no record of a search"):
        read_times(tmp_path / "other.json")
