"""Every fault once: nothing lost, nothing doubled, nothing of it on the terminal.

`make drills` makes the same faults oftener, measures what they cost and prints the table.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from faults.lab import Lab
from faults.suite import DRILLS, Drill, run_drill

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SEED = 6


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Lab:
    return Lab(tmp_path_factory.mktemp("drills"), measure=False)


def cases():
    for drill in DRILLS:
        marks = [] if drill.in_ci else [pytest.mark.long]
        yield pytest.param(drill, id=drill.name, marks=marks)


@pytest.mark.parametrize("drill", cases())
def test_nothing_is_lost_or_doubled(drill: Drill, lab: Lab):
    row = run_drill(replace(drill, run=drill.once or drill.run), lab, SEED, times=1)
    if row.skipped:
        pytest.skip(row.skipped)
    assert row.times == 1
    assert row.remarks == []
    assert (row.ended, row.lost, row.doubled) == (row.planned, 0, 0)
    assert row.tracebacks == 0
