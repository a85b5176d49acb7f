"""A batch with a monster, a broken crystal and others: real processes, really killed."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest
from ordering_examples import rock_salt, scattered
from pymatgen.core import Structure

from sie.errors import InputError
from sie.structures.ordering import OrderingLimits, Outcome, order_structure
from sie.structures.ordering_batch import order_all
from sie.structures.ordering_workers import order_each

LIMITS = OrderingLimits(seconds=5.0, max_sites=120)


def monster() -> Structure:
    """More orderings than there are atoms on earth."""
    mixed = [{"Al3+": 0.25, "Mg2+": 0.25, "Na+": 0.25}] * 80
    return scattered([*mixed, *["O2-"] * 30], 3, edge=20.0)


def flat() -> Structure:
    """Without a volume."""
    crystal = scattered([{"Na+": 0.5}, "Cl-"])
    return Structure(np.diag([4.0, 4.0, 0.0]), crystal.species_and_occu, crystal.frac_coords)


def quick(share: float = 0.5) -> Structure:
    return rock_salt({"Li+": 0.25, "Ti3+": share})


CRYSTALS = {
    "monster": monster(),
    "quick": quick(),
    "flat": flat(),
    "large": scattered([{"Na+": 0.5}, *["Cl-"] * 90]),
    "bare": scattered([{"Na": 0.5}, "Cl"]),
    "lithium": scattered(["Li+"]),
    "ordered": scattered(["Li+", "Na+", "Cl-"]),
    "twin": quick(),
}


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    folder, seen = tmp_path_factory.mktemp("ordering"), []
    report = order_all(CRYSTALS, LIMITS, 2, lambda *told: seen.append(told), folder)
    return folder, report, seen


def test_every_crystal_is_accounted_for_with_its_reason(batch):
    _, report, _ = batch
    assert {entry: str(result.outcome) for entry, result in report.results.items()} == {
        "monster": "timed out",
        "quick": "ordered",
        "flat": "failed",
        "large": "too large",
        "bare": "no oxidation states",
        "lithium": "only lithium",
        "ordered": "already ordered",
        "twin": "ordered",
    }
    assert list(report.results) == list(CRYSTALS)
    assert report.counts[Outcome.ORDERED] == 2
    assert sum(report.counts.values()) == len(CRYSTALS)
    assert set(report.structures) == {"quick", "ordered", "twin"}
    assert set(report.failures) == set(CRYSTALS) - set(report.structures)
    assert report.failures["monster"] == "timed out"
    assert report.failures["flat"].startswith("failed: ")
    assert report.results["monster"].seconds >= LIMITS.seconds


def test_a_process_of_its_own_gives_what_this_one_gives(batch):
    _, report, _ = batch
    here = order_structure(CRYSTALS["quick"], LIMITS)
    assert report.structures["quick"] == here.structure
    assert report.results["quick"].supercell == here.supercell


def test_progress_tells_of_each_once(batch):
    _, report, seen = batch
    assert [done for done, *_ in seen] == list(range(1, len(CRYSTALS) + 1))
    assert {total for _, total, *_ in seen} == {len(CRYSTALS)}
    assert {entry: result for *_, entry, result in seen} == report.results


def test_no_process_is_left(batch):
    assert multiprocessing.active_children() == []


def test_a_second_call_works_on_nothing(batch):
    folder, report, _ = batch
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == len(CRYSTALS) - 1  # the twins share a file
    again = order_all(CRYSTALS, LIMITS, 2, None, folder)
    assert again.computed == 0
    assert again.counts == report.counts
    assert again.structures == report.structures
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_what_was_done_stays_when_it_is_interrupted(tmp_path):
    crystals = {str(share): quick(share) for share in (0.25, 0.5, 0.75)}
    done: dict[str, Structure] = {}

    def stop_at_second(_, __, entry, ___):
        done[entry] = crystals[entry]
        if len(done) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        order_all(crystals, LIMITS, 1, stop_at_second, tmp_path)
    assert multiprocessing.active_children() == []
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert order_all(done, LIMITS, 1, None, tmp_path).computed == 0


class Bomb:
    """Ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_process_that_dies_costs_only_its_crystal_and_memory_is_limited():
    hungry = scattered([{"Na+": 0.5}] * 200 + ["Cl-"] * 200, edge=30.0)
    limits = OrderingLimits(seconds=30, max_sites=400, memory_gb=0.001)
    results = dict(order_each({"bomb": Bomb(), "hungry": hungry}, limits, 1))
    assert (results["bomb"].outcome, results["bomb"].detail) == (Outcome.CRASHED, "exit code 3")
    assert results["hungry"].outcome is Outcome.OUT_OF_MEMORY
    assert results["hungry"].seconds < limits.seconds


def test_processes_below_one_are_refused(tmp_path):
    with pytest.raises(InputError, match="processes is 0"):
        order_all(CRYSTALS, LIMITS, 0, None, tmp_path)
    assert order_all({}, LIMITS, 2, None, tmp_path).counts == {}
