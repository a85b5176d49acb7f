"""Who works on a run, seen from another machine."""

import threading
import time

import pytest

from sie.errors import TrackingError
from sie.tracking import ownership
from sie.tracking.ownership import Owner, TakenOver, is_alive, owner_elsewhere
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


def test_who_shares_our_folder_is_not_elsewhere(recorder, run_id, tmp_path):
    assert owner_elsewhere(get_run(recorder.store, run_id), tmp_path) == ""
    Owner(tmp_path).claim(recorder, run_id)
    assert owner_elsewhere(get_run(recorder.store, run_id), tmp_path) == ""


def test_another_folder_of_our_machine_is_elsewhere(recorder, run_id, tmp_path):
    other = Owner(tmp_path / "other")
    other.claim(recorder, run_id)
    assert owner_elsewhere(get_run(recorder.store, run_id), tmp_path) == other.text


def test_another_machine_owns_what_it_has_not_ended(recorder, run_id, tmp_path):
    Owner(tmp_path, "far/1/x").claim(recorder, run_id)
    assert owner_elsewhere(get_run(recorder.store, run_id), tmp_path) == "far/1/x"
    recorder.store.client().set_terminated(run_id, "KILLED")
    assert owner_elsewhere(get_run(recorder.store, run_id), tmp_path) == ""


def test_who_was_taken_for_dead_writes_no_more(recorder, run_id, tmp_path):
    first, second = Owner(tmp_path, "a/1/x"), Owner(tmp_path, "b/1/x")
    first.claim(recorder, run_id)
    first.beat(recorder, run_id)
    second.claim(recorder, run_id)
    assert second.holds(recorder, run_id) and not first.holds(recorder, run_id)
    with pytest.raises(TakenOver, match="b/1/x has taken over"):
        first.beat(recorder, run_id)
    assert get_run(recorder.store, run_id).tags["owner"] == "b/1/x"
    second.beat(recorder, run_id)


def test_signs_of_life_are_given_when_they_are_due(recorder, run_id, tmp_path, monkeypatch):
    owner = Owner(tmp_path)
    owner.claim(recorder, run_id)
    first = get_run(recorder.store, run_id).tags["owner_beat"]
    owner.beat_when_due(recorder, run_id)
    assert get_run(recorder.store, run_id).tags["owner_beat"] == first
    monkeypatch.setattr(ownership, "BEAT_S", 0.0)
    time.sleep(0.01)
    owner.beat_when_due(recorder, run_id)
    assert get_run(recorder.store, run_id).tags["owner_beat"] != first


def test_a_machine_that_slept_gives_a_sign_first(recorder, run_id, tmp_path, monkeypatch):
    owner = Owner(tmp_path)
    owner.claim(recorder, run_id)
    Owner(tmp_path, "b/1/x").claim(recorder, run_id)
    owner.beat_when_due(recorder, run_id)  # not due yet
    clock = time.monotonic(), time.time() + 3600
    monkeypatch.setattr(ownership, "_now", lambda: clock)
    with pytest.raises(TakenOver):
        owner.beat_when_due(recorder, run_id)


def test_a_run_that_the_store_does_not_know_for_a_while_is_not_lost(recorder, tmp_path):
    with pytest.raises(TrackingError) as caught:
        Owner(tmp_path).beat(recorder, "0" * 32)
    assert not caught.value.refused


def test_signs_of_life_are_seen_and_silence_is_death(recorder, run_id, tmp_path):
    owner = Owner(tmp_path, "far/1/x")
    owner.claim(recorder, run_id)
    run = get_run(recorder.store, run_id)
    assert not is_alive(recorder, run, 0.2)

    def later():
        time.sleep(0.2)
        owner.beat(recorder, run_id)

    beating = threading.Thread(target=later)
    beating.start()
    assert is_alive(recorder, run, 20)
    beating.join()
