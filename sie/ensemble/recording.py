"""An ensemble in MLflow: one run with its recipe, its winners, its losses and its files.

Says what is recorded under which name; the model in the registry is `sie.ensemble.registry`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sie.ensemble.record import Recipe, TrainedEnsemble
from sie.ensemble.registry import MODEL, register
from sie.ensemble.winners import ClusterSearch
from sie.models.config import shown
from sie.search.conclusion import winner_record
from sie.tracking.environment import environment_tags
from sie.tracking.queries import StoredRun, search
from sie.tracking.recorder import Recorder
from sie.training.record import TrialStatus

PHASE = "ensemble"
NOTE_CHARS = 4500
"""Longest note that every MLflow store takes as a tag (5,000), with room to say what is cut."""


def experiment_name(recipe: Recipe) -> str:
    """Return the experiment that ensembles of these features belong to."""
    return f"ensemble/{recipe.dataset}/{recipe.representation}-{recipe.level}"


def default_model_name(recipe: Recipe) -> str:
    """Return the name under which an ensemble is registered, where none is given."""
    return f"sie-{recipe.dataset}-{recipe.representation}-{recipe.level}"


def find_finished(recorder: Recorder, recipe: Recipe) -> StoredRun | None:
    """Return the newest finished run of the same recipe, or None."""
    found = _runs(recorder, recipe)
    return next((run for run in found if run.status == "FINISHED"), None)


class EnsembleRecord:
    """The run of one ensemble; goes on with that of an earlier start which has not ended.

    Parameters
    ----------
    recorder : Recorder
        Writes into the experiment.
    recipe : Recipe
        Found again by its hash and the sources.
    searches : sequence of ClusterSearch
        Whose winners the members are.
    settings : Mapping
        Further plain values for parameters: seeds, configurations of each cluster.
    fresh : bool
        Open a new run in any case.

    Attributes
    ----------
    run_id : str
        The run.
    """

    def __init__(
        self,
        recorder: Recorder,
        recipe: Recipe,
        searches: Sequence[ClusterSearch],
        settings: Mapping[str, Any],
        fresh: bool = False,
    ) -> None:
        self._recorder, self._recipe = recorder, recipe
        earlier = _runs(recorder, recipe)
        marks = environment_tags()
        for run in earlier:
            if fresh or run.status == "FINISHED" or run.tags["code_hash"] != marks["code_hash"]:
                continue
            recorder.reopen_run(run.run_id)
            self.run_id = run.run_id
            return
        number = f"-{len(earlier) + 1}" if earlier else ""
        self.run_id = recorder.open_run(
            f"{recipe.hash}/{len(earlier) + 1}",
            f"ensemble-{recipe.hash[:6]}{number}",
            {**_marks(recipe), **marks, "mlflow.note.content": note(recipe, searches)},
            {**_params(recipe), **settings},
        )
        recorder.save_json(self.run_id, {**recipe.as_dict(), "hash": recipe.hash}, "recipe.json")
        plain = {str(s.cluster): [winner_record(item) for item in s.judged] for s in searches}
        recorder.save_json(self.run_id, plain, "winners.json")

    def close(
        self, ensemble: TrainedEnsemble, folder: Path, name: str | None, seconds: float
    ) -> str | None:
        """Keep the ensemble's files and losses, register it, and end the run.

        Parameters
        ----------
        ensemble : TrainedEnsemble
            What was trained.
        folder : Path
            Where it is saved.
        name : str or None
            Of the registered model; None to register nothing.
        seconds : float
            Wall time of the training.

        Returns
        -------
        str or None
            The version in the registry.

        Raises
        ------
        TrackingError
            When the store does not take it.
        """
        losses = np.array(ensemble.train_loss)
        metrics = {
            "n_trained": float(len(ensemble.members)),
            "n_diverged": float(len(ensemble.left_out)),
            "mean_train_loss": float(np.nanmean(losses)),
            "wall_seconds": seconds,
        }
        # the step is the number of the member among those that did not diverge, from 1
        curves = {"member_train_loss": losses}
        self._recorder.log(self.run_id, curves, metrics)
        version = publish(self._recorder, self.run_id, folder, name)
        self._recorder.close_run(self.run_id, TrialStatus.COMPLETED)
        return version

    def abort(self, status: TrialStatus, reason: str) -> None:
        """End the run of an ensemble that was not finished."""
        self._recorder.close_run(self.run_id, status, reason)


def publish(recorder: Recorder, run_id: str, folder: Path, name: str | None) -> str | None:
    """Keep an ensemble's folder with its run, as a registered model where a name is given.

    Returns
    -------
    str or None
        The version in the registry.
    """
    if name is None:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            recorder.save_file(run_id, path, MODEL)
        return None
    version = register(recorder, run_id, folder, name)
    recorder.log(run_id, tags={"model_name": name, "model_version": version})
    return version


def note(recipe: Recipe, searches: Sequence[ClusterSearch]) -> str:
    """Return what the UI shows of an ensemble's run: a Markdown table of its winners."""
    chosen = {(member.cluster, member.rank) for member in recipe.members}
    lines = [
        f"{len(recipe.members)} networks of {recipe.representation}-{recipe.level} on "
        f"{recipe.dataset}, {recipe.epochs} epochs each{_mixed(recipe)}. The validation AUC-PR is "
        "that of the repeats, optimistic because the cluster itself chose configuration and epoch.",
        "",
        "| cluster | rank | AUC-PR | MCC | best epoch | configuration | search |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for found in searches:
        for rank, item in enumerate(found.judged):
            if (found.cluster, rank) not in chosen:
                continue
            config = ", ".join(f"{k} {shown(v)}" for k, v in item.config.as_dict().items())
            lines.append(
                f"| {found.cluster} | {rank + 1} | {item.mean:.3f} ± {item.sd:.3f} "
                f"| {item.scores.get('val_mcc', float('nan')):.3f} | {item.window.centre:g} "
                f"| {config} | {found.run.run_id[:8]} |"
            )
    text = "\n".join(lines)
    if len(text) <= NOTE_CHARS:
        return text
    whole = text[:NOTE_CHARS].rpartition("\n")[0]
    return f"{whole}\n\nThe rest is in winners.json."


def _mixed(recipe: Recipe) -> str:
    part = recipe.forest
    if part is None:
        return ""
    return f", and a forest of {part.n_trees} trees on element fractions (weight {part.weight:g})"


def shown_model(run: StoredRun) -> str | None:
    """Return the registered model of a finished run as NAME/VERSION, or None."""
    if "model_version" not in run.tags:
        return None
    return f"{run.tags['model_name']}/{run.tags['model_version']}"


def stored_address(run_id: str) -> str:
    """Return the address by which an ensemble is loaded from its run."""
    return f"runs:/{run_id}/{MODEL}"


def _runs(recorder: Recorder, recipe: Recipe) -> list[StoredRun]:
    query = f"tags.phase = '{PHASE}' and tags.recipe_hash = '{recipe.hash}'"
    return search(recorder.store, [recorder.experiment_id], query)


def _marks(recipe: Recipe) -> dict[str, Any]:
    names = ("dataset_hash", "features_hash", "hold_out_hash", "clustering_hash")
    own = {name: getattr(recipe, name) for name in (*names, "search_code_hash", "pretrained")}
    return {"phase": PHASE, "recipe_hash": recipe.hash, **own}


def _params(recipe: Recipe) -> dict[str, Any]:
    clusters = sorted(recipe.searches)
    mixed = {} if recipe.forest is None else {"mix_forest": recipe.forest.weight}
    return {
        **mixed,
        "dataset": recipe.dataset,
        "representation": recipe.representation,
        "level": recipe.level,
        "n_members": len(recipe.members),
        "n_configurations": len({member.config for member in recipe.members}),
        "epochs": recipe.epochs,
        "clusters": ",".join(map(str, clusters)),
        "searches": ",".join(recipe.searches[cluster] for cluster in clusters),
    }
