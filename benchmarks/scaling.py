"""Wall time of a cluster's search for 1 to 512 workers, simulated from a finished search.

    python benchmarks/scaling.py --mlruns DIR [--parent RUN_ID] --trials trials.json   # export
    python benchmarks/scaling.py --trials trials.json --json FILE --figure FILE        # simulate
    python benchmarks/scaling.py --trials trials.json --check                          # compare

Trial times, learning curves and start-up times are the record's; what the driver and MLflow cost
comes from --costs (benchmarks/driver_costs.py) or that script's defaults. ASHA, early stopping,
reports every few epochs and one compilation of each network per worker are those of sie. Assumed:
a worker is as fast as those of the record, however many there are; trials are drawn in the same
order; a trial that ASHA stopped in the record, but not here, goes on like those of its level did.
TPE knows fewer results when more trials run at once: that costs quality, which is not simulated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from simulation.costs import FittedCosts, fit_costs, simulated_trials
from simulation.record import SearchTimes, from_mlflow, read_costs, read_times, write_times
from simulation.simulator import Asha, Costs, PhaseSimulator, PhaseTimes, SimulatedTrial

from sie.errors import InputError, SieError
from sie.files import write_text
from sie.search.plan import Budget
from sie.search.record import Phase

WORKERS = (1, 2, 4, 8, 16, 32, 64, 100, 128, 256, 512)
SHOWN = (1, 2, 8, 64, 512)
STUDY_CLUSTERS = 160
"""16 pairs of representation and level, 10 clusters each."""

STARTS = {"one by one": 1, "together": 0}
"""How many workers may be starting at once: Ray's own choice with a searcher, and all."""


@dataclass(frozen=True)
class ScaledSearch:
    """A simulated search: its phases, and how long MLflow holds it up at the end."""

    workers: int
    search: PhaseTimes
    repeats: PhaseTimes
    held_up: float

    @property
    def wall(self) -> float:
        """Wall time in seconds, until the last trial is recorded."""
        return self.search.wall + self.repeats.wall + self.held_up

    @property
    def training(self) -> float:
        """Seconds in epoch loops, summed over workers."""
        return self.search.training + self.repeats.training

    @property
    def busy(self) -> float:
        """Seconds in which workers trained or built networks."""
        return self.training + self.search.setup + self.repeats.setup

    def as_dict(self) -> dict[str, float]:
        """Return what tables and figures show."""
        driver = self.search.driver + self.repeats.driver
        mlflow = self.search.mlflow + self.repeats.mlflow
        return {
            "workers": self.workers,
            "workers_used": max(self.search.workers_used, self.repeats.workers_used),
            "search_s": self.search.wall,
            "repeats_s": self.repeats.wall,
            "waiting_for_mlflow_s": self.held_up,
            "wall_s": self.wall,
            "efficiency": self.training / (self.wall * self.workers),
            "driver_share": driver / self.wall,
            "mlflow_share": mlflow / self.wall,
            "rows_per_second": (self.search.rows + self.repeats.rows) / self.wall,
            "busy_core_hours": self.busy / 3600,
        }


Futures = dict[Phase, list[SimulatedTrial]]
"""Both phases' trials as they would go on if nothing stopped them."""


def futures(times: SearchTimes, fitted: FittedCosts, seed: int) -> Futures:
    """Return the trials of both phases with their whole futures, the same for every simulation."""
    phases = (Phase.SEARCH, Phase.REPEAT)
    return {phase: simulated_trials(times, fitted, phase, seed) for phase in phases}


def scale(times: SearchTimes, costs: Costs, trials: Futures, workers: int) -> ScaledSearch:
    """Simulate both phases on so many workers."""
    budget = times.budget
    asha = Asha(budget.rungs, budget.reduction_factor, budget.max_epochs)
    search = PhaseSimulator(trials[Phase.SEARCH], workers, costs, asha).run()
    repeats = PhaseSimulator(trials[Phase.REPEAT], workers, costs, suggests=False).run()
    # what the search left unwritten is written while the repeats run, where there is time
    spare = max(repeats.wall + repeats.unrecorded - repeats.mlflow, 0.0)
    held_up = repeats.unrecorded + max(search.unrecorded - spare, 0.0)
    return ScaledSearch(workers, search, repeats, held_up)


