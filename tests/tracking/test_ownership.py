"""Who works on a run, seen from another machine."""

import threading
import time

import pytest

from sie.tracking import ownership
from sie.tracking.ownership import Owner, is_alive, owner_elsewhere
from sie.tracking.queries import get_run
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    return Recorder(open_store(None, tmp_path_factory.mktemp("mlruns")), "e")


@pytest.fixture
def run_id(recorder, monkeypatch):
    monkeypatch.setattr(ownership, "LOOK_S", 0.05)
    return recorder.open_run("k", "n", {}, {})


def test_our_own_machine_is_not_elsewhere(recorder, run_id):
    assert owner_elsewhere(get_run(recorder.store, run_id)) == ""
    Owner().beat(recorder, run_id)
    assert owner_elsewhere(get_run(recorder.store, run_id)) == ""


def test_another_machine_owns_what_it_has_not_ended(recorder, run_id):
    Owner("far/1/x").beat(recorder, run_id)
    assert owner_elsewhere(get_run(recorder.store, run_id)) == "far/1/x"
    recorder.store.client().set_terminated(run_id, "KILLED")
    assert owner_elsewhere(get_run(recorder.store, run_id)) == ""


def test_signs_of_life_are_seen_and_silence_is_death(recorder, run_id):
    owner = Owner("far/1/x")
    owner.beat(recorder, run_id)
    run = get_run(recorder.store, run_id)
    assert not is_alive(recorder, run, 0.2)

    def later():
        time.sleep(0.2)
        owner.beat(recorder, run_id)

    beating = threading.Thread(target=later)
    beating.start()
    assert is_alive(recorder, run, 20)
    beating.join()
