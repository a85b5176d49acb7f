"""The body of experiments/loco_search.py: data to plan to search to what is printed.

The top of the flow: puts rooms together and shows what they return; decides nothing itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sie.cli.config_file import log_options
from sie.cli.loco_answer import SearchedCluster, SearchesDone, read_searches
from sie.cli.loco_answer import planned as planned_answer
from sie.cli.loco_options import LocoOptions
from sie.cli.outcome import (
    Prepared,
    data_input,
    document,
    draw,
    page,
    print_lines,
    print_next,
    print_outcome,
)
from sie.cli.side_by_side import search_side_by_side
from sie.datasets.registry import load_dataset
from sie.errors import InputError, SieError, TrackingError
from sie.reporting.console import plan_table
from sie.reporting.live import LiveProgress
from sie.reporting.search_views import view_of
from sie.search.choices import Sampler, Scheduler
from sie.search.estimate import estimate_seconds
from sie.search.plan import Mode, SearchPlan
from sie.search.problem import LearningProblem, prepare_problem
from sie.search.selection import SelectionRule
from sie.splits.left_out import loco_split, usable_clusters
from sie.splits.record import Split
from sie.structures.representations import Representation
from sie.tracking import machine
from sie.tracking.machine import Machine
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store
from sie.training.record import TrialStatus


def prepare(options: LocoOptions, console: Console) -> Prepared:
    """Load the dataset, draw the test set, cluster, compute features; print the report."""
    with console.status("loading the dataset") as status:
        database = load_dataset(
            options.dataset, data_dir=options.data_dir, table=options.table, cifs=options.cifs
        )
        prepared = Prepared(
            *prepare_problem(
                database,
                Representation(options.representation),
                options.level,
                options.clusters,
                stage=status.update,
                test_set=options.test_set,
                views=options.space.views,
            )
        )
    held = prepared.held
    counts = usable_clusters(prepared.problem.clustering, prepared.problem.labels)
    usable = ", ".join(str(count) for count in counts if count.usable)
    single = ", ".join(str(count) for count in counts if not count.usable)
    lines = [
        *prepared.problem.report.lines(),
        f"test set: {len(held.test)} of {len(database)} entries kept away ({held.hash}); "
        f"{prepared.test_leakage.line()}",
        f"clusters (entries/positives): {usable or 'none of both classes'}"
        + (f"; of one class: {single}" if single else ""),
    ]
    if not options.one_of_several:
        print_lines(console, lines)
    return prepared


def plan_searches(options: LocoOptions, problem: LearningProblem) -> list[tuple[Split, SearchPlan]]:
    """Return a split and a plan for every cluster asked for.

    Raises
    ------
    InputError
        When a cluster does not exist or cannot be left out.
    """
    budget, starts, points = options.budget, options.starts(problem), options.first_points()
    representation, level = problem.names
    plans = []
    for cluster in _clusters(options, problem):
        split = loco_split(problem.clustering, cluster, problem.labels)
        plan = SearchPlan(
            dataset=problem.dataset,
            representation=representation,
            level=level,
            cluster=cluster,
            dataset_hash=problem.dataset_hash,
            features_hash=problem.features_hash,
            split_hash=split.hash,
            hold_out_hash=problem.hold_out_hash,
            space=options.space,
            budget=budget,
            rule=SelectionRule().within(budget.max_epochs),
            seed=options.seed,
            mode=Mode(options.mode),
            pretrained=starts.hash,
            sampler=Sampler(options.sampler),
            scheduler=Scheduler(options.scheduler),
            points=points,
        )
        plans.append((split, plan))
    return plans


def search_clusters(options: LocoOptions, console: Console) -> SearchesDone:
    """Search every cluster asked for, print the results and return them.

    On this machine one after the other; on a Ray cluster that was joined, side by side.
    """
    prepared = prepare(options, console)
    planned = plan_searches(options, prepared.problem)
    local = options.address is None
    workers = min(options.max_concurrent, os.cpu_count() or 1) if local else options.max_concurrent
    experiment = prepared.problem.experiment
    if not options.one_of_several:
        seconds = _print_plans(planned, prepared, workers, console)
        if options.dry_run:
            told = [planned_answer(plan, s) for (_, plan), s in zip(planned, seconds, strict=True)]
            return SearchesDone(experiment, plans=told)
    with console.status("opening the MLflow store (the first time takes about ten seconds)"):
        store = open_store(options.tracking_uri, options.record_folder)
        recorder = Recorder(store, experiment)
    searched_all = "all" in (options.cluster or [])
    options, planned = _still_to_search(options, planned, recorder, console)
    plans = [plan for _, plan in planned]
    view = store.page(view_of(plans).address(recorder.experiment_id))
    if not local and len(plans) > 1:
        clusters = [plan.cluster for plan in plans]
        stopped = search_side_by_side(options, clusters, store, view, console)
        found = read_searches(store, experiment, options.name, clusters)
        return SearchesDone(experiment, stopped, found, store=store.shown)
    from sie.search.session import start_ray, stop_ray

    began = time.perf_counter()
    with console.status("starting Ray"):
        workers = min(options.max_concurrent, start_ray(options.address))
    starting = time.perf_counter() - began
    try:
        done = search_planned(options, prepared, planned, recorder, workers, console, starting)
    finally:
        stop_ray()
    last = done[-1].outcome
    if not options.one_of_several:
        next_step = options.next_step(searched_all)
        print_next(experiment, store.ui_command(), view, next_step, last, console)
    found = [item.as_dict() for item in done]
    return SearchesDone(experiment, last.interrupted, found, store=store.shown)


def _print_plans(
    planned: Sequence[tuple[Split, SearchPlan]], prepared: Prepared, workers: int, console: Console
) -> list[float]:
    """Print plans, and return the estimate of each one's wall time."""
    estimates = []
    for split, plan in planned:
        print_lines(console, [f"split {split.name}: {prepared.problem.leakage(split).line()}"])
        sizes = prepared.problem.sizes(split)
        seconds = estimate_seconds(
            plan.space, plan.budget, sizes, workers, scheduler=plan.scheduler
        )
        console.print(plan_table(plan, workers, seconds), highlight=False)
        estimates.append(seconds)
    return estimates


