"""A search in a real store: created once, taken up again, rescued when the store is away."""

import dataclasses
import re
import time
from types import SimpleNamespace

import numpy as np
import pytest
from search_examples import SPACE, make_ended, make_plan, make_result

from sie.errors import InputError, TrackingError
from sie.models.config import TrialConfig
from sie.reporting.search_views import search_views
from sie.search import parent
from sie.search.choices import Sampler
from sie.search.differences import SPACE_FILE
from sie.search.plan import Mode
from sie.search.points import best_of_search
from sie.search.record import (
    EndedTrial,
    Phase,
    PhaseTime,
    SearchOutcome,
    TimeUse,
    TrialTask,
    trial_from_plain,
    trial_to_plain,
)
from sie.search.recording import SearchRecord
from sie.search.selection import judge_repeats, top_configurations
from sie.search.space import parse_space
from sie.tracking import ownership
from sie.tracking.inputs import DataInput
from sie.tracking.machine import Machine
from sie.tracking.ownership import TakenOver
from sie.tracking.queries import children, get_run
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store
from sie.tracking.views import Page
from sie.training.record import TrialStatus


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    return Recorder(open_store(None, tmp_path_factory.mktemp("mlruns")), "loco/test/CAMN-V1")


def name_of(request):
    # with its parameters: an unfinished search of another case is not to be gone on with
    return re.sub(r"\W", "-", request.node.name)[-60:].strip("-")


@pytest.fixture
def record(recorder, tmp_path, request):
    return SearchRecord(recorder, make_plan(), name_of(request), tmp_path)


def again(recorder, tmp_path, request, **options):
    return SearchRecord(recorder, make_plan(), name_of(request), tmp_path, **options)


def play(record, *trials):
    for ended in trials:
        record.trial_started(ended.task)
        record.trial_ended(ended)
    settle(record)


def settle(record):
    """Wait until all is written."""
    record._writer.drain(20)


def outcome(record, interrupted=False):
    phase = PhaseTime(0.5, 0.4, 0.1)
    time = TimeUse(0.0, 1.0, phase, phase, 0.0, 1)
    return SearchOutcome(record.parent, (), (), (), (), None, interrupted, time)


def equal(one: EndedTrial, two: EndedTrial) -> bool:
    return trial_to_plain(one) == trial_to_plain(two)


def test_trials_survive_json():
    ended = make_ended(3, 0.25)
    assert equal(trial_from_plain(trial_to_plain(ended)), ended)


def test_an_unfinished_search_is_taken_up_without_doubles(record, recorder, tmp_path, request):
    done = make_ended(0, 0.5)
    cut = EndedTrial(make_ended(1, 0.5).task, make_result([], TrialStatus.INTERRUPTED), 0.0)
    play(record, done, cut)
    record.trial_started(make_ended(2, 0.5).task)
    settle(record)
    record.close(outcome(record, interrupted=True), 0.4)
    second = again(recorder, tmp_path, request)
    assert second.parent == record.parent
    assert list(second.past) == ["trial-0000"]
    assert equal(second.past["trial-0000"], done)
    play(second, make_ended(1, 0.6), make_ended(2, 0.7))
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert [run.key for run in runs] == ["trial-0000", "trial-0001", "trial-0002"]
    assert all(run.ended is TrialStatus.COMPLETED for run in runs)


def test_what_was_under_way_or_failed_comes_back_as_a_task(record, recorder, tmp_path, request):
    cut = EndedTrial(make_ended(1, 0.9).task, make_result([0.9] * 70, TrialStatus.INTERRUPTED), 0.0)
    bad = EndedTrial(make_ended(2, 0.9).task, make_result([0.9] * 70, TrialStatus.FAILED), 0.0)
    begun = make_ended(3, 0.5).task
    play(record, cut, bad)
    record.trial_started(begun)
    settle(record)
    record.close(outcome(record, interrupted=True), 0.4)
    second = again(recorder, tmp_path, request)
    assert not second.past
    assert list(second.unfinished.values()) == [cut.task, bad.task, begun]

    shorter = EndedTrial(cut.task, make_result([0.3] * 40), 0.3)
    play(second, shorter)
    second.close(outcome(second, interrupted=True), 0.4)
    third = again(recorder, tmp_path, request)
    np.testing.assert_array_equal(third.past[cut.task.key].result.curves["val_auc_pr"], [0.3] * 40)


