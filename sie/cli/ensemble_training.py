"""The long part of experiments/build_ensemble.py: members and left-out clusters trained on Ray.

Shows progress and keeps other processes away; what is trained is decided in `sie.cli.ensemble`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console

from sie.cli.ensemble_options import EnsembleOptions
from sie.cli.outcome import print_lines
from sie.ensemble.building import Advance, train_members
from sie.ensemble.calibrated import LeftOutPredictions
from sie.ensemble.kept import KeptMembers, TrainedMember
from sie.ensemble.left_out import KeptAnswers, predict_left_out
from sie.ensemble.record import KnownCompounds
from sie.errors import InputError
from sie.reporting.steps import StepProgress

if TYPE_CHECKING:
    from sie.cli.ensemble import Plan


def train(
    options: EnsembleOptions,
    plan: Plan,
    known: KnownCompounds,
    kept: KeptMembers,
    workers: int,
    console: Console,
) -> tuple[dict[int, TrainedMember], LeftOutPredictions | None]:
    """Train the members and, for a calibration, networks without each cluster."""
    from sie.search.session import start_ray, stop_ray

    bars = StepProgress(console)

    def started(n_kept: int, n_rest: int, n_epochs: int) -> Advance:
        if n_kept:
            print_lines(console, [f"going on: {n_kept} networks are trained already"])
        return bars(f"epochs of {n_rest} networks", 0, n_epochs)

    def started_left_out(n_kept: int, n_rest: int, n_steps: int) -> Advance:
        if n_kept:
            print_lines(console, [f"going on: {n_kept} trainings without a cluster are done"])
        return bars("trainings without a cluster", 0, n_steps)

    with console.status("starting Ray"):
        workers = min(workers, start_ray(options.address))
    try:
        with bars.showing():
            trained = train_members(plan.recipe, plan.material, kept, workers, started)
            if plan.recipe.calibration is None:
                return trained, None
            answers = KeptAnswers(kept.folder)
            clustering = plan.problem.clustering
            return trained, predict_left_out(
                plan.recipe, plan.material, clustering, known, answers, workers, started_left_out
            )
    finally:
        stop_ray()


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other processes from building the same ensemble; the system lets go when one dies."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            "another process is building this ensemble; wait for it, or build another one with "
            "--seed, --seeds or --epochs"
        ) from None
    try:
        yield
    finally:
        # the empty file stays: removed, it would be locked by one while another makes it anew
        lock.release()