def _still_to_search(
    options: LocoOptions,
    planned: list[tuple[Split, SearchPlan]],
    recorder: Recorder,
    console: Console,
) -> tuple[LocoOptions, list[tuple[Split, SearchPlan]]]:
    """Leave out the clusters that an earlier start of the same command has finished.

    Searched anew are all of them with --fresh, and when all are finished.
    """
    if options.fresh or len(planned) < 2:
        return options, planned
    from sie.search.parent import finished
    from sie.tracking.environment import code_hash

    code = code_hash()
    rest = [item for item in planned if not finished(recorder, item[1], options.name, code)]
    if not rest and options.resume:
        raise InputError(
            f"--resume: the searches {options.name!r} of all these clusters are finished; leave "
            "--resume out to search them anew"
        )
    if not rest or len(rest) == len(planned):
        return options, planned
    left = ", ".join(str(plan.cluster) for _, plan in rest)
    print_lines(
        console,
        [
            f"{len(planned) - len(rest)} of {len(planned)} clusters are searched already; going on "
            f"with {left} (--fresh searches all anew)"
        ],
    )
    # a cluster whose turn had not come has nothing to be resumed
    return replace(options, resume=False), rest


def search_planned(
    options: LocoOptions,
    prepared: Prepared,
    planned: Sequence[tuple[Split, SearchPlan]],
    recorder: Recorder,
    workers: int,
    console: Console,
    seconds_starting: float = 0.0,
) -> list[SearchedCluster]:
    """Search one split after the other until the user stops it; return what was searched.

    Ray must be running; `seconds_starting` is what starting it took.
    """
    done: list[SearchedCluster] = []
    for split, plan in planned:
        searched = _search_one(
            options, prepared, split, plan, recorder, workers, seconds_starting, console
        )
        done.append(searched)
        options, seconds_starting = replace(options, resume=False), 0.0
        if searched.outcome.interrupted:
            break
    return done


def _search_one(
    options: LocoOptions,
    prepared: Prepared,
    split: Split,
    plan: SearchPlan,
    recorder: Recorder,
    workers: int,
    seconds_starting: float,
    console: Console,
) -> SearchedCluster:
    from sie.search.loco import search_cluster
    from sie.search.recording import SearchRecord

    record = SearchRecord(
        recorder,
        plan,
        options.name,
        options.record_folder,
        options.fresh,
        options.resume,
        data_input(prepared, plan, options.source()),
        Machine(Path()) if options.system_metrics or machine.wanted() else None,
    )
    if record.past:
        console.print(
            f"going on with the unfinished search {record.parent[:8]}: {len(record.past)} trials "
            "are done (--fresh starts anew)"
        )
    command = options.command(str(plan.cluster))
    document(recorder, record.parent, prepared, split, plan, command)
    log_options(recorder, record.parent, options.logged)

    def progress(title: str, total: int) -> AbstractContextManager[LiveProgress]:
        return LiveProgress(console, title, total)

    floor = prepared.problem.positive_fraction(split)
    try:
        outcome = search_cluster(
            prepared.problem,
            split,
            plan,
            record,
            workers,
            progress,
            seconds_starting,
            options.starts(prepared.problem),
        )
        figures = draw(recorder, prepared.problem, floor, plan, outcome)
        # shown first: who is killed between the two has seen it, or finds the search unfinished
        print_outcome(plan, outcome, floor, console)
        record.close(outcome, floor, page(recorder, plan, outcome, floor, figures, command))
    except TrackingError as error:
        kept = record.rescue()
        where = f"; {kept} keeps what is not recorded" if kept else ""
        raise TrackingError(f"{error}{where}; the same command goes on from there") from error
    except SieError as error:
        record.abort(TrialStatus.FAILED, str(error))
        raise
    except KeyboardInterrupt:
        # the second Ctrl-C: at once; the journal keeps what the store has not got
        record.rescue()
        raise
    return SearchedCluster(plan, outcome, floor)


def _clusters(options: LocoOptions, problem: LearningProblem) -> list[int]:
    given = options.cluster or []
    counts = usable_clusters(problem.clustering, problem.labels)
    usable = [count for count in counts if count.usable]
    if "all" in given:
        if not usable:
            raise InputError("no cluster holds both classes; give --clusters FILE")
        return [count.cluster for count in usable]
    try:
        return list(dict.fromkeys(int(text) for text in given))
    except ValueError:
        listed = ", ".join(str(count) for count in usable)
        raise InputError(
            f"--cluster {' '.join(given)}: give numbers or all; "
            f"usable (entries/positives): {listed}"
        ) from None
