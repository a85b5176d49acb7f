from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from race.contestants import Engine, Lap
from race.data import synthetic_data
from race.parts import PARTS
from race.table import medians, plain
from trial import compare, difference, summary

from sie.models.config import TrialConfig

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "trial.py"
SMALL = TrialConfig(n_layers=1, n_neurons=8, batch_size=8, readout_width=8)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(synthetic_data(20), threads=1)


@pytest.mark.end_to_end
@pytest.mark.long
def test_both_ways_race_and_the_file_tells_it(tmp_path):
    file = tmp_path / "race.json"
    command = [sys.executable, str(BENCHMARK), "--json", str(file), "--threads", "1"]
    command += ["--structures", "20", "--readout-width", "8", "--configurations", "1,8,8"]
    command += ["--blocks", "2", "--trial-epochs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 x 8, 8" in done.stdout
    written = json.loads(file.read_text(encoding="utf-8"))
    (row,) = written["configurations"]
    shape = {"n_layers": 1, "n_neurons": 8, "batch_size": 8, "readout_width": 8, "threads": 1}
    assert shape.items() <= row.items()
    assert row["largest_difference"] < 1e-5 < 1e-3 < row["output_spread"]
    assert row["ratio"] == np.median(row["ratio_pairs"]) == written["median_ratio"]
    assert len(row["ratio_pairs"]) == 2
    assert row["trial_ratio"] == row["trial_stock_s"] / row["trial_sie_s"]
    assert row["trial_stock_s"] == row["stock_first_s"] + 2 * row["stock_s"]
    assert written["median_trial_ratio"] == row["trial_ratio"]
    assert written["median_ratio_two_threads"] is None
    assert set(row["parts"]) == set(PARTS)
    assert row["roofline"]["measured_s"] == row["sie_s"]
    assert 0 < row["roofline"]["share"] < 1
    assert written["machine"]["cores"] >= 1


def test_the_engine_is_timed_epoch_by_epoch_and_by_trial(engine):
    assert engine.begin(SMALL) > 0
    laps = engine.epochs(3)
    assert len(laps) == 3
    assert min(lap.wall for lap in laps) > 0
    assert engine.trial(SMALL, 12) > 0
    parts = engine.parts(SMALL)
    assert set(parts) == set(PARTS)
    assert min(parts.values()) > 0


def test_the_roofline_counts_the_split(engine):
    found = engine.roofline(SMALL, epoch_seconds=1.0)
    training, validation = found["loads"]
    assert (training["structures"], training["batches"]) == (16, 2)
    assert (validation["structures"], validation["batches"]) == (4, 1)
    data = synthetic_data(20)
    # an orbit of two atoms and more has two rows in training
    trained = data.features.select(data.train).multiplicity
    assert training["rows"] == np.minimum(trained, 2).sum()
    assert validation["rows"] == len(data.features.select(data.validation).rows)
    assert found["operations"] == sum(found["operations_by_part"].values())


@pytest.mark.parametrize(("cells", "atoms"), [("files", 14.5), ("primitive", 7.5)])
def test_random_rows_hold_as_many_atoms_as_cells_do(cells, atoms):
    data = synthetic_data(400, cells)
    assert np.mean(data.features.multiplicity) == pytest.approx(atoms, rel=0.05)
    assert data.n_atoms == data.features.multiplicity.sum()
    assert len(data.train) == 320
    assert not set(data.train) & set(data.validation)


class Answers:
    """A way whose outputs are given."""

    def __init__(self, *outputs: float) -> None:
        self.outputs = np.array(outputs)

    def ask(self, question: str, *arguments: object) -> np.ndarray:
        return getattr(self, question)


def test_another_function_ends_the_race():
    found = difference(Answers(0.2, 0.7), Answers(0.2, 0.70005), SMALL)
    assert found["largest_difference"] == pytest.approx(5e-5)
    for other in (0.7002, math.nan):
        with pytest.raises(SystemExit, match="not the same function"):
            difference(Answers(0.2, 0.7), Answers(0.2, other), SMALL)


def test_blocks_are_compared_pair_by_pair():
    # another program slows both ways to a half in the second of three turns
    ours = [[Lap(s, s)] * 2 for s in (1.0, 2.0, 1.0)]
    theirs = [[Lap(s, 1.0)] for s in (8.0, 16.0, 9.0)]
    found = compare(ours, theirs)
    assert found["ratio_pairs"] == [8, 8, 9]
    assert found["ratio"] == 8
    assert (found["stock_s"], found["sie_s"], found["sie_least_s"]) == (9, 1, 1)
    assert (found["stock_busy"], found["sie_busy"]) == (9, 1)
    alone = compare(ours, [[], [], []])
    assert np.isnan(alone["ratio"])
    assert alone["sie_s"] == 1


def test_medians_are_taken_by_threads():
    rows = [
        {"threads": threads, "ratio": ratio, "trial_ratio": 2 * ratio}
        for threads, ratio in ((1, 10.0), (1, 30.0), (1, 11.0), (2, 8.0), (2, 6.0))
    ]
    found = summary(rows)
    assert found == {
        "median_ratio": 11.0,
        "median_ratio_two_threads": 7.0,
        "median_trial_ratio": 22.0,
    }
    alone = summary(rows[:3])
    assert plain(alone)["median_ratio_two_threads"] is None
    assert "two threads" in medians(found)
    assert "two threads" not in medians(alone)
