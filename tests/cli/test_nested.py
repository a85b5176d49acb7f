"""experiments/nested.py: shares of the trainings, and a dry run that trains nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from sie.cli.arguments import REPOSITORY
from sie.cli.nested import NestedOptions, jobs_of, run_nested
from sie.errors import InputError
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
