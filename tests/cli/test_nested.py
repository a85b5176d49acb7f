"""experiments/nested.py: shares of the trainings, and a dry run that trains nothing."""

from __future__ import annotations

import json
from pathlib import Path

import nested_examples as examples
import pandas as pd
import pytest
from rich.console import Console

from sie.cli.arguments import REPOSITORY
from sie.cli.config_file import RUN_YAML
from sie.cli.nested import NestedOptions, jobs_of, run_nested
from sie.errors import InputError
from sie.nested import calibrated, covered, mixtures, tables
from sie.nested.estimate import Frame
from sie.nested.folds import FOLDS
from sie.nested.trainings import save_fits
from sie.search.space import read_space


def test_all_candidates_of_a_seed_come_before_the_next_seed():
    space = read_space(REPOSITORY / "search_spaces" / "extended.yaml")
    jobs = jobs_of(NestedOptions(candidates=3, seeds=2), space)
    half = len(jobs) // 2
    assert [seed for _, seed in jobs] == [0] * half + [1] * half
    assert [c for c, _ in jobs[:half]] == [c for c, _ in jobs[half:]]


def test_seeds_count_from_the_first():
    space = read_space(REPOSITORY / "search_spaces" / "extended.yaml")
    fresh = jobs_of(NestedOptions(candidates=3, seeds=2, first_seed=5), space)
    usual = jobs_of(NestedOptions(candidates=3, seeds=2), space)
    assert [seed for _, seed in fresh] == [seed + 5 for _, seed in usual]
    assert [c for c, _ in fresh] == [c for c, _ in usual]


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_part_that_does_not_exist_is_refused(part):
    with pytest.raises(InputError, match="write it like 1/2"):
        _ = NestedOptions(part=part).share


def test_a_dry_run_trains_nothing(tmp_path: Path):
    console = Console(record=True, width=200)
    run_nested(NestedOptions(candidates=5, seeds=3, folder=tmp_path / "f", dry_run=True), console)
    assert "60 trainings" in console.export_text()
    assert not (tmp_path / "f").exists()


def test_tables_of_an_empty_folder_are_refused(tmp_path: Path):
    options = NestedOptions(folder=tmp_path, only_estimate=True)
    with pytest.raises(InputError, match="no trainings"):
        run_nested(options, Console())


def test_tables_and_figures_are_made_of_what_is_there(tmp_path: Path, monkeypatch):
    examples.quick_ways(monkeypatch)
    for module in (calibrated, mixtures, tables):
        monkeypatch.setattr(module, "N_RESAMPLES", 20)
    monkeypatch.setattr(covered, "N_REPEATS", 3)
    write_made_up(tmp_path / "f", examples.frame(4))
    write_made_up(tmp_path / "f" / FOLDS, examples.frame(3))
    (tmp_path / "f" / RUN_YAML).write_text("seeds: 2\n")
    options = NestedOptions(
        folder=tmp_path / "f",
        results=tmp_path / "r",
        only_estimate=True,
        run_options={"seeds": 1},
    )
    console = Console(record=True, width=200)
    run_nested(options, console)
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert names == {"figures"} | {
        f"nested_{name}.csv"
        for name in (
            *("calibration", "candidates", "choices", "conformal", "folds", "importance"),
            *("mixtures", "reliability", "summary", "ways"),
        )
    }
    assert {path.name for path in (tmp_path / "r" / "figures").iterdir()} == {
        f"nested_{name}.{suffix}"
        for name in ("coverage", "reliability")
        for suffix in ("png", "svg")
    }
    sets = pd.read_csv(tmp_path / "r" / "nested_conformal.csv")
    assert set(sets["protocol"]) == {"left-out clusters", "random parts", "random folds"}
    assert set(sets["system"]) == {"forest", "all networks", "all networks + forest"}
    assert "figures: " in console.export_text()
    again = {path: path.read_bytes() for path in (tmp_path / "r").glob("*.csv")}
    run_nested(options, Console(quiet=True))
    assert all(path.read_bytes() == content for path, content in again.items())
    assert (tmp_path / "f" / RUN_YAML).read_text() == "seeds: 2\n"  # of the training


def write_made_up(folder: Path, frame: Frame) -> None:
    folder.mkdir(parents=True)
    content = {"format": 1, "labels": frame.labels, "validation": frame.validation}
    content |= {"every": frame.every, "dataset_hash": frame.dataset_hash}
    (folder / "frame.json").write_text(json.dumps(content))
    for item in examples.made_up_fits(frame):
        save_fits(folder, item)
