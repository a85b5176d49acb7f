"""A share of `make fuzz`: the same inputs on every run, each reader a few hundred."""

from __future__ import annotations

import random

import pytest
from fuzz import mutated, run
from fuzz_targets import TARGETS, Target

SHARE = 150


@pytest.mark.parametrize("name", TARGETS)
def test_readers_refuse_broken_files_on_purpose(name, tmp_path):
    found = run(TARGETS[name], seed=6, numbers=range(SHARE), folder=tmp_path)
    assert found.broken == {}
    assert found.n == SHARE
    assert found.accepted  # some of what is fed is well-formed, or nothing is tested


def test_a_number_makes_the_same_input_again():
    target = TARGETS["cif"]
    random.seed(1)
    assert mutated(target, 1, 42) == mutated(target, 1, 42)
    assert len({mutated(target, 1, number) for number in range(100)}) > 70


def test_what_is_no_refusal_is_found_and_kept(tmp_path):
    def fragile(data, work):
        if b"7" in data:
            raise KeyError("seven")

    target = Target("fragile", ".txt", fragile, lambda: (b"1 2 3",), "7 77")
    found = run(target, 1, range(100), tmp_path / "kept")
    assert list(found.broken) == ["KeyError by test_fuzz.py, fragile: #"]
    assert len(list((tmp_path / "kept").iterdir())) == 1
