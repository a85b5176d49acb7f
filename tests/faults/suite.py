"""The list of all drills; runs them one after the other and sums up what they return.

The table and drills.json are made of `Row`s; single drills live in their own modules.
"""

from __future__ import annotations

import json
import os
import platform
import random
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from faults import local_drills as local
from faults import service_drills as services
from faults.lab import UNKNOWN, Lab
from faults.local_drills import Result
from rich.table import Table

from sie.tracking.environment import code_hash, code_version

COLUMNS = (
    "fault",
    "times",
    "trials ended / planned",
    "lost",
    "doubled",
    "tracebacks",
    "seconds a fault",
)
Function = Callable[[Lab, random.Random], Result]


@dataclass(frozen=True)
class Drill:
    """A fault: how it is called, how it is made, how often, and how a test makes it once."""

    name: str
    fault: str
    run: Function
    times: int = 1
    in_ci: bool = False
    once: Function | None = None


DRILLS = (
    Drill(
        "driver-kill",
        "kill -9 of the driver, at random moments",
        local.kill_driver_often,
        20,
        in_ci=True,
        once=local.kill_driver,
    ),
    Drill(
        "driver-kill-writing",
        "kill -9 of the driver between two batches of a trial's metrics",
        local.kill_driver_writing_often,
        3,
        once=local.kill_driver_writing,
    ),
    Drill(
        "driver-kill-closing",
        "kill -9 of the driver before a written trial is said to have ended",
        local.kill_driver_closing,
    ),
    Drill("worker-kill", "kill -9 of a trial worker", local.kill_worker, 2),
    Drill("node-kill", "kill -9 of a whole Ray node", services.kill_node),
    Drill("raylet-kill", "kill -9 of a raylet alone", services.kill_raylet),
    Drill("head-kill", "kill -9 of the head's control store", services.lose_head),
    Drill("head-hang", "the head's control store hangs", services.hang_head),
    Drill(
        "server-kill",
        "kill -9 of the MLflow server, back 20 s later",
        services.kill_server,
    ),
    Drill("server-hang", "the MLflow server hangs for 30 s", services.hang_server),
    Drill("postgres-kill", "kill -9 of PostgreSQL, back 20 s later", services.kill_postgres),
    Drill("partition", "a worker's host off the network for 30 s", services.partition),
    Drill("disk-full", "disk full under mlruns/ for 20 s", local.full_disk),
    Drill("trial-raise", "a trial that raises", local.raising_trial),
    Drill("trial-hang", "a trial that hangs in native code", local.hanging_trial),
    Drill("trial-nan", "a trial whose weights become NaN", local.nan_trial),
    Drill("trial-eat", "a trial that eats memory until it is killed", local.eating_trial),
    Drill("trial-memory", "a trial that raises MemoryError", local.out_of_memory_trial),
    Drill("ctrl-c", "Ctrl-C once", local.ctrl_c),
    Drill("ctrl-c-twice", "Ctrl-C twice within two seconds", local.ctrl_c_twice, 2),
)