def test_a_run_never_holds_another_configuration_than_its_own(record, recorder, tmp_path, request):
    cut = EndedTrial(make_ended(1, 0.9).task, make_result([], TrialStatus.INTERRUPTED), 0.0)
    play(record, cut)
    record.close(outcome(record, interrupted=True), 0.4)
    second = again(recorder, tmp_path, request)
    other = make_ended(1, 0.6, config=TrialConfig(n_layers=4))
    assert other.task.key == cut.task.key
    play(second, other)
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert [(run.config, run.ended) for run in runs if run.ended is TrialStatus.COMPLETED] == [
        (other.task.config, TrialStatus.COMPLETED)
    ]


def test_trials_without_a_verdict_have_no_objective(record, recorder):
    timed_out = EndedTrial(make_ended(0, 0.9).task, make_result([0.9], TrialStatus.TIMED_OUT), 0.0)
    diverged = EndedTrial(make_ended(1, 0.9).task, make_result([0.9], TrialStatus.DIVERGED), 0.0)
    play(record, timed_out, diverged)
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert ["objective" in run.metrics for run in runs] == [False, True]


def test_a_finished_search_is_not_taken_up(record, recorder, tmp_path, request):
    record.close(outcome(record), 0.4)
    second = again(recorder, tmp_path, request)
    assert second.parent != record.parent
    assert get_run(recorder.store, second.parent).name.endswith("-2")


def test_fresh_starts_anew(record, recorder, tmp_path, request):
    assert again(recorder, tmp_path, request, fresh=True).parent != record.parent


def ended_search(record):
    """Two trials, one that failed, a repeat of the better one."""
    searched = (
        make_ended(0, 0.5),
        make_ended(1, 0.7),
        EndedTrial(make_ended(2, 0.9).task, make_result([], TrialStatus.FAILED), 0.0),
    )
    config = searched[1].task.config
    repeat = TrialTask("repeat-0", Phase.REPEAT, 0, config, 7)
    repeated = (EndedTrial(repeat, make_result([0.65] * 60), 0.65),)
    play(record, *searched, *repeated)
    verdict = judge_repeats(config, [repeated[0].result], make_plan().rule)
    return dataclasses.replace(
        outcome(record), searched=searched, repeated=repeated, judged=(verdict,), winner=verdict
    )


def numbers(recorder, parent, *names):
    runs = children(recorder.store, recorder.experiment_id, parent)
    found = {run.key: [run.metrics.get(name) for name in names] for run in runs}
    return {key: tuple(v if v is None else round(v, 9) for v in own) for key, own in found.items()}


def test_every_run_of_an_ended_search_has_its_score_and_rank(record, recorder):
    ended = ended_search(record)
    assert numbers(recorder, record.parent, "rank")["trial-0001"] == (None,)
    record.close(ended, 0.4)
    assert numbers(recorder, record.parent, "best_val_auc_pr", "rank") == {
        "trial-0000": (0.5, 2), "trial-0001": (0.7, 1), "trial-0002": (0, 3), "repeat-0": (0.65, 1),
    }  # fmt: skip
    parent = get_run(recorder.store, record.parent)
    assert parent.metrics["best_val_auc_pr"] == pytest.approx(0.65) and parent.metrics["rank"] == 1
    assert parent.tags["status"] == "completed"


