"""A finished search as the simulator needs it: read from MLflow through sie's queries, or a file.

Reading and writing only; what it says about costs and futures is worked out in costs.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.files import write_text
from sie.search.parent import PARENT_PHASE
from sie.search.plan import Budget
from sie.search.record import Phase
from sie.search.selection import OBJECTIVE, SelectionRule
from sie.tracking.queries import children, get_run, read_result, search
from sie.tracking.store import Store
from sie.training.record import TrialStatus
from simulation.simulator import Costs

SLACK_S = 10.0
"""By so much may trials be recorded after they ended, for another thread writes them."""

FORMAT = 1
PROGRAM_KEYS = ("n_layers", "n_neurons", "readout_width", "readout_steps")
"""What a worker compiles once; see sie.training.program.ProgramCache."""


@dataclass(frozen=True)
class RecordedTrial:
    """One training of the record; times in seconds from the start of the parent run."""

    phase: Phase
    number: int
    config: Mapping[str, int]
    status: TrialStatus
    seconds_training: float
    seconds_setup: float
    start_s: float
    end_s: float
    curve: tuple[float, ...]

    @property
    def program(self) -> tuple[int, ...]:
        """What the worker had to compile."""
        return tuple(self.config[key] for key in PROGRAM_KEYS)

    @property
    def cost_key(self) -> tuple[int, ...]:
        """What the cost of an epoch depends on."""
        return (*self.program, self.config["batch_size"])


@dataclass(frozen=True)
class SearchTimes:
    """A finished search: its settings, its wall time, its trials."""

    workers: int
    wall_s: float
    budget: Budget
    rule: SelectionRule
    trials: tuple[RecordedTrial, ...]

    def of(self, phase: Phase) -> list[RecordedTrial]:
        """Return the trials of one phase by number."""
        return sorted((t for t in self.trials if t.phase is phase), key=lambda t: t.number)

    def first_start_s(self, phase: Phase) -> float:
        """Return the time from the beginning of a phase to its first trial."""
        first = min(t.start_s for t in self.of(phase))
        if phase is Phase.REPEAT:
            return max(first - max(t.end_s for t in self.of(Phase.SEARCH)), 0.0)
        ends = max(t.end_s for t in self.trials)
        return max(self.wall_s - (ends - first), 0.0)

    def phase_wall_s(self, phase: Phase) -> float:
        """Return the wall time of a phase, start of Ray's workers included."""
        trials = self.of(phase)
        span = max(t.end_s for t in trials) - min(t.start_s for t in trials)
        return span + self.first_start_s(phase)


def from_mlflow(store: Store, experiments: Sequence[str], parent: str | None) -> SearchTimes:
    """Read a finished search.

    Parameters
    ----------
    store : Store
        Where it is recorded.
    experiments : sequence of str
        Ids of experiments to look for it in, where `parent` is not given.
    parent : str, optional
        Run id of the search.

    Raises
    ------
    InputError
        When there is not exactly one finished search to choose.
    """
    if parent is None:
        query = f"tags.phase = '{PARENT_PHASE}' and attributes.status = 'FINISHED'"
        found = search(store, experiments, query)
        if len(found) != 1:
            listed = ", ".join(f"{run.run_id} ({run.name})" for run in found) or "none"
            raise InputError(f"{store.shown} holds finished searches: {listed}; give --parent ID")
        parent = found[0].run_id
    run, client = get_run(store, parent), store.client()
    info = client.get_run(parent).info
    trials = []
    for child in children(store, info.experiment_id, parent):
        if child.ended is None or child.tags.get("phase") not in (Phase.SEARCH, Phase.REPEAT):
            continue
        result, times = read_result(store, child), client.get_run(child.run_id).info
        config = child.config.as_dict()
        trials.append(
            RecordedTrial(
                Phase(child.tags["phase"]),
                int(child.tags["trial_number"]),
                {key: int(config[key]) for key in (*PROGRAM_KEYS, "batch_size")},
                result.status,
                result.seconds_training,
                result.seconds_setup,
                (times.start_time - info.start_time) / 1e3,
                (times.end_time - info.start_time) / 1e3,
                tuple(result.curves.get(OBJECTIVE, np.empty(0)).tolist()),
            )
        )
    if lacking := {"wall_seconds", "starting_seconds", "workers"} - set(run.metrics):
        raise InputError(f"search {parent} has no {min(lacking)}; record one with this version")
    wall = run.metrics["wall_seconds"] - run.metrics["starting_seconds"]
    spread = max(t.end_s for t in trials) - min(t.start_s for t in trials)
    if spread > wall + SLACK_S:
        raise InputError(f"search {parent} was resumed; only one in one go has a wall time")
    workers = int(run.metrics["workers"])
    budget = Budget(**_numbers(run.params, "budget."))
    return SearchTimes(
        workers, wall, budget, SelectionRule(**_numbers(run.params, "rule.")), tuple(trials)
    )


def _numbers(params: Mapping[str, str], prefix: str) -> dict[str, Any]:
    values = {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(prefix)}
    return {k: None if v == "None" else json.loads(v) for k, v in values.items()}


def write_times(times: SearchTimes, path: Path) -> None:
    """Write the record as JSON, which `read_times` reads."""
    write_text(path, json.dumps({"format": FORMAT, **asdict(times)}) + "\n")


def read_times(path: Path) -> SearchTimes:
    """Read what `write_times` wrote.

    Raises
    ------
    InputError
        When the file is not such a record.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["format"] != FORMAT:
            raise ValueError(f"format {plain['format']}")
        trials = []
        for trial in plain["trials"]:
            named = {"phase": Phase(trial["phase"]), "status": TrialStatus(trial["status"])}
            trials.append(RecordedTrial(**{**trial, **named, "curve": tuple(trial["curve"])}))
        budget, rule = Budget(**plain["budget"]), SelectionRule(**plain["rule"])
        return SearchTimes(plain["workers"], plain["wall_s"], budget, rule, tuple(trials))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no record of a search ({error}); write one anew") from error


def read_costs(path: Path) -> Costs:
    """Read what benchmarks/driver_costs.py has measured; the rest keeps its default.

    Raises
    ------
    InputError
        When the file holds no such figures.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(Costs)}
        return Costs(**{key: value for key, value in plain.items() if key in known})
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} holds no driver costs ({error})") from error
