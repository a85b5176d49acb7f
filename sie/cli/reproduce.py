"""The command line that makes recorded searches again, from what MLflow says of them.

What a record cannot say, such as where data lay, is said in notes.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from sie.cli.loco_options import LocoOptions
from sie.datasets.registry import DATASETS, PLACED
from sie.errors import InputError
from sie.search.plan import PRESETS, Budget
from sie.search.space import SearchSpace, read_space

if TYPE_CHECKING:
    from sie.reporting.search_report.record import ClusterSearch, Study

NAMED = tuple(name for name in DATASETS if name not in PLACED)
"""Datasets whose name is enough to find them."""

OPTIONS = ("trials", "top", "repeats", "max_epochs", "grace_epochs", "trial_time_limit_s")
"""Parts of a budget that have an option; the others come with a preset."""


@dataclass(frozen=True)
class Reproduction:
    """Commands, what they cannot know, and the search space where no name stands for it."""

    commands: tuple[str, ...]
    notes: tuple[str, ...]
    space_yaml: str = ""


def reproduction(study: Study, spaces: Path, tracking_uri: str | None = None) -> Reproduction:
    """Return how the searches of a study are made again.

    Parameters
    ----------
    study : Study
        The searches; the first speaks for all.
    spaces : Path
        Folder of the named search spaces.
    tracking_uri : str, optional
        Store that the new record should go to.
    """
    search = study.first
    given, notes = _data(search)
    budget = search.budget
    preset = _preset(budget)
    space = search.space
    name = _space_name(space, spaces) if space else None
    if (name or "space.yaml") != (preset or "paper"):
        given["search_space"] = name or "space.yaml"
    given |= _budget_options(budget, preset)
    if (
        not preset
        and budget not in PRESETS.values()
        and _without_options(budget) not in [_without_options(known) for known in PRESETS.values()]
    ):
        notes.append("The budget differs from the presets in what has no option; see the plan.")
    if search.param("pretrained"):
        if not (space and space.draws_starts):
            given["pretrained"] = "on"
        notes.append(
            f"Trials started from pre-trained weights ({search.param('pretrained')}): "
            "--pretrained on takes the package's; name a folder where others were used."
        )
    if tracking_uri and not urlsplit(tracking_uri).password:
        given["tracking_uri"] = tracking_uri
    if not (space and space.views):  # else the space says what is seen
        level = search.param("level").removeprefix("V")
        given["representation"] = search.param("representation")
        given["level"] = int(level) if level.isdecimal() else 0
    options = LocoOptions(
        space=space or SearchSpace("unknown", ()),
        record_folder=Path("mlruns"),
        preset=preset,
        seed=int(search.param("seed")),
        mode=search.param("mode"),
        name=search.name,
        max_concurrent=int(search.parent.metrics.get("workers", LocoOptions.max_concurrent)),
        **given,
    )
    version = search.parent.tags.get("code_version", "")
    checkout = _checkout(version)
    notes += _versions(version, search)
    return Reproduction(
        (*checkout, _command(options, study)),
        tuple(notes),
        "" if name or space is None else yaml.safe_dump(space.as_dict(), sort_keys=False),
    )


def _command(options: LocoOptions, study: Study) -> str:
    """Return the search command without the path of this machine's Python: pages are passed on."""
    clusters = [word for item in study.searches for word in ("--cluster", str(item.cluster))]
    others = options.arguments(clusters[1])[2:]
    return shlex.join(["python", "experiments/loco_search.py", *clusters, *others])


def _data(search: ClusterSearch) -> tuple[dict[str, Any], list[str]]:
    dataset = search.param("dataset")
    given: dict[str, Any] = {"dataset": dataset if dataset in NAMED else "table"}
    notes = [
        "The record does not say where the data lay; its hash must be "
        + search.param("dataset_hash")
        + (
            f" (dataset {dataset}; --data-dir takes a local copy)."
            if dataset in NAMED
            else f": give --table CSV and --cifs DIR, or --dataset FOLDER (dataset {dataset})."
        )
    ]
    drawn = search.documents.get("hold_out", {}).get("method", {})
    if drawn.get("kind") == "official":
        given["test_set"] = "official"
    method: Mapping[str, Any] = search.clustering.method if search.clustering else {}
    if method.get("kind") == "file":
        notes.append("The clusters came from a file: give it with --clusters CSV.")
    return given, notes


def _preset(budget: Budget) -> str | None:
    """Return the preset that has all parts of a budget that no option sets; None for paper's."""
    fits = [k for k, v in PRESETS.items() if _without_options(v) == _without_options(budget)]
    return None if "paper" in fits or not fits else fits[0]


def _without_options(budget: Budget) -> dict[str, Any]:
    return {name: value for name, value in asdict(budget).items() if name not in OPTIONS}


def _budget_options(budget: Budget, preset: str | None) -> dict[str, Any]:
    usual = asdict(PRESETS[preset or "paper"])
    return {
        name: value
        for name, value in asdict(budget).items()
        if name in OPTIONS and value != usual[name]
    }


def _space_name(space: SearchSpace, folder: Path) -> str | None:
    for path in sorted(folder.glob("*.yaml")):
        try:
            if read_space(path).hash == space.hash:
                return path.stem
        except InputError:
            continue
    return None


def _checkout(version: str) -> list[str]:
    commit = version.partition("+")[2].removesuffix(".dirty").removesuffix("-dirty")
    return [f"git checkout {commit}"] if commit else []


def _versions(version: str, search: ClusterSearch) -> list[str]:
    tags = search.parent.tags
    dirty = (
        " The checkout held changes that were not committed, so the commit alone is not enough."
        if "dirty" in version
        else ""
    )
    fast = (
        " In mode fast ASHA and TPE see trials in the order in which they end, so another run "
        "draws other configurations; each single trial can be repeated exactly with --rerun-trial "
        "and its run's id."
        if search.param("mode") == "fast"
        else ""
    )
    return [f"Sources have hash {tags.get('code_hash', 'unknown')} (make install gives the locked "
            f"packages).{dirty}{fast}"]  # fmt: skip
