"""The body of experiments/evaluate.py: an ensemble and its test set to one record, tables, figures.

The top of the flow: puts rooms together and shows what they return; scoring is not done here.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sie.cli.config_file import log_options
from sie.cli.evaluate_outcome import print_evaluation
from sie.cli.outcome import print_lines
from sie.datasets.registry import load_dataset
from sie.ensemble.predictor import SuperionicEnsemble
from sie.ensemble.record import Recipe
from sie.errors import InputError
from sie.evaluation import tables
from sie.evaluation.held_out import require_own_data, require_own_test_set
from sie.evaluation.once import (
    RESULT,
    Recorded,
    claim,
    count_others,
    experiment_name,
    find_recorded,
    keep,
)
from sie.evaluation.record import EvaluationRecord
from sie.features.views import parse_view
from sie.files import cache_dir, replacing, write_text
from sie.models.baselines import BASELINES
from sie.search.problem import prepare_development
from sie.tracking.environment import code_version
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of the command, by their names there."""

    ensemble: str
    dataset: str = "starter"
    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None
    test_set: str = "random"
    clusters: Path | None = None
    representation: str | None = None
    level: int | None = None
    out: Path | None = None
    tracking_uri: str | None = None
    record_folder: Path = Path("mlruns")
    baselines: tuple[str, ...] = tuple(BASELINES)
    dry_run: bool = False
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> EvaluateOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    def folder(self, recipe: Recipe) -> Path:
        """Return where tables and figures go."""
        return self.out or Path("results") / recipe.dataset / "evaluation"


def evaluate_ensemble(options: EvaluateOptions, console: Console) -> Recorded | None:
    """Score an ensemble on its test set, or show what came out when that was done.

    Returns None of a dry run, which leaves the test set closed.

    Raises
    ------
    SieError
        When ensemble, data and test set do not belong together, or another process is scoring.
    """
    with console.status("opening the MLflow store") as status:
        store = open_store(options.tracking_uri, options.record_folder)
        status.update("loading the ensemble")
        ensemble = SuperionicEnsemble.load(options.ensemble, store.uri)
        recipe = ensemble.recipe
        _require_seen_as(options, recipe)
        folder = options.folder(recipe)
        recorder = Recorder(store, experiment_name(recipe))
        found = find_recorded(recorder, recipe)
    if options.dry_run:
        print_lines(console, _plan_lines(options, ensemble, found))
        return None
    fresh = found is None
    if found is None:
        _require_unseen(folder, recipe, store.shown)
        found = _score(options, ensemble, recorder, console)
        log_options(recorder, found.run_id, options.run_options)
    written = write_evaluation(folder, found.record)
    # even when scored before: the process that scored may have died before its files were kept
    for path in written[1:]:
        recorder.save_file(found.run_id, path, path.parent.name)
    if not fresh:
        print_lines(console, _seen_lines(found, ensemble))
    print_evaluation(found.record, console)
    print_lines(
        console,
        [
            f"tables and figures: {folder}; MLflow experiment {experiment_name(recipe)}, run "
            f"{found.run_id}",
            f"look at it: {store.ui_command()}",
        ],
    )
    return found


def evaluation_answer(options: EvaluateOptions, found: Recorded | None) -> dict[str, Any]:
    """Return what a program wants to know of an evaluation: run, folder, scores."""
    if found is None:
        return {"scored": False}
    record = found.record
    return {
        "scored": True,
        "run_id": found.run_id,
        "folder": options.out or Path("results") / record.about["dataset"] / "evaluation",
        "about": record.about,
        "reference": record.reference,
        "systems": {item.name: item.scores for item in record.systems},
    }


def _plan_lines(
    options: EvaluateOptions, ensemble: SuperionicEnsemble, found: Recorded | None
) -> list[str]:
    recipe = ensemble.recipe
    lines = [
        f"ensemble of {len(ensemble)} networks, {recipe.representation}-{recipe.level}, recipe "
        f"{recipe.hash}, trained on {recipe.dataset} ({recipe.dataset_hash})",
        f"tables and figures would go to {options.folder(recipe)}",
    ]
    if found is not None:
        return [*lines, f"it was scored on {found.record.about['scored_at']} (run {found.run_id})"]
    return [*lines, f"its test set ({options.test_set}) is closed; it would be opened now, once"]