def test_a_search_without_repeats_has_the_best_trials_score_and_no_winner(record, recorder):
    ended = dataclasses.replace(ended_search(record), judged=(), winner=None)
    trials = [(t.task.number, t.task.config, t.result) for t in ended.searched]
    top = tuple(top_configurations(trials, make_plan().rule, 1))
    record.close(dataclasses.replace(ended, top=top), 0.4)
    parent = get_run(recorder.store, record.parent)
    assert (parent.metrics["best_val_auc_pr"], parent.metrics["rank"]) == (0.7, 1)
    assert not parent.has_window


def test_a_stopped_search_has_no_ranks_yet_and_the_resumed_one_has_all(
    record, recorder, tmp_path, request
):
    ended = ended_search(record)
    record.close(dataclasses.replace(ended, winner=None, interrupted=True), 0.4)
    assert set(numbers(recorder, record.parent, "rank").values()) == {(None,)}
    assert "rank" not in get_run(recorder.store, record.parent).metrics
    second = again(recorder, tmp_path, request)
    assert get_run(recorder.store, record.parent).tags["status"] == "running"
    play(second, make_ended(2, 0.9))
    searched = (*ended.searched[:2], make_ended(2, 0.9))
    second.close(dataclasses.replace(ended, searched=searched), 0.4)
    ranks = numbers(recorder, record.parent, "rank")
    assert ranks == {
        "trial-0000": (3,), "trial-0001": (2,), "trial-0002": (1,), "repeat-0": (1,)
    }  # fmt: skip


def test_an_end_that_the_store_takes_late_is_written_once(record, recorder, monkeypatch):
    ended, close, calls = ended_search(record), recorder.close_run, []

    def away_at_first(*args, **kwargs):
        calls.append(args)
        if len(calls) < 3:
            raise TrackingError("away")
        close(*args, **kwargs)

    monkeypatch.setattr(recorder, "close_run", away_at_first)
    monkeypatch.setattr("sie.tracking.writer.FIRST_WAIT_S", 0.01)
    record.close(ended, 0.4, Page("# note", search_views(make_plan(), record.parent)))
    assert get_run(recorder.store, record.parent).status == "FINISHED"
    client = recorder.store.client()
    for run in children(recorder.store, recorder.experiment_id, record.parent):
        assert len(client.get_metric_history(run.run_id, "rank")) == 1
        assert len(client.get_metric_history(run.run_id, "best_val_auc_pr")) == 1


def test_every_run_names_dataset_cluster_phase_and_status(recorder, tmp_path, request):
    data = DataInput("d", "a", "sie.datasets.starter", "cluster 0 left out")
    record = SearchRecord(recorder, make_plan(), name_of(request), tmp_path, data=data)
    record.trial_started(make_ended(1, 0.5).task)
    play(record, make_ended(0, 0.5))
    client = recorder.store.client()
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    tags = [(run.tags["cluster"], run.tags["phase"], run.tags["status"]) for run in runs]
    assert tags == [("0", "search", "completed"), ("0", "search", "running")]
    assert [run.params["cluster"] for run in runs] == ["0", "0"]
    assert runs[0].config == make_ended(0, 0.5).task.config
    for run_id in (record.parent, runs[0].run_id):
        (found,) = client.get_run(run_id).inputs.dataset_inputs
        assert (found.dataset.name, found.dataset.digest) == ("d", "a")


def test_system_metrics_go_to_the_parent_until_the_search_ends(
    recorder, tmp_path, request, monkeypatch
):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    machine = Machine(tmp_path)
    record = SearchRecord(recorder, make_plan(), name_of(request), tmp_path, machine=machine)
    deadline = time.monotonic() + 20
    name = "system/disk_usage_percentage"
    while name not in get_run(recorder.store, record.parent).metrics:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    record.close(outcome(record), 0.4)
    client = recorder.store.client()
    before = len(client.get_metric_history(record.parent, name))
    time.sleep(0.3)
    assert len(client.get_metric_history(record.parent, name)) == before


def test_a_store_that_is_away_for_a_while_loses_nothing(record, recorder, monkeypatch):
    first, second = make_ended(0, 0.5), make_ended(1, 0.6)
    with monkeypatch.context() as away:
        away.setattr(recorder, "close_run", _away)
        record.trial_ended(first)
        with pytest.raises(TrackingError):
            record.flush(0.2)
    play(record, second)
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert [run.ended for run in runs] == [TrialStatus.COMPLETED] * 2


