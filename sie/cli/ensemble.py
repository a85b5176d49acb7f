"""The body of experiments/build_ensemble.py: searches to winners to members to one model.

The top of the flow: puts rooms together; what is shown lives in `ensemble_outcome`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sie.cli import ensemble_outcome as outcome
from sie.cli.config_file import log_options
from sie.cli.ensemble_options import OFF, EnsembleOptions
from sie.cli.ensemble_outcome import Built
from sie.cli.ensemble_training import claimed, train
from sie.cli.loco import LocoOptions
from sie.cli.outcome import print_lines
from sie.datasets.registry import load_dataset
from sie.ensemble.building import Material, assemble, estimate_seconds
from sie.ensemble.calibrated import Calibration
from sie.ensemble.kept import KeptMembers
from sie.ensemble.known import known_compounds
from sie.ensemble.left_out import (
    left_out_jobs,
    left_out_seconds,
)
from sie.ensemble.planning import calibrated, make_recipe, mixed
from sie.ensemble.record import Recipe, TrainedEnsemble
from sie.ensemble.recording import (
    EnsembleRecord,
    experiment_name,
    find_finished,
    publish,
    shown_model,
    stored_address,
)
from sie.ensemble.registry import fetched
from sie.ensemble.storage import copy_ensemble, load_ensemble, save_ensemble
from sie.ensemble.winner_rule import WinnerRule, by_rule
from sie.ensemble.winners import (
    ClusterSearch,
    find_searches,
    judge_searches,
    select_searches,
)
from sie.errors import InputError, SieError, TrackingError
from sie.features.views import union
from sie.models.pretrained import StartingWeights
from sie.search.estimate import machine_flops
from sie.search.problem import DevelopmentData, LearningProblem, prepare_development
from sie.search.space import read_space, space_path
from sie.search.verdicts import average_best_epoch
from sie.structures.representations import Representation
from sie.tracking.environment import code_hash, environment_tags
from sie.tracking.queries import StoredRun
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store, open_store
from sie.training.record import TrialStatus


@dataclass(frozen=True)
class Plan:
    """What is going to be built."""

    data: DevelopmentData
    problem: LearningProblem
    searches: tuple[ClusterSearch, ...]
    recipe: Recipe
    material: Material
    store: Store


def build_ensemble(options: EnsembleOptions, console: Console) -> Built:
    """Build the ensemble of the winners, or show the one that the same recipe has made already.

    Raises
    ------
    SieError
        When searches are missing or do not fit, or the training fails.
    """
    with console.status("loading the dataset") as status:
        plan = _plan(options, status.update, console)
    recipe = plan.recipe
    workers = options.max_concurrent
    if options.address is None:
        workers = min(workers, os.cpu_count() or 1)
    console.print(outcome.winners_table(plan.searches, options.top_configs))
    print_lines(console, outcome.weak_winners(plan.searches))
    flops = machine_flops()
    seconds = estimate_seconds(recipe, plan.material, workers, flops)
    average = average_best_epoch([search.winner for search in plan.searches])
    print_lines(console, outcome.plan_lines(recipe, average, workers, seconds, code_hash()))
    if recipe.calibration is not None:
        jobs = left_out_jobs(recipe, plan.problem.clustering, plan.problem.labels)
        seconds = left_out_seconds(recipe, jobs, plan.material, workers, flops)
        print_lines(console, outcome.calibration_plan(recipe, jobs, seconds))
    folder = options.folder(recipe)
    if options.dry_run:
        return Built(folder, recipe)
    recorder = Recorder(plan.store, experiment_name(recipe))
    finished = None if options.fresh else find_finished(recorder, recipe)
    if finished is not None:
        return _show_finished(options, plan, finished, recorder, console)
    return _build(options, plan, recorder, workers, console)


def _plan(options: EnsembleOptions, stage: Callable[[str], None], console: Console) -> Plan:
    """Read searches and data, and choose what is trained."""
    database = load_dataset(
        options.dataset, data_dir=options.data_dir, table=options.table, cifs=options.cifs
    )
    stage("opening the MLflow store")
    representation, views = Representation(options.representation), options.views
    seen_as = str(union(views)) if views else f"{representation}-V{options.level}"
    experiment = f"loco/{database.name}/{seen_as}"
    store = _store(options)
    found = find_searches(store, experiment, options.name, options.code)
    like = next(iter((*found.finished.values(), *found.unfinished.values())), None)
    if like is None:
        raise _no_search(options, experiment)
    data, _, _ = prepare_development(database, options.clusters, stage, options.test_set)
    stage("computing features")
    problem = data.seen_through(views) if views else data.seen_as(representation, options.level)
    selection = select_searches(
        found,
        problem,
        lambda clusters: outcome.search_command(options.shared, like, clusters),
        options.exclude,
        options.allow_missing,
    )
    stage("judging the repeats")
    judged = judge_searches(store, store.experiment(experiment), selection.parents)
    searches, chosen = by_rule(judged, WinnerRule(options.winner))
    print_lines(console, [f"beware: {text}" for text in selection.remarks])
    print_lines(console, chosen)
    recipe = make_recipe(
        problem, searches, options.seeds, options.top_configs, options.seed, options.epochs
    )
    recipe = mixed(recipe, options.mix_forest, options.seed)
    recipe = calibrated(recipe, options.calibrate, options.calibration_seeds)
    starts = _starts(options, problem, recipe)
    material = Material(problem.features, problem.labels, starts, problem.seen_as)
    return Plan(data, problem, searches, recipe, material, store)


def _store(options: EnsembleOptions) -> Store:
    database = options.record_folder / "mlflow.db"
    if options.tracking_uri is None and not database.is_file():
        raise _no_search(options, f"{database}, which does not exist")
    return open_store(options.tracking_uri, options.record_folder)


def _no_search(options: EnsembleOptions, where: str) -> InputError:
    command = outcome.search_command(options.shared, None, None)
    of_code = f" with code_hash {options.code}" if options.code else ""
    return InputError(
        f"no search named {options.name}{of_code} in {where}; search first: {command}, or give "
        "--name, --tracking-uri, --representation, --level and --search-space as for the search"
    )


def _starts(options: EnsembleOptions, problem: LearningProblem, recipe: Recipe) -> StartingWeights:
    """Return the pre-trained weights that the searches started from."""
    space = read_space(space_path("paper", outcome.SPACES))
    given = options.pretrained or ("on" if recipe.pretrained else OFF)
    starts = LocoOptions(space, options.record_folder, pretrained=given).starts(problem)
    if starts.hash != recipe.pretrained:
        raise InputError(
            f"the searches started from {recipe.pretrained or 'no'} pre-trained weights, but "
            f"--pretrained {given} gives {starts.hash or 'none'}; give --pretrained as for the "
            "search"
        )
    return starts


def _show_finished(
    options: EnsembleOptions, plan: Plan, run: StoredRun, recorder: Recorder, console: Console
) -> Built:
    """Show the ensemble that there is already; fetch or register it where that is asked for."""
    folder, name = options.folder(plan.recipe), options.model_name(plan.recipe)
    print_lines(
        console,
        [f"this ensemble is built already (run {run.run_id}); --fresh trains it once more"],
    )
    if run.tags.get("code_hash") != code_hash():
        print_lines(console, ["beware: it was trained with other sources than the present ones"])
    ensemble = _held(folder, run.run_id)
    if ensemble is None:
        with fetched(stored_address(run.run_id), plan.store.uri) as files:
            copy_ensemble(files, folder)
        ensemble = load_ensemble(folder)
    model = shown_model(run)
    if name is not None and (model is None or model.rpartition("/")[0] != name):
        model = f"{name}/{publish(recorder, run.run_id, folder, name)}"
    _print_result(options, plan, ensemble, run.run_id, model, console)
    return Built(folder, plan.recipe, run.run_id, model)


def _build(
    options: EnsembleOptions, plan: Plan, recorder: Recorder, workers: int, console: Console
) -> Built:
    recipe = plan.recipe
    kept = KeptMembers(options.record_folder / "ensembles", recipe, code_hash())
    with claimed(kept.folder):
        if options.fresh:
            kept.remove()
        settings: dict[str, int | str]
        settings = {"seeds": options.seeds, "top_configs": options.top_configs}
        settings |= {"master_seed": options.seed, "winner_rule": options.winner}
        record = EnsembleRecord(recorder, recipe, plan.searches, settings, options.fresh)
        log_options(recorder, record.run_id, options.run_options)
        try:
            return _train_and_publish(options, plan, record, kept, workers, console)
        except KeyboardInterrupt:
            record.abort(TrialStatus.INTERRUPTED, "stopped by the user")
            n = len(kept.read())
            print_lines(
                console,
                [f"{n} of {len(recipe.members)} networks are kept: the same command goes on"],
            )
            raise
        except TrackingError as error:
            raise TrackingError(
                f"{error}; {kept.folder} keeps the networks: the same command goes on from there"
            ) from error
        except SieError as error:
            record.abort(TrialStatus.FAILED, str(error))
            raise


def _train_and_publish(
    options: EnsembleOptions,
    plan: Plan,
    record: EnsembleRecord,
    kept: KeptMembers,
    workers: int,
    console: Console,
) -> Built:
    recipe, folder, name = plan.recipe, options.folder(plan.recipe), options.model_name(plan.recipe)
    known = known_compounds(plan.data, plan.problem)
    began = time.perf_counter()
    trained, left_out = train(options, plan, known, kept, workers, console)
    seconds = time.perf_counter() - began
    settings = {"seeds": options.seeds, "top_configs": options.top_configs, "seed": options.seed}
    about = {**environment_tags(), **settings, "run_id": record.run_id, "training_s": seconds}
    with console.status("writing and recording the ensemble"):
        calibration = None
        if recipe.calibration is not None and left_out is not None:
            calibration = Calibration.fit(recipe.calibration.method, left_out)
        ensemble = assemble(recipe, trained, known, about, calibration)
        save_ensemble(folder, ensemble)
        version = record.close(ensemble, folder, name, seconds)
    kept.remove()
    model = f"{name}/{version}" if version else None
    _print_result(options, plan, ensemble, record.run_id, model, console)
    return Built(folder, recipe, record.run_id, model)


def _print_result(
    options: EnsembleOptions,
    plan: Plan,
    ensemble: TrainedEnsemble,
    run_id: str,
    model: str | None,
    console: Console,
) -> None:
    folder, words = options.folder(plan.recipe), options.words_of_data()
    outcome.print_result(ensemble, run_id, model, folder, plan.store, words, console)


def _held(folder: Path, run_id: str) -> TrainedEnsemble | None:
    """Return the ensemble of a run where a folder holds it, or None."""
    try:
        ensemble = load_ensemble(folder)
    except InputError:
        return None
    return ensemble if ensemble.about.get("run_id") == run_id else None
