"""What building an ensemble shows: winners, plan, result, and the commands before and after it.

Shows and decides nothing; the command itself is in `sie.cli.ensemble`.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sie.cli.arguments import REPOSITORY
from sie.cli.loco import LocoOptions
from sie.cli.outcome import print_lines, weakness
from sie.ensemble.calibrated import NOTE, Calibration, percent
from sie.ensemble.chunks import make_chunks
from sie.ensemble.left_out import LeftOutJob
from sie.ensemble.record import Recipe, TrainedEnsemble
from sie.ensemble.recording import experiment_name, stored_address
from sie.ensemble.winners import ClusterSearch
from sie.models.config import shown as text_of
from sie.reporting.console import duration, mean_sd
from sie.search.plan import PRESETS, Budget
from sie.search.space import read_space, space_path
from sie.tracking.queries import StoredRun
from sie.tracking.store import Store, installed_program

SPACES = REPOSITORY / "search_spaces"
BETTER = (
    "this is the article's rule; --mix-forest 0.5 is likely better: on OBELiX's left-out clusters "
    "the rule had an AUC-PR of 0.50 in the nested estimate, half of it and half a forest 0.65 "
    "(docs/results.md)"
)
MOST_SHOWN = 6
"""Hyperparameters that differ beyond this are a hash in the table: cells would be pages long."""


@dataclass(frozen=True)
class Built:
    """An ensemble that is there, or of a dry run is planned.

    Attributes
    ----------
    folder : Path
        Of its files.
    recipe : Recipe
        What it is made from.
    run_id : str or None
        Its run in MLflow; None of a dry run.
    model : str or None
        Name and version in the registry.
    """

    folder: Path
    recipe: Recipe
    run_id: str | None = None
    model: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        recipe = self.recipe
        members = Counter(member.cluster for member in recipe.members)
        return {
            "folder": self.folder,
            "run_id": self.run_id,
            "model": self.model and f"models:/{self.model}",
            "recipe_hash": recipe.hash,
            "experiment": experiment_name(recipe),
            "epochs": recipe.epochs,
            "searches": recipe.searches,
            "members_of_cluster": members,
        }


def winners_table(searches: Sequence[ClusterSearch], top: int) -> Table:
    """Return the configurations that members are made of, by cluster.

    Parameters
    ----------
    searches : sequence of ClusterSearch
        By rising cluster.
    top : int
        Configurations of each.
    """
    shown = [
        (s.cluster, rank, item) for s in searches for rank, item in enumerate(s.judged[:top], 1)
    ]
    configs = [item.config.as_params() for _, _, item in shown]
    names = list(dict.fromkeys(name for config in configs for name in config))
    varied = [name for name in names if len({config.get(name) for config in configs}) > 1]
    table = Table(title="Winners by their repeats", title_justify="left")
    for name in ("cluster", "rank", "AUC-PR, mean ± sd", "MCC", "best epoch", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    too_many = len(varied) > MOST_SHOWN
    whole = too_many or len(varied) == len(names)
    table.add_column("configuration" if whole else "what differs", no_wrap=too_many)
    for (cluster, rank, item), config in zip(shown, configs, strict=True):
        table.add_row(
            str(cluster),
            str(rank),
            mean_sd(item),
            f"{item.scores.get('val_mcc', float('nan')):.3f}",
            f"{item.window.centre:g}",
            str(len(item.values)),
            item.config.hash
            if too_many
            else ", ".join(f"{name} {text_of(config[name])}" for name in varied if name in config),
        )
    same = [f"{name} {text_of(value)}" for name, value in configs[0].items() if name not in varied]
    if too_many:
        table.caption = f"{len(varied)} hyperparameters differ: winners.json of the run has them"
    elif same:
        table.caption = f"the same everywhere: {', '.join(same)}"
    return table


def weak_winners(searches: Sequence[ClusterSearch]) -> list[str]:
    """Return a line for every winner that may be no better than chance."""
    lines = []
    for search in searches:
        floor = search.run.metrics.get("positive_fraction", 0.0)
        if weak := weakness(search.winner, floor):
            lines.append(f"beware: the winner of cluster {search.cluster} is weak: {weak}")
    return lines


def plan_lines(
    recipe: Recipe, average: float, workers: int, seconds: float, code: str
) -> list[str]:
    """Return what is going to be trained.

    Parameters
    ----------
    recipe : Recipe
        The plan.
    average : float
        The winners' average best epoch.
    workers : int
        Chunks at once.
    seconds : float
        Estimated wall time.
    code : str
        Hash of the present sources.
    """
    n, clusters = len(recipe.members), ", ".join(map(str, sorted(recipe.searches)))
    chunks = make_chunks(dict(enumerate(recipe.members)), workers)
    taken = "as asked" if recipe.epochs != max(int(average + 0.5), 1) else "rounded"
    lines = [
        f"{n} networks of clusters {clusters} on all development entries, {recipe.epochs} epochs "
        f"({taken}; the winners' average best epoch is {average:.1f})",
        f"{len(chunks)} trainings of up to {max(len(c.members) for c in chunks)} networks side by "
        f"side on {workers} worker{'s' * (workers > 1)}, about {duration(seconds)}; recipe "
        f"{recipe.hash}",
    ]
    if (part := recipe.forest) is not None:
        lines.append(
            f"and a forest of {part.n_trees} trees on element fractions: P_SI is "
            f"{1 - part.weight:g} of the networks' mean and {part.weight:g} of the forest's"
        )
    else:
        lines.append(BETTER)
    if shared := _shared(recipe):
        lines.append(f"chosen by several searches, so with further seeds: {shared}")
    if recipe.search_code_hash != code:
        lines.append(
            f"beware: the searches ran with other sources (code_hash {recipe.search_code_hash}, "
            f"now {code}); where their arithmetic changed, the best epoch may have too"
        )
    return lines


def calibration_plan(recipe: Recipe, jobs: Sequence[LeftOutJob], seconds: float) -> list[str]:
    """Return what is trained besides, to calibrate a recipe."""
    clusters = sorted({job.cluster for job in jobs})
    method = "" if recipe.calibration is None else recipe.calibration.method
    return [
        f"calibration ({method}) and conformal sets: {len(jobs)} further trainings, each without "
        f"one of clusters {', '.join(map(str, clusters))}, about {duration(seconds)}"
    ]


def calibration_lines(calibration: Calibration) -> list[str]:
    """Return what a calibration is worth on clusters that were left out."""
    worth, found = calibration.worth, calibration.left_out
    forest = f", forest {worth['auc_pr_forest']:.3f}" if "auc_pr_forest" in worth else ""
    lines = [
        f"on {len(found.ids)} entries of left-out clusters ({int(found.labels.sum())} superionic): "
        f"AUC-PR {worth['auc_pr']:.3f} (mean over clusters of both classes; networks "
        f"{worth['auc_pr_networks']:.3f}{forest})",
        f"calibration error {worth['ece_raw']:.3f} raw, {worth['ece']:.3f} calibrated on the other "
        f"clusters; Brier {worth['brier_raw']:.3f} and {worth['brier']:.3f}",
    ]
    for confidence in calibration.observed:
        name = f"coverage_{percent(confidence)}"
        lines.append(
            f"sets of {percent(confidence)} % calibrated on the other clusters hold the class of "
            f"{worth[name]:.0%} (superionic {worth[f'{name}_1']:.0%}, others "
            f"{worth[f'{name}_0']:.0%}), with {worth[f'set_size_{percent(confidence)}']:.2f} "
            "classes in the mean"
        )
    return [*lines, f"beware: {NOTE[0].lower()}{NOTE[1:]}"]


def print_result(
    ensemble: TrainedEnsemble,
    run_id: str,
    model: str | None,
    folder: Path,
    store: Store,
    data_options: Sequence[str],
    console: Console,
) -> None:
    """Print who diverged, where the ensemble is, and what to run next."""
    python, where = installed_program("python"), shlex.quote(str(folder))
    options = " ".join(shlex.quote(word) for word in data_options)
    forest = "" if ensemble.forest is None else ", and a forest"
    lines = [
        f"ensemble of {len(ensemble.members)} networks, {ensemble.recipe.epochs} epochs each"
        f"{forest}, in {folder}",
        *(f"diverged, left out: {text}" for text in ensemble.left_out),
        *(calibration_lines(ensemble.calibration) if ensemble.calibration else ()),
        f"MLflow run {run_id} ({stored_address(run_id)})"
        + (f", registered as models:/{model}" if model else ""),
        f"look at it: {store.ui_command()}",
        "next, once, the test set: "
        f"{python} experiments/evaluate.py --ensemble {where} {options}".rstrip(),
        f"then candidates: {python} experiments/screen.py --ensemble {where} --source FOLDER",
    ]
    print_lines(console, lines)


def search_command(
    shared: Mapping[str, Any], like: StoredRun | None, clusters: Sequence[int] | None
) -> str:
    """Return the command that searches clusters as another one was searched.

    Parameters
    ----------
    shared : Mapping
        Options that this command has in common with the search: data, store, name.
    like : StoredRun or None
        Parent run of a search whose budget, space and seed are taken; None for the defaults.
    clusters : sequence of int or None
        None for all.
    """
    own = {} if like is None else _as_searched(like)
    if shared.get("search_space"):
        own["search_space"] = shared["search_space"]
    options = LocoOptions.from_command_line(
        {**shared, **own}, space=read_space(space_path("paper", SPACES)), record_folder=Path()
    )
    chosen = "all" if clusters is None else " --cluster ".join(map(str, clusters))
    return options.command(chosen)


def _as_searched(run: StoredRun) -> dict[str, Any]:
    """Return the options that a search was started with, from what is recorded of it."""
    params = run.params
    budget = {
        name.removeprefix("budget."): value
        for name, value in params.items()
        if name.startswith("budget.")
    }
    names = [path.stem for path in sorted(SPACES.glob("*.yaml"))]
    spaces = {read_space(space_path(name, SPACES)).hash: name for name in names}
    space = spaces.get(params.get("space", ""), f"space.json-of-run-{run.run_id[:8]}")
    given: dict[str, Any] = {"seed": int(params["seed"]), "mode": params["mode"]}
    if params.get("pretrained"):
        given["pretrained"] = "on"
    for preset, known in PRESETS.items():
        if space == preset and not _differing(budget, known):
            return given | ({} if preset == "paper" else {"preset": preset})
    if space != "paper":
        given["search_space"] = space
    return given | _differing(budget, Budget())


def _differing(budget: Mapping[str, str], base: Budget) -> dict[str, str]:
    """Return the recorded budget's values, as text, where they are not those of another one."""
    options = LocoOptions.__dataclass_fields__
    return {
        name: value
        for name, value in budget.items()
        if name in options and value != str(getattr(base, name, value))
    }


def _shared(recipe: Recipe) -> str:
    """Return the clusters whose configurations other clusters have chosen too."""
    pairs = {(member.config.hash, member.cluster) for member in recipe.members}
    often = Counter(config for config, _ in pairs)
    clusters = sorted({cluster for config, cluster in pairs if often[config] > 1})
    return f"configurations of clusters {', '.join(map(str, clusters))}" if clusters else ""