def test_trials_that_no_store_takes_wait_in_the_journal(
    record, recorder, monkeypatch, tmp_path, request
):
    ended = [make_ended(number, 0.5 + 0.1 * number) for number in range(3)]
    with monkeypatch.context() as away:
        away.setattr(recorder, "close_run", _away)
        for trial in ended:
            record.trial_started(trial.task)
            record.trial_ended(trial)
        with pytest.raises(TrackingError):
            record.flush(0.2)
        kept = record.rescue()
    assert kept.is_file()
    record._opened.release()
    second = again(recorder, tmp_path, request)
    assert second.parent == record.parent
    assert all(equal(second.past[trial.task.key], trial) for trial in ended)
    assert not second.unfinished
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert [run.ended for run in runs] == [TrialStatus.COMPLETED] * 3
    second.close(outcome(second), 0.4)
    assert not kept.exists()


def test_a_process_that_dies_between_journal_and_store_loses_no_trial(
    record, recorder, tmp_path, request
):
    play(record, make_ended(0, 0.5))
    record._writer.end()
    ended = make_ended(1, 0.7)
    record._journal.append({"at_ms": 1, **trial_to_plain(ended)})
    with record._journal.path.open("ab") as handle:
        handle.write(b'{"at_ms": 2, "task": {"ke')
    record._opened.release()
    second = again(recorder, tmp_path, request)
    assert sorted(second.past) == ["trial-0000", "trial-0001"]
    assert equal(second.past["trial-0001"], ended)
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert [run.key for run in runs] == ["trial-0000", "trial-0001"]


def test_a_trial_written_twice_is_there_once(record, recorder):
    ended = make_ended(0, 0.5)
    record._write(ended, 1_000)
    before = recorder.store.client().get_metric_history(record._run(ended.task), "val_auc_pr")
    record._write(ended, 1_000)
    after = recorder.store.client().get_metric_history(record._run(ended.task), "val_auc_pr")
    assert len(before) == len(after) == 60


def test_a_run_whose_creation_was_not_answered_is_found_again(record, recorder, monkeypatch):
    create = recorder.open_run

    def lost(*args, **kwargs):
        create(*args, **kwargs)
        raise TrackingError("no answer")

    with monkeypatch.context() as away:
        away.setattr(recorder, "open_run", lost)
        record.trial_started(make_ended(0, 0.5).task)
        settle(record)
    play(record, make_ended(0, 0.5))
    (run,) = children(recorder.store, recorder.experiment_id, record.parent)
    assert run.ended is TrialStatus.COMPLETED


def test_a_run_whose_creation_was_answered_before_its_parameters_has_them(
    record, recorder, monkeypatch
):
    log_batch, params_lost = recorder._client.log_batch, []

    def away_once(run_id, metrics=(), params=(), tags=()):
        if params and not params_lost:
            params_lost.append(run_id)
            raise ConnectionError("died between the two")
        return log_batch(run_id, metrics=metrics, params=params, tags=tags)

    monkeypatch.setattr(recorder._client, "log_batch", away_once)
    ended = make_ended(0, 0.5, config=TrialConfig(n_layers=4))
    play(record, ended)
    (run,) = children(recorder.store, recorder.experiment_id, record.parent)
    assert params_lost == [run.run_id]
    assert (run.config, run.params["cluster"]) == (ended.task.config, "0")


def long_trial(number=0):
    """A trial of several batches of metrics."""
    curve = np.linspace(0.1, 0.8, 700)
    result = make_result(curve)
    curves = {**result.curves, "val_loss": 1 - curve, "a_loss": 1 - curve}
    task = make_ended(number, 0.5).task
    return EndedTrial(task, dataclasses.replace(result, curves=curves), 0.7955)


