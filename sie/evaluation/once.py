"""A test set is scored once for an ensemble: who may score, and where what came out is kept.

The claim, the record's run in MLflow and finding it again; the numbers are made in `evaluating`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sie.ensemble.record import Recipe
from sie.errors import InputError
from sie.evaluation.record import EvaluationRecord
from sie.tracking.environment import environment_tags
from sie.tracking.queries import StoredRun, read_text, search
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store, tracking_errors
from sie.training.record import TrialStatus

PHASE = "evaluation"
RESULT = "test.json"


def experiment_name(recipe: Recipe) -> str:
    """Return the experiment that evaluations of these features belong to."""
    return f"evaluation/{recipe.dataset}/{recipe.representation}-{recipe.level}"


@dataclass(frozen=True)
class Recorded:
    """An evaluation that MLflow holds."""

    run_id: str
    record: EvaluationRecord


def find_recorded(recorder: Recorder, recipe: Recipe) -> Recorded | None:
    """Return the evaluation of an ensemble; None where there is none.

    An ensemble is its recipe: one with the same recipe trained again is not scored again.

    Raises
    ------
    InputError
        When what is recorded cannot be read.
    """
    done = [run for run in _runs(recorder, recipe) if run.status == "FINISHED"]
    if not done:
        return None
    first = done[-1].run_id  # newest first; there should be one
    text = read_text(recorder.store, first, RESULT)
    return Recorded(first, EvaluationRecord.from_json(text, f"{RESULT} of run {first}"))


def count_others(store: Store, recipe: Recipe) -> int:
    """Count the other ensembles that have been scored on the same test set.

    Whoever picks the best of several by these scores reports an optimistic one.
    """
    with tracking_errors(store.uri):
        found = store.client().search_experiments(filter_string="name LIKE 'evaluation/%'")
    query = f"tags.phase = '{PHASE}' and tags.hold_out_hash = '{recipe.hold_out_hash}'"
    runs = search(store, [item.experiment_id for item in found], query)
    done = {run.tags["recipe_hash"] for run in runs if run.status == "FINISHED"}
    return len(done - {recipe.hash})


@contextmanager
def claim(
    recorder: Recorder, recipe: Recipe, tags: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """Open the run of the evaluation and keep every other process from scoring meanwhile.

    Processes of this machine are kept away by a lock, which the system lets go when one dies. Those
    of others see the run: each opens its own, then looks, and withdraws when there is another.

    Parameters
    ----------
    recorder : Recorder
        Of the experiment.
    recipe : Recipe
        Of the ensemble.
    tags : Mapping
        Plain values that name what is scored.
    folder : Path
        Of the lock.

    Yields
    ------
    str
        Id of the run; whoever leaves without `keep` has ended it as failed or stopped.

    Raises
    ------
    InputError
        When another process has it, or the test set has been scored in the meantime.
    """
    with _lock(folder / "evaluations" / f".{recipe.hash}.lock"):
        for run in _runs(recorder, recipe):
            # its process is dead, or the lock would not be ours; nobody has seen its scores
            if run.status == "RUNNING" and run.tags.get("host") == platform.node():
                recorder.close_run(run.run_id, TrialStatus.INTERRUPTED, "the process died")
        run_id = recorder.open_run(
            recipe.hash,
            f"test-{recipe.hash[:6]}",
            {
                "phase": PHASE,
                "recipe_hash": recipe.hash,
                "dataset_hash": recipe.dataset_hash,
                "hold_out_hash": recipe.hold_out_hash,
                "host": platform.node(),
                **tags,
                **environment_tags(),
            },
            {},
        )
        try:
            _require_alone(recorder, recipe, run_id)
            yield run_id
        except KeyboardInterrupt:
            recorder.close_run(run_id, TrialStatus.INTERRUPTED, "stopped by the user")
            raise
        except Exception as error:
            recorder.close_run(run_id, TrialStatus.FAILED, " ".join(str(error).split()))
            raise


def keep(recorder: Recorder, run_id: str, record: EvaluationRecord) -> None:
    """Write the evaluation into its run and end it: from then on it is the one."""
    recorder.save_text(run_id, record.to_json(), RESULT)
    metrics = {"n_test": float(len(record.predictions))}
    for name, item in record.ensemble.scores.items():
        metrics |= {
            f"test_{name}": item.value,
            f"test_{name}_low": item.low,
            f"test_{name}_high": item.high,
        }
    for system in record.systems[1:]:
        values = system.scores.items()
        metrics |= {f"{system.name}.test_{name}": item.value for name, item in values}
    recorder.close_run(run_id, TrialStatus.COMPLETED, metrics=metrics)


def _require_alone(recorder: Recorder, recipe: Recipe, run_id: str) -> None:
    for run in _runs(recorder, recipe):
        if run.run_id == run_id or run.status not in ("RUNNING", "FINISHED"):
            continue
        if run.status == "FINISHED":
            raise InputError("the test set has been scored in the meantime; give the command again")
        raise InputError(
            f"run {run.run_id} on {run.tags.get('host', 'another machine')} is scoring this "
            "ensemble; wait for it, or, if it is dead, delete that run in MLflow"
        )


def _runs(recorder: Recorder, recipe: Recipe) -> list[StoredRun]:
    query = f"tags.phase = '{PHASE}' and tags.recipe_hash = '{recipe.hash}'"
    return search(recorder.store, [recorder.experiment_id], query)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            "another process is scoring this ensemble; wait for it, then give the command again"
        ) from None
    try:
        yield
    finally:
        lock.release()
