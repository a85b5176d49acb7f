"""What the run of an ended trial must hold: whole curves, its own configuration, an end.

Read from MLflow alone, and compared with what the drill's witness saw the record take over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sie.errors import InputError
from sie.tracking.queries import StoredRun
from sie.tracking.store import Store
from sie.training.record import METRICS

TERMINAL = ("FINISHED", "FAILED", "KILLED")
"""MLflow's states of a run that nobody works on."""

Steps = Mapping[str, Sequence[int]]
"""Epochs of every curve of a run, one for each point."""


def steps_of(store: Store, run: StoredRun) -> Steps:
    """Return the epochs at which every curve of a run has values."""
    client = store.client()
    return {name: [m.step for m in client.get_metric_history(run.run_id, name)] for name in METRICS}


def written_twice(steps: Steps) -> list[str]:
    """Return the curves with several values at one epoch."""
    return [name for name, epochs in steps.items() if len(set(epochs)) < len(epochs)]


def flaws(run: StoredRun, steps: Steps, taken: Mapping[str, Any] | None) -> list[str]:
    """Return what is not as it must be in the run of an ended trial.

    Parameters
    ----------
    run : StoredRun
        Has ended, as its tag says.
    steps : Steps
        Of its curves.
    taken : Mapping, optional
        The witness's line of the trial's first end for good; None where there is none.
    """
    found = _wrong_curves(steps, run.metrics.get("n_epochs", 0.0)) + _wrong_config(run)
    if run.status not in TERMINAL:
        found.append(f"MLflow calls it {run.status}")
    return found + (_not_as_taken(run, taken) if taken else [])


def _wrong_curves(steps: Steps, n_epochs: float) -> list[str]:
    whole = set(range(1, int(n_epochs) + 1))
    # all of them: a record that was cut off holds the first curves and lacks the last
    lengths = {name: len(set(steps[name])) for name in METRICS if set(steps[name]) != whole}
    if not lengths:
        return []
    shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
    return [f"n_epochs is {n_epochs:g}, but of the curves it holds epochs: {shown}"]


def _wrong_config(run: StoredRun) -> list[str]:
    tag = run.tags.get("config_hash")
    try:
        config = run.config
    except InputError as error:
        return [f"its parameters are no configuration ({error})"]
    if config.hash != tag:
        return [f"its parameters hash to {config.hash}, its config_hash is {tag}"]
    # one that is missing would be read as its default
    missing = sorted(set(config.as_params()) - set(run.params))
    return [f"it lacks the parameters {', '.join(missing)}"] if missing else []


def _not_as_taken(run: StoredRun, taken: Mapping[str, Any]) -> list[str]:
    """Compare with the end that the record took; the seconds tell one training from another."""
    kept = run.metrics.get("seconds_training")
    found = []
    if kept is None or abs(kept - taken["seconds_training"]) > 1e-9:
        found.append(
            f"its end ({taken['seconds_training']:.6f} s) is not the recorded one ({kept})"
        )
    values = {
        "status": (run.tags.get("status"), taken["status"]),
        "reason": (run.tags.get("reason"), taken["reason"]),
        "n_epochs": (run.metrics.get("n_epochs"), taken["epochs"]),
        "config_hash": (run.tags.get("config_hash"), taken["config_hash"]),
    }
    return found + [
        f"{k} is {kept!r}, was {was!r}" for k, (kept, was) in values.items() if kept != was
    ]