def die_after_batches(recorder, monkeypatch, n):
    """Let the process die after its n-th batch of metrics: nothing more reaches the store."""
    log_batch, written = recorder._client.log_batch, []

    def until_then(run_id, metrics=(), params=(), tags=()):
        if len(written) == n:
            raise ConnectionError("dead")
        if metrics:
            written.append(run_id)
        return log_batch(run_id, metrics=metrics, params=params, tags=tags)

    monkeypatch.setattr(recorder._client, "log_batch", until_then)


@pytest.mark.parametrize("journal", ["kept", "lost"])
def test_a_driver_killed_amid_a_trials_curves_loses_nothing_of_it(
    record, recorder, tmp_path, request, monkeypatch, journal
):
    ended = long_trial()
    with monkeypatch.context() as dying:
        die_after_batches(recorder, dying, 1)
        record.trial_started(ended.task)
        record.trial_ended(ended)
        with pytest.raises(TrackingError):
            record.flush(0.3)
        record.rescue()
    record._opened.release()
    (run,) = children(recorder.store, recorder.experiment_id, record.parent)
    assert run.ended is None and run.metrics
    if journal == "lost":
        record._journal.remove()
    second = again(recorder, tmp_path, request)
    if journal == "kept":
        assert equal(second.past[ended.task.key], ended) and not second.unfinished
    else:
        assert not second.past and second.unfinished == {ended.task.key: ended.task}
        play(second, ended)
    (run,) = children(recorder.store, recorder.experiment_id, record.parent)
    assert (run.ended, run.status) == (TrialStatus.COMPLETED, "FINISHED")
    history = recorder.store.client().get_metric_history(run.run_id, "val_auc_pr")
    assert [point.step for point in history] == list(range(1, 701))


def test_a_run_whose_process_died_before_it_was_marked_as_ended_is_marked(
    record, recorder, tmp_path, request, monkeypatch
):
    ended = make_ended(0, 0.5)
    with monkeypatch.context() as dying:
        dying.setattr(recorder._client, "set_terminated", _away)
        record.trial_ended(ended)
        with pytest.raises(TrackingError):
            record.flush(0.3)
        record.rescue()
    record._journal.remove()
    record._opened.release()
    second = again(recorder, tmp_path, request)
    assert equal(second.past[ended.task.key], ended)
    (run,) = children(recorder.store, recorder.experiment_id, record.parent)
    assert run.status == "FINISHED"


def test_a_run_that_was_deleted_by_hand_is_made_anew(record, recorder, caplog):
    first, second = make_ended(0, 0.5), make_ended(1, 0.6)
    record.trial_started(first.task)
    settle(record)
    (run,) = children(recorder.store, recorder.experiment_id, record.parent)
    recorder.store.client().delete_run(run.run_id)
    play(record, first, second)
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert [run.ended for run in runs] == [TrialStatus.COMPLETED] * 2
    assert "is recorded in a new run" in caplog.text


def test_who_was_taken_for_dead_records_nothing_more(record, recorder, monkeypatch):
    play(record, make_ended(0, 0.5))
    recorder.log(record.parent, tags={"owner": "elsewhere/1/x/2"})
    monkeypatch.setattr(ownership, "BEAT_S", 0.0)
    with pytest.raises(TakenOver, match="elsewhere/1/x/2 has taken over"):
        play(record, make_ended(1, 0.6))
    record.trial_started(make_ended(2, 0.6).task)  # told from inside Tune, where it must not raise
    with pytest.raises(TakenOver):
        record.require()
    record.abort(TrialStatus.FAILED, "x")
    assert get_run(recorder.store, record.parent).status == "RUNNING"
    (run,) = children(recorder.store, recorder.experiment_id, record.parent)
    assert run.key == "trial-0000"


def test_a_search_that_is_aborted_asks_whose_it_is_now(record, recorder):
    recorder.log(record.parent, tags={"owner": "elsewhere/1/x/2"})
    record.abort(TrialStatus.FAILED, "the head is lost")
    assert get_run(recorder.store, record.parent).status == "RUNNING"


