"""What is read back is what was kept, and nothing else is."""

from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest
from ordering_examples import rock_salt, scattered

from sie.datasets.record import structure_hash
from sie.structures.ordering import OrderedResult, OrderingLimits, Outcome, order_structure
from sie.structures.ordering_cache import load_result, ordering_key, save_result

KEY = "0123456789ab"


def test_an_ordered_crystal_comes_back_to_the_last_bit(tmp_path):
    result = order_structure(rock_salt({"Ti3+": 0.25, "Mg2+": 0.5}), OrderingLimits())
    save_result(tmp_path, KEY, result)
    found = load_result(tmp_path, KEY)
    assert structure_hash(found.structure) == structure_hash(result.structure)
    assert np.array_equal(found.structure.frac_coords, result.structure.frac_coords)
    assert np.array_equal(found.structure.lattice.matrix, result.structure.lattice.matrix)
    assert [s.species for s in found.structure] == [s.species for s in result.structure]
    assert (found.outcome, found.supercell) == (result.outcome, result.supercell)
    assert (found.composition_error, found.detail) == (result.composition_error, result.detail)


def refuse(constant):
    raise ValueError(constant)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_ending_is_kept_as_strict_json(tmp_path, outcome):
    save_result(tmp_path, KEY, OrderedResult(outcome, seconds=1.5, detail="why"))
    json.loads((tmp_path / f"{KEY}.json").read_text(), parse_constant=refuse)
    found = load_result(tmp_path, KEY)
    assert (found.outcome, found.seconds, found.detail) == (outcome, 1.5, "why")
    assert found.structure is None
    assert math.isnan(found.composition_error)


def test_a_process_killed_from_outside_is_not_held_against_its_crystal(tmp_path):
    save_result(tmp_path, KEY, OrderedResult(Outcome.CRASHED, detail="SIGKILL"))
    assert load_result(tmp_path, KEY) is None
    save_result(tmp_path, KEY, OrderedResult(Outcome.CRASHED, detail="SIGSEGV"))
    assert load_result(tmp_path, KEY).outcome is Outcome.CRASHED


@pytest.mark.parametrize("how", ["cut", "other key", "other format", "moved atom", "no outcome"])
def test_a_damaged_file_is_worth_nothing(tmp_path, caplog, how):
    result = order_structure(rock_salt({"Ti3+": 0.5}), OrderingLimits())
    save_result(tmp_path, KEY, result)
    path = tmp_path / f"{KEY}.json"
    record = json.loads(path.read_text())
    if how == "other key":
        record["key"] = "f" * 12
    elif how == "other format":
        record["format"] = 99
    elif how == "moved atom":
        record["structure"]["sites"][0]["abc"][0] += 0.1
    elif how == "no outcome":
        del record["outcome"]
    path.write_text(json.dumps(record)[: 200 if how == "cut" else None])
    with caplog.at_level(logging.WARNING):
        assert load_result(tmp_path, KEY) is None
    assert "ordered again" in caplog.text
    assert load_result(tmp_path, "unknown") is None


def test_the_key_follows_crystal_and_limits():
    crystal = scattered([{"Na+": 0.5}, "Cl-"])
    keys = {
        ordering_key(crystal, OrderingLimits()),
        ordering_key(crystal, OrderingLimits(seconds=30)),
        ordering_key(crystal, OrderingLimits(max_sites=30)),
        ordering_key(scattered([{"Na+": 0.4}, "Cl-"]), OrderingLimits()),
        ordering_key(scattered([{"Na2+": 0.5}, "Cl-"]), OrderingLimits()),
    }
    assert len(keys) == 5
    assert ordering_key(crystal.copy(), OrderingLimits()) in keys


def test_a_folder_that_cannot_be_written_costs_only_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        save_result(tmp_path / "file", KEY, OrderedResult(Outcome.NO_ATOMS))
    assert "not kept" in caplog.text