@dataclass
class Row:
    """What one drill came to.

    Attributes
    ----------
    name, fault : str
        Of the drill.
    times : int
        How often the fault was made.
    planned, ended, lost, doubled : int
        Trials and repeats over all its searches.
    tracebacks : int
        Starts of the command that showed a traceback or Ray's own lines.
    costs : list of float
        Seconds that one fault cost, by search.
    remarks : list of str
        Details of what is lost or doubled, and what else was not as it should be.
    skipped : str
        Why it could not be made here.
    seeds : list of int
        Of the moments and victims.
    """

    name: str
    fault: str
    times: int = 0
    planned: int = 0
    ended: int = 0
    lost: int = 0
    doubled: int = 0
    tracebacks: int = 0
    starts: int = 0
    costs: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    skipped: str = ""
    seeds: list[int] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Take in one search."""
        count = result.count
        self.times += result.faults
        self.planned += count.planned
        self.ended += count.ended
        self.lost += len(count.lost)
        self.doubled += len(count.doubled)
        self.tracebacks += result.tracebacks
        self.starts += len(result.starts)
        if result.calm != UNKNOWN:
            self.costs.append((result.wall - result.calm) / max(result.faults, 1))
        folder = result.starts[0].folder.name
        details = (*count.lost, *count.doubled, *result.remarks)
        self.remarks += [f"{folder}: {text}" for text in details]

    @property
    def cost(self) -> float:
        """Mean wall time that one fault cost, in seconds."""
        return sum(self.costs) / len(self.costs) if self.costs else float("nan")

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled, shown or otherwise remarkable."""
        return not (self.lost or self.doubled or self.tracebacks or self.remarks)

    def as_dict(self) -> dict[str, Any]:
        """Return the row as in drills.json."""
        return {
            "fault": self.fault,
            "name": self.name,
            "times_tried": self.times,
            "trials_planned": self.planned,
            "trials_ended": self.ended,
            "trials_lost": self.lost,
            "trials_doubled": self.doubled,
            "starts": self.starts,
            "tracebacks": self.tracebacks,
            "wall_time_cost_s": round(self.cost, 1) if self.costs else None,
            "costs_s": [round(cost, 1) for cost in self.costs],
            "remarks": self.remarks,
            "skipped": self.skipped,
            "seeds": self.seeds,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Row:
        """Return a row of drills.json, to be added to."""
        return cls(
            plain["name"],
            plain["fault"],
            times=plain["times_tried"],
            planned=plain["trials_planned"],
            ended=plain["trials_ended"],
            lost=plain["trials_lost"],
            doubled=plain["trials_doubled"],
            tracebacks=plain["tracebacks"],
            starts=plain["starts"],
            costs=plain["costs_s"],
            remarks=plain["remarks"],
            seeds=plain["seeds"],
        )


def run_drill(
    drill: Drill,
    lab: Lab,
    seed: int,
    times: int | None = None,
    row: Row | None = None,
    after: Callable[[Row], object] = lambda row: None,
) -> Row:
    """Make one fault as often as asked for; moments and victims follow from seed and name.

    Parameters
    ----------
    drill : Drill
        What to break.
    lab : Lab
        Where.
    seed : int
        Of the moments and victims.
    times : int, optional
        How often; by default as often as the drill says.
    row : Row, optional
        What an earlier run of the drill came to; this one adds to it.
    after : callable
        Called with what there is after every search.
    """
    draw = random.Random(f"{seed}/{drill.name}")
    row = row or Row(drill.name, drill.fault)
    row.seeds.append(seed)
    wanted = row.times + (times or drill.times)
    try:
        for _ in range(2 * wanted):
            if row.times < wanted:
                row.add(drill.run(lab, draw))
                after(row)
    except pytest.skip.Exception as reason:
        row.skipped = str(reason)
    except Exception as error:  # noqa: BLE001 - one drill that breaks must not end the others
        where = traceback.format_exc().splitlines()
        row.remarks.append(f"the drill itself: {error} ({'; '.join(where[-5:-1])})")
    return row


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the table that `make drills` prints, from rows of drills.json."""
    shown = Table("fault", title="Fault drills")
    for name in COLUMNS[1:]:
        shown.add_column(name, justify="right")
    for row in rows:
        shown.add_row(*_cells(row))
    return shown


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table as in docs/drills.md, with the sources that each drill has met."""
    columns = (*COLUMNS, "`code_hash`")
    lines = [f"| {' | '.join(columns)} |", "| --- |" + " ---: |" * (len(columns) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(r))} | {r['code_hash']} |" for r in rows)])


def _cells(row: dict[str, Any]) -> list[str]:
    if row["skipped"] and not row["times_tried"]:
        return [row["fault"], "0", f"skipped: {row['skipped']}", "", "", "", ""]
    ended = f"{row['trials_ended']} / {row['trials_planned']}"
    numbers = [row[name] for name in ("trials_lost", "trials_doubled", "tracebacks")]
    cost = row["wall_time_cost_s"]
    cells = [row["times_tried"], ended, *numbers, "" if cost is None else round(cost)]
    return [row["fault"], *map(str, cells)]


def read(path: Path) -> dict[str, Row]:
    """Return what drills.json says of the present sources, by the names of the drills."""
    old = json.loads(path.read_text())["drills"] if path.exists() else []
    return {row["name"]: Row.from_dict(row) for row in old if row["code_hash"] == code_hash()}


def write(path: Path, rows: Sequence[Row], calm: dict[str, float]) -> list[dict]:
    """Write drills.json and return its rows; those of drills that were not made now stay."""
    old = json.loads(path.read_text())["drills"] if path.exists() else []
    made = {"code_hash": code_hash(), "undisturbed_s": calm}
    made["when"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    known = {row["name"]: row for row in old} | {row.name: row.as_dict() | made for row in rows}
    content = {
        "format": 1,
        "code": code_version(),
        "machine": f"{platform.platform(terse=True)}, {os.cpu_count()} CPUs",
        "drills": [known[drill.name] for drill in DRILLS if drill.name in known],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    return content["drills"]