def scale_all(times: SearchTimes, costs: Costs, trials: Futures) -> dict[str, list[ScaledSearch]]:
    """Simulate every number of workers, for both ways of starting them."""
    return {
        name: [scale(times, replace(costs, pending=pending), trials, n) for n in WORKERS]
        for name, pending in STARTS.items()
    }


def study_hours(scaled: Sequence[ScaledSearch], workers: int) -> tuple[float, int]:
    """Return the shortest wall time of the full study in hours, and the workers of each search.

    Searches run side by side, each with its own driver and an equal share of the workers.
    """
    best = (np.inf, 0)
    for one in scaled:
        if (side_by_side := workers // one.workers) >= 1:
            rounds = -(-STUDY_CLUSTERS // side_by_side)
            best = min(best, (rounds * one.wall / 3600, one.workers))
    return float(best[0]), best[1]


def print_table(name: str, scaled: Sequence[ScaledSearch], costs: Costs) -> None:
    """Print one row per number of workers."""
    print(f"\nworkers started {name}")
    names = ("search", "repeats", "total", "speed-up", "efficiency", "driver", "MLflow", "rows/s")
    print(f"{'workers':>8}{'used':>6}" + "".join(f"{name:>11}" for name in (*names, "study")))
    alone = scaled[0].wall * scaled[0].workers
    for one in scaled:
        row = one.as_dict()
        hours, each = study_hours(scaled, one.workers)
        print(
            f"{one.workers:>8}{row['workers_used']:>6.0f}"
            + "".join(f"{seconds:>9.0f} s" for seconds in (row["search_s"], row["repeats_s"]))
            + f"{row['wall_s']:>9.0f} s{alone / one.wall:>11.1f}{row['efficiency']:>11.0%}"
            + f"{row['driver_share']:>11.1%}{row['mlflow_share']:>11.1%}"
            + f"{row['rows_per_second']:>11.0f}{hours:>9.1f} h ({each} a search)"
        )
    print(
        f"MLflow's thread takes {1 / costs.row_s:.0f} rows (epochs) a second at most; the driver "
        f"takes {1 / (costs.report_s + 512 * costs.report_s_per_worker):.0f} reports a second of "
        "512 workers"
    )


def print_check(times: SearchTimes, costs: Costs, trials: Futures) -> dict[str, Any]:
    """Compare the simulation at the record's own number of workers with the record."""
    simulated = scale(times, costs, trials, times.workers)
    pairs = {
        "search": (simulated.search.wall, times.phase_wall_s(Phase.SEARCH)),
        "repeats": (simulated.repeats.wall, times.phase_wall_s(Phase.REPEAT)),
        "total": (simulated.wall, times.wall_s),
    }
    print(f"{'phase':>10}{'simulated':>12}{'measured':>12}{'error':>9}   ({times.workers} workers)")
    checked = {}
    for name, (guess, real) in pairs.items():
        checked[name] = {"simulated_s": guess, "measured_s": real, "error": guess / real - 1}
        print(f"{name:>10}{guess:>10.1f} s{real:>10.1f} s{guess / real - 1:>+9.1%}")
    recorded = {t.number: (len(t.curve), t.status) for t in times.of(Phase.SEARCH)}
    same = sum(recorded[end.number][0] == end.epochs for end in simulated.search.ends)
    epochs = sum(end.epochs for end in simulated.search.ends)
    real_epochs = sum(length for length, _ in recorded.values())
    print(
        f"{same} of {len(recorded)} searched trials end at the same epoch as in the record; "
        f"{epochs} epochs simulated, {real_epochs} recorded"
    )
    return {"workers": times.workers, "phases": checked, "same_ends": same, "of": len(recorded)}


def draw(scaled: dict[str, list[ScaledSearch]], path: Path) -> None:
    """Draw wall time against workers on logarithmic axes, with the ideal."""
    from matplotlib import pyplot as plt

    from sie.reporting.style import BLUE, GREY, ORANGE, drawing

    with drawing():
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharex=True, sharey=True)
        for ax, title, colour in zip(axes, ("search", "repeats"), (BLUE, ORANGE), strict=True):
            for (name, ones), line in zip(scaled.items(), ("--", "-"), strict=True):
                workers = [one.workers for one in ones]
                minutes = [getattr(one, title).wall / 60 for one in ones]
                label = f"workers started {name}"
                ax.plot(workers, minutes, line, marker="o", ms=3, color=colour, label=label)
                if line == "-":
                    ideal = minutes[0] * workers[0] / np.array(workers)
                    ax.plot(workers, ideal, ":", color=GREY, label="ideal")
            n = len(getattr(next(iter(scaled.values()))[0], title).ends)
            ax.set(xscale="log", yscale="log", xlabel="workers", title=f"{title}, {n} trainings")
            ax.set_xticks(SHOWN, [str(n) for n in SHOWN], minor=False)
            ax.legend()
        axes[0].set_ylabel("wall time (min)")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        plt.close(figure)


def load(options: argparse.Namespace) -> SearchTimes:
    """Return the record: from MLflow where a store is named (and write it), else from the file."""
    if options.mlruns is None and options.tracking_uri is None:
        if options.trials is None:
            raise InputError("name a record: --trials FILE, or --mlruns DIR with a finished search")
        return read_times(options.trials)
    from sie.tracking.store import open_store

    store = open_store(options.tracking_uri, options.mlruns or Path())
    found = store.client().search_experiments()
    times = from_mlflow(store, [item.experiment_id for item in found], options.parent)
    if options.trials is not None:
        write_times(times, options.trials)
    return times


def describe(budget: Budget, times: SearchTimes, fitted: FittedCosts) -> str:
    """Return the record's size and the fitted costs in a line."""
    paces, builds = sorted(fitted.epoch_s.values()), sorted(fitted.build_s.values())
    machine = fitted.machine
    return (
        f"record: {len(times.of(Phase.SEARCH))} trials, {len(times.of(Phase.REPEAT))} repeats, up "
        f"to {budget.max_epochs} epochs, {times.workers} workers, {times.wall_s:.0f} s; an epoch "
        f"{paces[0]:.3f} to {paces[-1]:.3f} s, building a network {builds[0]:.1f} to "
        f"{builds[-1]:.1f} s, a phase's start {machine.first_start_s:.1f} s, a further worker "
        f"{machine.actor_start_s:.1f} s, its TensorFlow {machine.first_use_s:.1f} s"
    )


def run(options: argparse.Namespace) -> None:
    """Print the comparison or the tables; write what was asked for."""
    times = load(options)
    base = read_costs(options.costs) if options.costs else Costs()
    fitted = fit_costs(times, base)
    print(describe(times.budget, times, fitted))
    trials = futures(times, fitted, options.seed)
    recorded_way = replace(fitted.machine, pending=STARTS[options.starts])
    checked = print_check(times, recorded_way, trials)
    if options.check:
        return
    scaled = scale_all(times, fitted.machine, trials)
    for name, ones in scaled.items():
        print_table(name, [one for one in ones if one.workers in SHOWN], fitted.machine)
    alone = next(iter(scaled.values()))[0]
    hours = alone.busy / 3600
    print(
        f"one search: {hours:.2f} core-hours; the study of {STUDY_CLUSTERS}: "
        f"{STUDY_CLUSTERS * hours:.0f} core-hours, {STUDY_CLUSTERS * alone.wall / 86400:.1f} days "
        "on one worker"
    )
    print(
        f"repeats are {len(times.of(Phase.REPEAT))} trainings of full length: more workers than "
        "that find nothing to do"
    )
    if options.json:
        rows = {name: [one.as_dict() for one in ones] for name, ones in scaled.items()}
        content = {"format": 1, "check": checked, "costs": asdict(fitted.machine), "scaled": rows}
        content["study_core_hours"] = STUDY_CLUSTERS * hours
        write_text(options.json, json.dumps(content, indent=1) + "\n")
    if options.figure:
        draw(scaled, options.figure)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=Path, help="the record as a file (written or read)")
    parser.add_argument("--mlruns", type=Path, help="folder of a local MLflow store")
    parser.add_argument("--tracking-uri", help="MLflow store, instead of --mlruns")
    parser.add_argument("--parent", help="run id of the search, where there are several")
    parser.add_argument("--costs", type=Path, help="JSON of benchmarks/driver_costs.py")
    parser.add_argument("--check", action="store_true", help="only compare with the record")
    parser.add_argument(
        "--starts", choices=STARTS, default="together", help="how the record's workers started"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the futures that are drawn")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--figure", type=Path, help="draw wall time against workers")
    try:
        run(parser.parse_args())
    except SieError as error:
        raise SystemExit(f"scaling.py: {error}") from error


if __name__ == "__main__":
    main()
