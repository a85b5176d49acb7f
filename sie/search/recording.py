"""A search in MLflow: the parent run, a run for every trial, and what an earlier start left.

Says what is recorded under which name; how MLflow is spoken to is `sie.tracking`'s business.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from sie.errors import SieError, TrackingError
from sie.files import cache_dir
from sie.search.conclusion import Ending
from sie.search.parent import AGAIN, UNDER_WAY, marks_of, open_parent, remove_doubles
from sie.search.places import scores
from sie.search.plan import SearchPlan
from sie.search.record import (
    EndedTrial,
    SearchOutcome,
    TrialTask,
    trial_from_plain,
    trial_to_plain,
)
from sie.tracking.inputs import DataInput
from sie.tracking.journal import Journal
from sie.tracking.machine import Machine, Watch
from sie.tracking.ownership import BEAT_S, OWNER_TAG
from sie.tracking.queries import children
from sie.tracking.recorder import Recorder
from sie.tracking.views import NO_PAGE, Page
from sie.tracking.writer import BackgroundWriter, Work
from sie.training.record import TrialStatus

log = logging.getLogger(__name__)

WAIT_S = 120.0
"""How long the end of a search waits for a store that does not answer."""


class SearchRecord:
    """The runs of one cluster's search; an observer of its trials.

    A trial that ends is written to a journal on the local disk at once, and to MLflow by a thread
    that follows behind: a process that is killed, or a store that is away, costs no ended trial.

    Parameters
    ----------
    recorder : Recorder
        Writes into the experiment.
    plan : SearchPlan
        Its hash and the name find an unfinished search again.
    name : str
        What the user calls the search.
    fresh : bool
        Start anew even where an unfinished search of the same plan and name is recorded.
    folder : Path
        Where locks are, and the journal; if its disk is full the journal goes into the cache.
    resume : bool
        Refuse to open a new search; see `open_parent`.
    data : DataInput, optional
        The dataset that every run names as its input.
    machine : Machine, optional
        Looked at while the search runs; the parent's system metrics.

    Attributes
    ----------
    parent : str
        Id of the parent run.
    past : Mapping[str, EndedTrial]
        Trials that an earlier start of this search ended, by key.
    unfinished : Mapping[str, TrialTask]
        Trials that it had begun, by key.
    seconds_waited : float
        Wall time that the search has waited for the record.
    """

    def __init__(
        self,
        recorder: Recorder,
        plan: SearchPlan,
        name: str,
        folder: Path,
        fresh: bool = False,
        resume: bool = False,
        data: DataInput | None = None,
        machine: Machine | None = None,
    ) -> None:
        self._recorder = recorder
        self._data = data
        self._plan = plan
        self.seconds_waited = 0.0
        self._doubtful: set[str] = set()
        self._marks = marks_of(plan)
        self._opened = open_parent(recorder, plan, name, self._marks, folder, fresh, resume)
        self.parent = self._opened.run_id
        self._name_data(self.parent)
        self._runs = dict(self._opened.runs)
        self.past = dict(self._opened.past)
        self.unfinished = dict(self._opened.unfinished)
        folders = (folder, cache_dir() / "journals")
        self._journal = Journal(f"journal-{self.parent}.jsonl", folders)
        self._take_up_journal()
        # the driver's loop, and so the workers, need not wait for the store
        self._writer = BackgroundWriter("mlflow", self._beat, BEAT_S)
        self._watch = Watch(machine, self._machine_seen) if machine is not None else None

    def require(self) -> None:
        """Raise when nothing is recorded any more.

        Raises
        ------
        SieError
            When another process has taken over, the parent was deleted, or by a mistake of ours.
        """
        self._writer.require()

    def trial_started(self, task: TrialTask) -> None:
        """Open the trial's run."""
        self._submit(partial(self._open, task))

    def trial_reported(
        self, task: TrialTask, epoch: int, objective: float, curve: Sequence[float]
    ) -> None:
        """Nothing: curves are written once, when the trial has ended."""

    def trial_ended(self, ended: EndedTrial) -> None:
        """Write the trial to the journal now, and to the store as soon as that takes it."""
        began = time.perf_counter()
        at_ms = int(time.time() * 1000)
        if ended.result.status not in AGAIN:
            self._journal.append({"at_ms": at_ms, **trial_to_plain(ended)})
        self._submit(partial(self._end, ended, at_ms))
        self.seconds_waited += time.perf_counter() - began

    def flush(self, seconds: float = WAIT_S) -> None:
        """Wait until every trial is written, so many seconds at most.

        Raises
        ------
        TrackingError
            When the store does not take them; the journal keeps them.
        """
        began = time.perf_counter()
        try:
            if self._writer.failure is not None:
                log.warning("waiting up to %g s for the MLflow store", seconds)
            self._writer.drain(seconds)
            known, owner = set(self._runs.values()), self._opened.owner
            remove_doubles(self._recorder, self.parent, known, owner)
        finally:
            self.seconds_waited += time.perf_counter() - began

    def rescue(self) -> Path | None:
        """Stop writing; return where the trials are kept that the store has not taken, or None."""
        if self._watch is not None:
            self._watch.end()
        incomplete = self._writer.incomplete
        self._writer.end()
        return self._journal.path if incomplete else None

    def _submit(self, work: Work) -> None:
        with suppress(SieError):  # nothing is recorded any more: `require` says so
            self._writer.submit(work)

    def _take_up_journal(self) -> None:
        for plain in self._journal.values():
            at_ms = int(plain.pop("at_ms"))
            ended = trial_from_plain(plain)
            known = self.past.get(ended.task.key)
            if known is None or known.task != ended.task:
                self._beat_when_due()
                try:
                    self._write_somewhere(ended, at_ms)
                except TrackingError as error:
                    if not error.refused:
                        raise
                    log.warning("%s; %s is not recorded", error, ended.task.key)
                self.past[ended.task.key] = ended
                self.unfinished.pop(ended.task.key, None)

    def _open(self, task: TrialTask) -> None:
        try:
            self._beat_when_due()
            self._run(task)
        except TrackingError as error:
            # its end will open it
            log.info("%s; the run of %s is opened later", error, task.key)

    def _end(self, ended: EndedTrial, at_ms: int) -> None:
        self._beat_when_due()
        self._write_somewhere(ended, at_ms)

    def _write_somewhere(self, ended: EndedTrial, at_ms: int) -> None:
        """Write a trial into its run, or into a new one where somebody has deleted that."""
        try:
            self._write(ended, at_ms)
        except TrackingError as error:
            if not error.refused or self._runs.pop(ended.task, None) is None:
                raise
            log.warning("%s; %s is recorded in a new run", error, ended.task.key)
            self._write(ended, at_ms)

    def _beat_when_due(self) -> None:
        # before anything is written: who was cut off for long may have been taken for dead
        self._opened.owner.beat_when_due(self._recorder, self.parent)

    def _beat(self) -> None:
        self._opened.owner.beat(self._recorder, self.parent)

    def _machine_seen(self, metrics: Mapping[str, float]) -> None:
        # while the store is away there is a gap: trials come first
        if self._writer.failure is None:
            self._submit(partial(self._write_machine, metrics, time.time()))

    def _write_machine(self, metrics: Mapping[str, float], at: float) -> None:
        # the clock's seconds as step: a search that is gone on with goes on here too
        self._beat_when_due()  # the writer is never idle now
        self._recorder.log_point(self.parent, metrics, int(at), int(at * 1000))

    def close(self, outcome: SearchOutcome, positive_fraction: float, page: Page = NO_PAGE) -> None:
        """Write the result of the search and end the parent, as soon as the store takes it.

        Parameters
        ----------
        outcome : SearchOutcome
            What was found.
        positive_fraction : float
            Of the validation cluster: the AUC-PR of a constant prediction.
        page : Page
            What MLflow's pages show of it.

        Raises
        ------
        TrackingError
            When the store has not answered for `WAIT_S`; the search can be gone on with.
        """
        ending = Ending(outcome, self._plan.rule, positive_fraction, page)
        self._writer.submit(partial(self._write_ending, ending))
        self._writer.drain(WAIT_S)
        self._journal.remove()
        self._leave()

    def abort(self, status: TrialStatus, reason: str) -> None:
        """End the parent of a search that could not go on; the journal keeps what is unwritten."""
        try:
            try:
                self.flush()
            except TrackingError as error:
                if not error.refused:
                    raise
            self._beat()  # is it ours to be ended?
            self._recorder.close_run(self.parent, status, reason)
        except SieError as error:
            if str(error) != reason:
                log.warning("%s", error)
        finally:
            if self._writer.incomplete:
                log.warning("%s keeps what is not recorded", self._journal.path)
            self._leave()

    def _write_ending(self, ending: Ending) -> None:
        self._beat()
        ending.write(self._recorder, self._run)

    def _leave(self) -> None:
        if self._watch is not None:
            self._watch.end()
        self._writer.end()
        self._opened.release()

    def _run(self, task: TrialTask) -> str:
        # by the whole task: a run must never hold curves of another configuration or seed
        if task not in self._runs:
            tags = {
                "phase": task.phase,
                "status": UNDER_WAY,
                "seed": task.seed,
                "trial_number": task.number,
                "config_hash": task.config.hash,
                "trial_id": f"{self._plan.hash}/{task.key}",
                OWNER_TAG: self._opened.owner.text,
                **self._marks,
            }
            found = self._find(task) if task.key in self._doubtful else None
            self._doubtful.add(task.key)  # until the store has answered
            # the cluster too: MLflow's plots over several searches take parameters, not tags
            params = {**task.config.as_params(), "cluster": self._plan.cluster}
            if found is None:
                found = self._recorder.open_run(
                    task.key, task.key, tags, params, parent=self.parent
                )
            else:
                self._recorder.log_params(found, params)  # they come after the run's creation
            self._runs[task] = found
            self._doubtful.discard(task.key)
        return self._runs[task]

    def _name_data(self, run_id: str) -> None:
        if self._data is not None:
            self._recorder.log_input(run_id, self._data)

    def _find(self, task: TrialTask) -> str | None:
        """Return the run that a lost answer may have left behind."""
        known = set(self._runs.values())
        for run in children(self._recorder.store, self._recorder.experiment_id, self.parent):
            same = run.key == task.key and run.tags.get("config_hash") == task.config.hash
            if same and run.run_id not in known and run.ended is None:
                return run.run_id
        return None

    def _write(self, ended: EndedTrial, at_ms: int) -> None:
        run_id, result = self._run(ended.task), ended.result
        self._name_data(run_id)
        if result.status in AGAIN:
            # it is trained again into the same run, where two sets of curves would mix
            self._recorder.close_run(run_id, result.status, result.reason, at_ms=at_ms)
            return
        metrics = {
            **scores(ended, self._plan.rule),
            "n_epochs": float(result.n_epochs),
            "seconds_training": result.seconds_training,
            "seconds_setup": result.seconds_setup,
            "seconds_per_epoch": result.seconds_training / max(result.n_epochs, 1),
        }
        if result.status.counts or result.status is TrialStatus.DIVERGED:
            metrics["objective"] = ended.objective
        curves = result.curves
        self._recorder.close_run(run_id, result.status, result.reason, curves, metrics, at_ms)
