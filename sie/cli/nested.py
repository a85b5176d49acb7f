"""The body of experiments/nested.py: trains candidates on every left-out set, then estimates.

Training streams to a folder and goes on from it; the tables are made of what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sie.cli.arguments import REPOSITORY
from sie.cli.config_file import RUN_YAML, write_options
from sie.cli.nested_outcome import write_estimate
from sie.cli.outcome import print_lines
from sie.cli.prepare import prepare_database
from sie.datasets.registry import load_dataset, record_folder
from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.nested.candidates import Candidate, by_hand, drawn, seen
from sie.nested.folds import FOLDS
from sie.nested.left_out import LeftOut, folds_as_sets, left_out_sets
from sie.nested.trainings import Sizes, train_all, write_frame
from sie.search.problem import DevelopmentData, prepare_development
from sie.search.space import SearchSpace, read_space, space_path

if TYPE_CHECKING:
    from sie.features.descriptors import Descriptors

LIST_SEED = 0
"""Of the list of candidates, which is part of what the estimate is about."""


@dataclass(frozen=True)
class NestedOptions:
    """Options of the command, by their names there."""

    dataset: str = "starter"
    data_dir: Path | None = None
    table: Path | None = None
    cifs: Path | None = None
    clusters: Path | None = None
    search_space: str = "extended"
    candidates: int = 60
    seeds: int = 2
    first_seed: int = 0
    epochs: int = 120
    folder: Path = Path("results/nested")
    results: Path = Path("results/nested/tables")
    figures: Path | None = None
    part: str = "1/1"
    only_estimate: bool = False
    folds: bool = False
    grouping: str | None = None
    dry_run: bool = False
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> NestedOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    @property
    def seed_numbers(self) -> range:
        """Seeds of every candidate, the first one first."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def share(self) -> tuple[int, int]:
        """Which of how many parts of the trainings this process makes, the first being 0.

        Raises
        ------
        InputError
            When it is not written like 1/2.
        """
        number, _, of = self.part.partition("/")
        good = number.isdecimal() and of.isdecimal()
        if not good or not 1 <= int(number) <= int(of):
            raise InputError(f"--part {self.part}: write it like 1/2, the first of two parts")
        return int(number) - 1, int(of)


def run_nested(options: NestedOptions, console: Console) -> dict[str, Any]:
    """Train what is missing, then write tables and figures; return them, or how much is to do.

    Raises
    ------
    InputError
        When data or options cannot be used.
    """
    first, step = options.share
    space = read_space(space_path(options.search_space, REPOSITORY / "search_spaces"))
    jobs = jobs_of(options, space)
    if options.dry_run:
        lines = [f"{len(jobs)} trainings of candidates, {options.epochs} epochs each, on every"]
        lines += ["single and every pair of clusters left out; nothing was trained"]
        print_lines(console, lines)
        return {"trainings": len(jobs)}
    if not options.only_estimate:  # run.yaml says how what is in the folder was trained
        write_options(options.folder / _run_yaml(options), options.run_options)
        data = _data(options, console)
        _train(options, data, jobs[first::step], console)
    if not options.only_estimate and step > 1:
        print_lines(console, ["this part is done; --only-estimate makes the tables"])
        return {"work": options.folder, "part": options.part}
    figures = options.figures or options.results / "figures"
    tables = write_estimate(options.folder, options.results, figures, space, console)
    return {"work": options.folder, "folder": options.results, "tables": tables}


def _run_yaml(options: NestedOptions) -> str:
    first, step = options.share
    return RUN_YAML if step == 1 else f"run-{first + 1}-of-{step}.yaml"


def jobs_of(options: NestedOptions, space: SearchSpace) -> list[tuple[Candidate, int]]:
    """Return candidates with their seeds: all of the first seed, then all of the second."""
    listed = [*by_hand(), *drawn(space, options.candidates, LIST_SEED)]
    return [(candidate, seed) for seed in options.seed_numbers for candidate in listed]


def _data(options: NestedOptions, console: Console) -> DevelopmentData:
    with console.status("loading the dataset") as status:
        loaded = load_dataset(
            options.dataset, data_dir=options.data_dir, table=options.table, cifs=options.cifs
        )
        kept = record_folder(options.dataset, options.data_dir) is not None
        database = prepare_database(loaded, keep_duplicates=kept, stage=status.update).database
        data, _, _ = prepare_development(database, options.clusters, status.update)
    return data


def _train(
    options: NestedOptions,
    data: DevelopmentData,
    jobs: Sequence[tuple[Candidate, int]],
    console: Console,
) -> None:
    from sie.nested.baselines import fit_baselines
    from sie.training.threads import limit_threads

    limit_threads(1)
    if options.folds or options.grouping:
        _train_other_splits(options, data, console)
        return
    left_out, sizes = left_out_sets(data.clustering, data.labels), Sizes(options.epochs)
    write_frame(options.folder, data.labels, left_out, sizes, data.dataset_hash)
    if options.share[0] == 0:
        fit_baselines(_vectors(data), data.labels, left_out, options.seed_numbers, options.folder)
    _train_jobs(jobs, data, left_out, sizes, options.folder, console)


def _train_other_splits(options: NestedOptions, data: DevelopmentData, console: Console) -> None:
    """Train all candidates with the first seed, and the baselines, on folds or another grouping."""
    from sie.nested.baselines import fit_baselines
    from sie.splits.kfold import stratified_folds

    if options.grouping:
        sets, name = _regrouped(data, options.grouping), options.grouping
    else:
        sets, name = folds_as_sets(stratified_folds(list(data.labels), data.labels)), FOLDS
    folder, sizes = options.folder / name, Sizes(options.epochs)
    write_frame(folder, data.labels, sets, sizes, data.dataset_hash)
    first, step = options.share
    if first == 0:
        fit_baselines(_vectors(data), data.labels, sets, options.seed_numbers, folder)
    space = read_space(space_path(options.search_space, REPOSITORY / "search_spaces"))
    jobs = [job for job in jobs_of(options, space) if job[1] == options.first_seed]
    _train_jobs(jobs[first::step], data, sets, sizes, folder, console)


def _regrouped(data: DevelopmentData, grouping: str) -> list[LeftOut]:
    """Return every usable cluster of another grouping, left out alone."""
    from sie.splits.linkage import linkage_clusters, parse_grouping

    made_of = {entry: c.composition.element_composition for entry, c in data.crystals.items()}
    clustering = linkage_clusters(made_of, *parse_grouping(grouping))
    return [item for item in left_out_sets(clustering, data.labels) if len(item.clusters) == 1]


def _train_jobs(
    jobs: Sequence[tuple[Candidate, int]],
    data: DevelopmentData,
    sets: Sequence[LeftOut],
    sizes: Sizes,
    folder: Path,
    console: Console,
) -> None:
    @cache
    def see(view: str) -> OrbitFeatures:
        return seen(data, view)

    def told(line: str) -> None:
        print_lines(console, [line])

    train_all(jobs, see, data.labels, sets, sizes, folder, told)


def _vectors(data: DevelopmentData) -> dict[str, Descriptors]:
    from sie.features.composition import composition_statistics, element_fractions

    crystals = data.crystals.items()
    made_of = {entry: c.composition.element_composition for entry, c in crystals}
    fractions, statistics = element_fractions(made_of), composition_statistics(made_of)
    return {"fractions": fractions, "statistics": statistics}