def test_a_parent_that_was_deleted_ends_the_search_with_what_to_do(record, recorder, monkeypatch):
    monkeypatch.setattr(ownership, "BEAT_S", 0.0)
    recorder.store.client().delete_run(record.parent)
    with pytest.raises(TakenOver, match=f"restore run {record.parent} in MLflow"):
        play(record, make_ended(0, 0.5))
    assert record.rescue().is_file()


def test_a_recorded_trial_that_was_deleted_by_hand_does_not_hold_up_the_end(record, recorder):
    ended = ended_search(record)
    first = children(recorder.store, recorder.experiment_id, record.parent)[0]
    recorder.store.client().delete_run(first.run_id)
    record.close(ended, 0.4)
    assert get_run(recorder.store, record.parent).status == "FINISHED"


def test_what_the_store_refuses_at_the_next_start_too_stops_no_start(
    record, recorder, tmp_path, request, monkeypatch, caplog
):
    record._journal.append({"at_ms": 1, **trial_to_plain(make_ended(0, 0.5))})
    record._writer.end()
    record._opened.release()

    def refuse(*args, **kwargs):
        raise TrackingError("no such value", refused=True)

    monkeypatch.setattr(recorder, "close_run", refuse)
    second = again(recorder, tmp_path, request)
    assert list(second.past) == ["trial-0000"]
    assert "trial-0000 is not recorded" in caplog.text


def test_repeatable_searches_do_not_train_failed_trials_of_earlier_batches_again(
    recorder, tmp_path, request
):
    plan = dataclasses.replace(make_plan(), mode=Mode.REPEATABLE)
    record = SearchRecord(recorder, plan, name_of(request), tmp_path)
    failed = [
        EndedTrial(make_ended(n, 0.5).task, make_result([], TrialStatus.FAILED), 0.0)
        for n in (2, 5)
    ]
    play(record, make_ended(0, 0.5), failed[0], make_ended(4, 0.5), failed[1])
    record.close(outcome(record, interrupted=True), 0.4)
    second = SearchRecord(recorder, plan, name_of(request), tmp_path)
    assert sorted(second.past) == ["trial-0000", "trial-0002", "trial-0004"]
    assert second.past["trial-0002"].result.status is TrialStatus.FAILED
    assert list(second.unfinished) == ["trial-0005"]


def test_a_run_that_the_client_made_twice_is_removed_but_nobody_elses(record, recorder):
    task = make_ended(0, 0.5).task
    tags = {"phase": "search", "trial_number": 0}
    for owner in (record._opened.owner.text, "elsewhere/1/x/2"):
        recorder.open_run(task.key, owner, {**tags, "owner": owner}, {"x": 1}, parent=record.parent)
    play(record, make_ended(0, 0.5))
    record.flush()
    runs = children(recorder.store, recorder.experiment_id, record.parent)
    assert sorted(run.name for run in runs) == ["elsewhere/1/x/2", "trial-0000"]


def test_a_run_without_its_configuration_is_no_trial(record, recorder, tmp_path, request):
    task = make_ended(0, 0.5, config=TrialConfig(n_layers=4)).task
    tags = {"phase": "search", "trial_number": 0, "seed": 0, "config_hash": task.config.hash}
    recorder.open_run(task.key, task.key, tags, {}, parent=record.parent)
    record._writer.end()
    record._opened.release()
    assert not again(recorder, tmp_path, request).unfinished


def test_resume_goes_on_or_says_what_differs(record, recorder, tmp_path, request):
    record.close(outcome(record, interrupted=True), 0.4)
    other = make_plan(max_epochs=100)
    with pytest.raises(InputError, match=r"differs in budget.max_epochs 160 -> 100"):
        SearchRecord(recorder, other, name_of(request), tmp_path, resume=True)
    with pytest.raises(InputError, match="no unfinished search called 'nobody'"):
        SearchRecord(recorder, make_plan(), "nobody", tmp_path, resume=True)
    assert again(recorder, tmp_path, request, resume=True).parent == record.parent
    with pytest.raises(InputError, match="is under way in another process"):
        again(recorder, tmp_path, request, resume=True)


