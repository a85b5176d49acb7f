"""The body of experiments/nested.py: trains candidates on every left-out set, then estimates.

Training streams to a folder and goes on from it; the tables are made of what is there.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sie.cli.arguments import REPOSITORY
from sie.cli.config_file import RUN_YAML, write_options
from sie.cli.outcome import print_lines
from sie.cli.prepare import prepare_database
from sie.datasets.registry import load_dataset, record_folder
from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.files import write_text
from sie.nested.candidates import Candidate, by_hand, drawn, seen
from sie.nested.estimate import Scores, by_candidate, load_frame, load_trainings, score
from sie.nested.left_out import LeftOut, folds_as_sets, left_out_sets
from sie.nested.trainings import Sizes, train_all, write_frame
from sie.search.problem import DevelopmentData, prepare_development
from sie.search.selection import SelectionRule
from sie.search.space import SearchSpace, read_space, space_path

if TYPE_CHECKING:
    import pandas as pd

    from sie.features.descriptors import Descriptors

LIST_SEED = 0
"""Of the list of candidates, which is part of what the estimate is about."""


FOREST = "forest-fractions"
"""What networks are compared and mixed with."""

FOLDS = "folds"
"""Folder of the trainings on random folds, below that of the others."""


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
    epochs: int = 120
    folder: Path = Path("results/nested")
    results: Path = Path("results/nested/tables")
    part: str = "1/1"
    only_estimate: bool = False
    folds: bool = False
    dry_run: bool = False
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> NestedOptions:
        """Pick the options out of parsed arguments."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

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
    """Train what is missing, then write the tables; return them, or how much there is to do.

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
    write_options(options.folder / _run_yaml(options), options.run_options)
    if not options.only_estimate:
        data = _data(options, console)
        _train(options, data, jobs[first::step], console)
    if not options.only_estimate and step > 1:
        print_lines(console, ["this part is done; --only-estimate makes the tables"])
        return {"work": options.folder, "part": options.part}
    tables = write_tables(options, space, console)
    return {"work": options.folder, "folder": options.results, "tables": tables}


def _run_yaml(options: NestedOptions) -> str:
    first, step = options.share
    return RUN_YAML if step == 1 else f"run-{first + 1}-of-{step}.yaml"


def jobs_of(options: NestedOptions, space: SearchSpace) -> list[tuple[Candidate, int]]:
    """Return candidates with their seeds: all of the first seed, then all of the second."""
    listed = [*by_hand(), *drawn(space, options.candidates, LIST_SEED)]
    return [(candidate, seed) for seed in range(options.seeds) for candidate in listed]


def write_tables(
    options: NestedOptions, space: SearchSpace, console: Console
) -> dict[str, pd.DataFrame]:
    """Write nested_*.csv of what is in the folder, and return them by name."""
    import pandas as pd

    from sie.nested.folds import folds_table
    from sie.nested.importance import importance_table
    from sie.nested.mixtures import Mixer, mixtures_table
    from sie.nested.tables import WAYS, candidates_table, choices_table, summary_row

    frame, rule = load_frame(options.folder), SelectionRule()
    scores = [score(fits, frame) for fits in load_trainings(options.folder)]
    baselines = [s for s in scores if not isinstance(s.fits.candidate, Candidate)]
    networks = [s for s in scores if isinstance(s.fits.candidate, Candidate)]
    chosen, means = [], []
    for name, seeds in _seed_sets(networks):
        group = by_candidate(networks, seeds)
        table = choices_table(group, frame, rule, name)
        chosen.append(table.drop(columns="drawn"))
        means += [summary_row(table, way, len(group)) for way in WAYS]
    rows = []
    for part in (networks, baselines):
        for n in _seed_counts(part):
            exactly = [s for s in part if _n_seeds(part, s) == n]
            rows.append(candidates_table(by_candidate(exactly, range(n)), frame, rule))
    every = pd.concat(rows, ignore_index=True)
    draws = every[every["name"].str.startswith("draw ")].reset_index(drop=True)
    tables = {
        "nested_choices": pd.concat(chosen, ignore_index=True),
        "nested_summary": pd.DataFrame(means),
        "nested_candidates": every.sort_values("inner", ascending=False),
        "nested_importance": pd.concat(
            [importance_table(draws, space, outcome) for outcome in ("inner", "auc_pr")]
        ),
    }
    forest = [s for s in baselines if s.fits.candidate.name == FOREST]
    if forest:
        mixer = Mixer(_widest(networks), forest, frame, rule)
        tables["nested_mixtures"] = mixtures_table(mixer, frame)
    folds = options.folder / FOLDS
    if folds.is_dir():
        best = candidates_table(_widest(networks), frame, rule).iloc[0]["hash"]
        tables["nested_folds"] = folds_table(load_trainings(folds), load_frame(folds), FOREST, best)
    for name, content in tables.items():
        _write(options.results / f"{name}.csv", content)
    print_lines(console, _lines(tables["nested_summary"]))
    print_lines(console, [f"tables: {options.results}"])
    return tables


def _seed_sets(networks: Sequence[Scores]) -> list[tuple[str, tuple[int, ...]]]:
    """Return each seed alone, then the first n seeds together as far as candidates have them."""
    numbers = sorted({s.fits.seed for s in networks})
    if not numbers:
        raise InputError("nested estimate: no candidate has been trained yet")
    alone = [(f"seed {n}", (n,)) for n in numbers]
    together = [
        (f"mean of {n}", tuple(numbers[:n]))
        for n in _seed_counts(networks)
        if 1 < n <= len(numbers)
    ]
    return [*alone, *together]


def _widest(networks: Sequence[Scores]) -> dict[str, list[Scores]]:
    """Return every candidate with all its seeds."""
    found: dict[str, list[Scores]] = {}
    for item in networks:
        found.setdefault(item.fits.candidate.hash, []).append(item)
    return found


def _n_seeds(part: Sequence[Scores], item: Scores) -> int:
    return sum(s.fits.candidate.hash == item.fits.candidate.hash for s in part)


def _seed_counts(part: Sequence[Scores]) -> list[int]:
    return sorted({_n_seeds(part, item) for item in part})


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
    if options.folds:
        _train_folds(options, data, console)
        return
    left_out, sizes = left_out_sets(data.clustering, data.labels), Sizes(options.epochs)
    write_frame(options.folder, data.labels, left_out, sizes, data.dataset_hash)
    if options.share[0] == 0:
        fit_baselines(_vectors(data), data.labels, left_out, options.seeds, options.folder)
    _train_jobs(jobs, data, left_out, sizes, options.folder, console)


def _train_folds(options: NestedOptions, data: DevelopmentData, console: Console) -> None:
    """Train all candidates with the first seed, and the baselines, on random folds."""
    from sie.nested.baselines import fit_baselines
    from sie.splits.kfold import stratified_folds

    sets = folds_as_sets(stratified_folds(list(data.labels), data.labels))
    folder, sizes = options.folder / FOLDS, Sizes(options.epochs)
    write_frame(folder, data.labels, sets, sizes, data.dataset_hash)
    fit_baselines(_vectors(data), data.labels, sets, options.seeds, folder)
    space = read_space(space_path(options.search_space, REPOSITORY / "search_spaces"))
    jobs = [(candidate, seed) for candidate, seed in jobs_of(options, space) if seed == 0]
    _train_jobs(jobs, data, sets, sizes, folder, console)


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


def _write(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, float_format="%.6g")
    write_text(path, buffer.getvalue())


def _lines(summary: pd.DataFrame) -> list[str]:
    return [
        f"{row.seeds}, {row.candidates} candidates: {row.way} AUC-PR {row.auc_pr:.3f} "
        f"({row.low:.2f} to {row.high:.2f}), MCC {row.mcc:.3f}"
        for row in summary.itertuples()
    ]
