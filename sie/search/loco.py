"""The main job: search one left-out cluster, repeat the best, name the winner.

Puts plan, Ray, record and rules together; each of them lives in a module of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from sie.models.pretrained import StartingWeights
from sie.search.collect import Observer
from sie.search.plan import SearchPlan
from sie.search.problem import LearningProblem
from sie.search.record import (
    EndedTrial,
    Phase,
    PhaseTime,
    SearchOutcome,
    TimeUse,
    TrialTask,
)
from sie.search.recording import SearchRecord
from sie.search.seeds import derive_seed
from sie.search.selection import (
    RankedTrial,
    RepeatedConfig,
    SelectionRule,
    judge_repeats,
    pick_winner,
    top_configurations,
)
from sie.search.tuning import PhaseEnd, run_search, run_tasks
from sie.search.worker import TrainingJob
from sie.splits.record import Split
from sie.training.early_stopping import EarlyStopping

COLD = StartingWeights()
"""Every trial starts from weights of its own seed."""

Progress = Callable[[str, int], AbstractContextManager[Observer]]
"""Called with a title and a number of trials; gives an observer that shows their progress."""


def search_cluster(
    problem: LearningProblem,
    split: Split,
    plan: SearchPlan,
    record: SearchRecord,
    workers: int,
    progress: Progress,
    seconds_starting: float = 0.0,
    starts: StartingWeights = COLD,
) -> SearchOutcome:
    """Search, repeat and judge, as the plan says; Ray must be running.

    Trials that an earlier start of the same search has recorded are not trained again.

    Parameters
    ----------
    problem : LearningProblem
        Development features and labels.
    split : Split
        The left-out cluster against the others.
    plan : SearchPlan
        What to do.
    record : SearchRecord
        Where every trial is written.
    workers : int
        Trials at once.
    progress : Progress
        Shows how far each phase is.
    seconds_starting : float
        What starting Ray for this search took.
    starts : StartingWeights
        Pre-trained weights that trials start from; those of the plan's `pretrained`.

    Raises
    ------
    SearchAborted
        When trials fail as `FailureGuard` describes; what had ended is recorded.
    """
    began, waited_before = time.perf_counter(), record.seconds_waited
    budget, rule = plan.budget, plan.rule
    stopping = EarlyStopping(
        patience=budget.patience, min_gain=budget.min_gain, start_epoch=budget.patience_from
    )
    job = TrainingJob(
        problem.features, problem.labels, split, budget, rule, stopping, starts, problem.seen_as
    )
    searched = _search(plan, job, record, workers, progress)
    searched_by = time.perf_counter()
    top = top_configurations(
        [(t.task.number, t.task.config, t.result) for t in searched.trials], rule, budget.top
    )
    tasks = () if searched.interrupted else repeat_tasks(plan, top)
    repeating_from = time.perf_counter()
    repeated = _repeat(tasks, job, record, workers, progress)
    repeated_by = time.perf_counter()
    judged = judge(top, repeated.trials, rule) if tasks else ()
    record.flush()
    interrupted = searched.interrupted or repeated.interrupted
    return SearchOutcome(
        run_id=record.parent,
        searched=searched.trials,
        repeated=repeated.trials,
        top=tuple(top),
        judged=judged,
        # with repeats missing the ranking may still turn
        winner=None if interrupted else pick_winner(judged),
        interrupted=interrupted,
        time=TimeUse(
            starting=seconds_starting,
            wall=seconds_starting + time.perf_counter() - began,
            search=_phase_time(searched, record, searched_by - began),
            repeats=_phase_time(repeated, record, repeated_by - repeating_from),
            tracking=record.seconds_waited - waited_before,
            workers=workers,
        ),
    )


def _phase_time(phase: PhaseEnd, record: SearchRecord, wall: float) -> PhaseTime:
    new = [trial.result for trial in phase.trials if trial.task.key not in record.past]
    training = sum(result.seconds_training for result in new)
    return PhaseTime(wall, training, sum(result.seconds_setup for result in new))


def repeat_tasks(plan: SearchPlan, top: Sequence[RankedTrial]) -> tuple[TrialTask, ...]:
    """Return the repeats: every top configuration with every seed, one seed after the other.

    All configurations meet the same seeds, so that differences between them are not the seeds'.
    """
    tasks: list[TrialTask] = []
    for repeat in range(plan.budget.repeats):
        for ranked in top:
            key = f"repeat-{ranked.config.hash[:8]}-{repeat:02d}"
            seed = derive_seed(plan.seed, Phase.REPEAT, repeat)
            tasks.append(TrialTask(key, Phase.REPEAT, len(tasks), ranked.config, seed))
    return tuple(tasks)


def judge(
    top: Sequence[RankedTrial], repeated: Sequence[EndedTrial], rule: SelectionRule
) -> tuple[RepeatedConfig, ...]:
    """Return the verdict over every top configuration, best first; unjudgeable ones are absent."""
    verdicts = []
    for ranked in top:
        own = [trial.result for trial in repeated if trial.task.config == ranked.config]
        if (verdict := judge_repeats(ranked.config, own, rule)) is not None:
            verdicts.append(verdict)
    return tuple(sorted(verdicts, key=lambda item: -item.window.mean))


def _search(
    plan: SearchPlan, job: TrainingJob, record: SearchRecord, workers: int, progress: Progress
) -> PhaseEnd:
    past = [trial for trial in record.past.values() if trial.task.phase is Phase.SEARCH]
    begun = [task for task in record.unfinished.values() if task.phase is Phase.SEARCH]
    with progress(f"cluster {plan.cluster} search", plan.budget.trials) as observer:
        for trial in past:
            observer.trial_started(trial.task)
            observer.trial_ended(trial)
        return run_search(plan, job, workers, [record, observer], past, begun)


def _repeat(
    tasks: Sequence[TrialTask],
    job: TrainingJob,
    record: SearchRecord,
    workers: int,
    progress: Progress,
) -> PhaseEnd:
    if not tasks:
        return PhaseEnd((), interrupted=False)
    past = [record.past[t.key] for t in tasks if _is_past(t, record)]
    rest = [task for task in tasks if not _is_past(task, record)]
    full = replace(job, early_stopping=None)
    with progress(f"cluster {job.split.method['cluster']} repeats", len(tasks)) as observer:
        for trial in past:
            observer.trial_started(trial.task)
            observer.trial_ended(trial)
        end = run_tasks(rest, full, workers, [record, observer])
    return PhaseEnd((*past, *end.trials), end.interrupted)


def _is_past(task: TrialTask, record: SearchRecord) -> bool:
    ended = record.past.get(task.key)
    return ended is not None and (ended.task.config, ended.task.seed) == (task.config, task.seed)