NARROW = parse_space({"parameters": {"max_lr": {"choice": [1e-3]}, "batch_size": {"value": 8}}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset_hash": "other"}, "differs in dataset_hash a -> other (cluster 0)"),
        ({"split_hash": "other"}, "differs in split_hash c -> other (cluster 0)"),
        (
            {"space": NARROW},
            f"differs in space {SPACE.hash} -> {NARROW.hash} (max_lr {{0.001, 0.003, 0.005}} -> "
            "{0.001}; dropout_phi uniform [0, 0.5] -> the default; n_layers {2, 3} -> the default; "
            "batch_size the default -> value [8]) (cluster 0)",
        ),
    ],
    ids=["dataset", "split", "space"],
)
def test_another_dataset_split_or_space_is_refused_with_what_differs(
    record, recorder, tmp_path, request, change, words
):
    recorder.save_json(record.parent, SPACE.as_dict(), SPACE_FILE)
    record.close(outcome(record, interrupted=True), 0.4)
    other = dataclasses.replace(make_plan(), **change)
    with pytest.raises(InputError, match=re.escape(words)):
        SearchRecord(recorder, other, name_of(request), tmp_path, resume=True)
    assert again(recorder, tmp_path, request, resume=True).parent == record.parent


def test_a_search_of_another_sampler_is_not_gone_on_with(record, recorder, tmp_path, request):
    record.close(outcome(record, interrupted=True), 0.4)
    chosen = dataclasses.replace(make_plan(), sampler=Sampler.RANDOM)
    other = SearchRecord(recorder, chosen, name_of(request), tmp_path)
    assert other.parent != record.parent
    other.close(outcome(other, interrupted=True), 0.4)
    default = again(recorder, tmp_path, request)
    assert default.parent == record.parent
    default.close(outcome(default), 0.4)
    with pytest.raises(InputError, match="differs in sampler random -> the default"):
        again(recorder, tmp_path, request, resume=True)


def test_the_best_of_a_search_come_back_as_points(record, recorder):
    play(record, *(make_ended(n, 0.5 + n / 10) for n in range(4)))
    store = recorder.store
    found = best_of_search(store, record.parent, SPACE, n=2)
    assert found == tuple(make_ended(n, 0).task.config for n in (3, 2))
    narrow = parse_space(
        {"parameters": {"max_lr": {"value": 3e-3}, "dropout_phi": {"choice": [0.01]}}}
    )
    assert best_of_search(store, record.parent, narrow) == (make_ended(1, 0).task.config,)
    nowhere = parse_space({"parameters": {"max_lr": {"value": 5e-3}}})
    with pytest.raises(InputError, match="none of its 4 configurations lies in space"):
        best_of_search(store, record.parent, nowhere)
    trial = children(store, recorder.experiment_id, record.parent)[0]
    with pytest.raises(InputError, match="not the parent run"):
        best_of_search(store, trial.run_id, SPACE)
    with pytest.raises(InputError, match="no run"):
        best_of_search(store, "0" * 32, SPACE)


def test_a_search_of_another_machine_is_left_alone_until_it_is_silent(
    record, recorder, tmp_path, request, monkeypatch
):
    record._writer.end()
    record._opened.release()
    foreign = {"owner": "elsewhere/1/x", "owner_beat": "1"}
    recorder.log(record.parent, tags=foreign)
    monkeypatch.setattr("sie.tracking.ownership.LOOK_S", 0.05)
    monkeypatch.setattr("sie.tracking.ownership.SILENT_S", 0.3)
    is_alive = ownership.is_alive

    def with_a_sign(recorder, run, silent_s=0.3):
        recorder.log(run.run_id, tags={"owner_beat": "2"})
        return is_alive(recorder, run, silent_s)

    with monkeypatch.context() as living:
        living.setattr("sie.search.parent.is_alive", with_a_sign)
        with pytest.raises(InputError, match="under way"):
            again(recorder, tmp_path, request, resume=True)
    quick = lambda recorder, run: is_alive(recorder, run, 0.3)  # noqa: E731
    monkeypatch.setattr("sie.search.parent.is_alive", quick)
    assert again(recorder, tmp_path, request, resume=True).parent == record.parent