def _score(
    options: EvaluateOptions, ensemble: SuperionicEnsemble, recorder: Recorder, console: Console
) -> Recorded:
    """Open the test set; nothing of it is shown before it is recorded."""
    from sie.evaluation.evaluating import evaluate

    recipe = ensemble.recipe
    with console.status("loading the dataset") as status:
        database = load_dataset(
            options.dataset, data_dir=options.data_dir, table=options.table, cifs=options.cifs
        )
        require_own_data(recipe, database)
        data, held, shared = prepare_development(
            database, options.clusters, status.update, options.test_set
        )
        require_own_test_set(recipe, data, database, options.test_set)
        about = _about(options, ensemble)
        about["ensembles_before"] = count_others(recorder.store, recipe)
        tags = {"weights_hash": ensemble.weights_hash, "test_set": options.test_set}
        with claim(recorder, recipe, tags, cache_dir()) as run_id:
            record = evaluate(
                ensemble, database, data, held, shared, about, status.update, options.baselines
            )
            keep(recorder, run_id, record)
    return Recorded(run_id, record)


def _about(options: EvaluateOptions, ensemble: SuperionicEnsemble) -> dict[str, Any]:
    recipe = ensemble.recipe
    names = ("dataset", "representation", "level", "dataset_hash", "hold_out_hash")
    return {
        "recipe_hash": recipe.hash,
        "weights_hash": ensemble.weights_hash,
        **{name: getattr(recipe, name) for name in names},
        "n_members": len(ensemble),
        "made_of": ensemble.words,
        "ensemble": options.ensemble,
        "code_version": code_version(),
    }


def write_evaluation(folder: Path, record: EvaluationRecord) -> list[Path]:
    """Write the record, its tables and its figures, and return their paths."""
    import matplotlib.pyplot as plt

    from sie.reporting import evaluation_figures as figures

    paths = [folder / RESULT]
    write_text(paths[0], record.to_json())
    for name, table in {
        "scores": tables.scores_table(record),
        "differences": tables.differences_table(record),
        "structures": tables.structures_table(record),
        "misclassified": tables.misclassified_table(record),
        "calibration": tables.calibration_table(record),
    }.items():
        buffer = io.StringIO()
        table.to_csv(buffer, index=False, float_format="%.6g")
        paths.append(folder / "tables" / f"{name}.csv")
        write_text(paths[-1], buffer.getvalue())
    draw: dict[str, Callable[[EvaluationRecord], Figure | None]] = {
        "fig6": figures.probability_against_conductivity,
        "calibration": figures.calibration_curve,
        "confusion": figures.confusion_matrix,
        "scores": figures.score_comparison,
    }
    for name, function in draw.items():
        if (figure := function(record)) is None:
            continue
        paths += _save(folder / "figures" / name, figure)
        plt.close(figure)
    return paths


def _save(path: Path, figure: Figure) -> list[Path]:
    from sie.reporting.style import drawing

    saved = []
    for suffix in ("png", "svg"):
        saved.append(path.with_suffix(f".{suffix}"))
        with drawing(), replacing(saved[-1]) as temporary:
            figure.savefig(temporary, format=suffix, bbox_inches="tight")
    return saved


def _seen_lines(found: Recorded, ensemble: SuperionicEnsemble) -> list[str]:
    about = found.record.about
    lines = [
        f"this ensemble was scored on {about['scored_at']} (run {found.run_id}); the test set "
        "stays closed, what follows is that record"
    ]
    if about["weights_hash"] != ensemble.weights_hash:
        lines.append(
            "beware: these are other weights of the same recipe "
            f"({ensemble.weights_hash}, scored were {about['weights_hash']})"
        )
    return lines


def _require_seen_as(options: EvaluateOptions, recipe: Recipe) -> None:
    """Refuse a representation or level that is given and not the ensemble's."""
    if len(parse_view(recipe.seen_as).blocks) > 1:
        return  # the options cannot name what members of different views see
    level = None if options.level is None else f"V{options.level}"
    for name, given in (("representation", options.representation), ("level", level)):
        own = getattr(recipe, name)
        if given not in (None, str(own)):
            raise InputError(f"--{name} {given}: the ensemble's is {own}; leave the option out")


def _require_unseen(folder: Path, recipe: Recipe, store: str) -> None:
    """Refuse to score what the output folder says has been scored with another store."""
    path = folder / RESULT
    if not path.is_file():
        return
    earlier = EvaluationRecord.from_json(path.read_text(encoding="utf-8"), str(path)).about
    if earlier["recipe_hash"] == recipe.hash:
        raise InputError(
            f"{shlex.quote(str(path))} says that this ensemble was scored on "
            f"{earlier['scored_at']}, but {store} holds no record of it; give the store that does "
            "with --tracking-uri"
        )