def test_a_search_under_way_in_another_folder_of_this_machine_is_left_alone(
    record, recorder, tmp_path, request, monkeypatch
):
    monkeypatch.setattr("sie.search.parent.is_alive", lambda recorder, run: True)
    with pytest.raises(InputError, match="under way"):
        again(recorder, tmp_path / "other", request, resume=True)


def test_of_two_that_claim_at_the_same_moment_one_goes_on(
    record, recorder, tmp_path, request, monkeypatch
):
    record._writer.end()
    record._opened.release()
    monkeypatch.setattr("sie.search.parent.is_alive", lambda recorder, run: False)
    monkeypatch.setattr(recorder, "store", dataclasses.replace(recorder.store, artifacts=None))

    def meanwhile(seconds):
        recorder.log(record.parent, tags={"owner": "elsewhere/1/x/2"})

    monkeypatch.setattr(
        "sie.tracking.ownership.time",
        SimpleNamespace(sleep=meanwhile, time=time.time, monotonic=time.monotonic),
    )
    with pytest.raises(InputError, match="under way"):
        again(recorder, tmp_path, request, resume=True)


def test_a_search_that_ended_after_it_was_listed_is_not_taken_up(
    record, recorder, tmp_path, request, monkeypatch
):
    record._writer.end()
    record._opened.release()
    claim = parent._claim

    def ended_before(folder, run_id):
        recorder.end_run(record.parent, TrialStatus.COMPLETED)
        return claim(folder, run_id)

    monkeypatch.setattr(parent, "_claim", ended_before)
    assert again(recorder, tmp_path, request).parent != record.parent
    assert get_run(recorder.store, record.parent).status == "FINISHED"


def test_a_parent_whose_opening_was_cut_off_bothers_nobody(recorder, tmp_path, request, caplog):
    tags = {"phase": "cluster-search", "search_name": name_of(request), "cluster": 0}
    recorder.open_run("k", "half", tags, {})
    record = SearchRecord(recorder, make_plan(), name_of(request), tmp_path)
    assert "differs" not in caplog.text
    record.close(outcome(record), 0.4)


def test_a_search_under_way_in_this_or_another_process_is_left_alone(
    record, recorder, tmp_path, request
):
    play(record, make_ended(0, 0.5))
    other = again(recorder, tmp_path, request)
    assert other.parent != record.parent
    assert not other.past


def test_a_search_of_other_code_is_not_gone_on_with(
    record, recorder, tmp_path, request, monkeypatch
):
    record.close(outcome(record, interrupted=True), 0.4)
    monkeypatch.setattr("sie.tracking.environment.code_hash", lambda: "0" * 12)
    assert again(recorder, tmp_path, request).parent != record.parent


@pytest.mark.parametrize("name", ["it's", "", "a/b", "x" * 81])
def test_names_that_filters_cannot_take_are_refused(recorder, tmp_path, name):
    with pytest.raises(InputError, match="--name"):
        SearchRecord(recorder, make_plan(), name, tmp_path)


def test_curves_come_back_exactly(record, recorder, tmp_path, request):
    rng = np.random.default_rng(0)
    exact = EndedTrial(make_ended(0, 0.5).task, make_result(rng.random(60)), 0.5)
    play(record, exact)
    record.close(outcome(record, interrupted=True), 0.4)
    curves = again(recorder, tmp_path, request).past["trial-0000"].result.curves
    np.testing.assert_array_equal(curves["val_auc_pr"], exact.result.curves["val_auc_pr"])


def _away(*args, **kwargs):
    raise TrackingError("MLflow store x: no answer")
