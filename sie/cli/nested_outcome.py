"""What a nested estimate leaves behind: nested_*.csv, two figures, and lines on the screen.

From the trainings in a folder; they are made in `sie.cli.nested`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sie.cli.outcome import print_lines
from sie.errors import InputError
from sie.files import replacing, write_text
from sie.nested.candidates import Candidate
from sie.nested.estimate import Frame, Scores, by_candidate, load_frame, load_trainings, score
from sie.nested.folds import FOLDS
from sie.search.selection import SelectionRule
from sie.search.space import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

    from sie.nested.judged import Judged
    from sie.nested.mixtures import Mixer

FOREST = "forest-fractions"
"""What networks are compared and mixed with."""

LEFT_OUT, RANDOM_PARTS, RANDOM_FOLDS = "left-out clusters", "random parts", "random folds"
"""Protocols: how structures to fit on and those to judge on were told apart."""


def write_estimate(
    folder: Path, results: Path, figures: Path, space: SearchSpace, console: Console
) -> None:
    """Write the tables and figures of what is in a folder.

    Raises
    ------
    InputError
        When there are no trainings.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # thousands of tiny fits, which threads only slow down
        tables = _tables(folder, space)
    for name, content in tables.items():
        _write(results / f"{name}.csv", content)
    print_lines(console, _lines(tables["nested_summary"]))
    print_lines(console, [f"tables: {results}"])
    if "nested_ways" in tables:
        _draw(figures, tables)
        print_lines(console, [f"figures: {figures}"])


def _tables(folder: Path, space: SearchSpace) -> dict[str, pd.DataFrame]:
    """Return all tables by name."""
    frame, rule = load_frame(folder), SelectionRule()
    scores = [score(fits, frame) for fits in load_trainings(folder)]
    baselines = [s for s in scores if not isinstance(s.fits.candidate, Candidate)]
    networks = [s for s in scores if isinstance(s.fits.candidate, Candidate)]
    tables = _chosen(networks, baselines, frame, rule, space)
    if forest := [s for s in baselines if s.fits.candidate.name == FOREST]:
        from sie.nested.mixtures import Mixer

        tables |= _mixed(Mixer(_widest(networks), forest, frame, rule), folder / FOLDS)
    if others := other_splits(folder):
        tables["nested_folds"] = _folds(others, networks, frame, rule)
    return tables


def _chosen(
    networks: Sequence[Scores],
    baselines: Sequence[Scores],
    frame: Frame,
    rule: SelectionRule,
    space: SearchSpace,
) -> dict[str, pd.DataFrame]:
    """Return the tables of choosing one candidate."""
    import pandas as pd

    from sie.nested.importance import importance_table
    from sie.nested.tables import WAYS, candidates_table, choices_table, summary_row

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
            rows.append(candidates_table(_widest(exactly), frame, rule))
    every = pd.concat(rows, ignore_index=True)
    draws = every[every["name"].str.startswith("draw ")].reset_index(drop=True)
    return {
        "nested_choices": pd.concat(chosen, ignore_index=True),
        "nested_summary": pd.DataFrame(means),
        "nested_candidates": every.sort_values("inner", ascending=False),
        "nested_importance": pd.concat(
            [importance_table(draws, space, outcome) for outcome in ("inner", "auc_pr")]
        ),
    }


def _mixed(mixer: Mixer, folds: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of mixing, of calibration and of conformal sets."""
    import pandas as pd

    from sie.nested.calibrated import calibration_rows, reliability_rows
    from sie.nested.covered import conformal_rows, random_rows
    from sie.nested.judged import left_out_groups, random_parts
    from sie.nested.mixtures import mixtures_table
    from sie.nested.ways import SYSTEMS, ways_table

    outer = {mixture.name: left_out_groups(mixer, mixture) for mixture in SYSTEMS}
    trained = {(LEFT_OUT, name): groups for name, groups in outer.items()}
    trained |= {(RANDOM_FOLDS, name): groups for name, groups in _fold_groups(folds).items()}
    cut = {(RANDOM_PARTS, name): random_parts(groups, seed=0) for name, groups in outer.items()}
    both = [(*key, groups) for key, groups in (trained | cut).items()]
    sets = [conformal_rows(*key, groups) for key, groups in trained.items()]
    sets += [random_rows(RANDOM_PARTS, name, groups) for name, groups in outer.items()]
    return {
        "nested_mixtures": mixtures_table(mixer, mixer.frame),
        "nested_ways": ways_table(mixer),
        "nested_calibration": pd.concat([calibration_rows(*of) for of in both]),
        "nested_reliability": pd.concat([reliability_rows(*of) for of in both]),
        "nested_conformal": pd.concat(sets),
    }


def _fold_groups(folder: Path) -> dict[str, dict[int, Judged]]:
    from sie.nested.folds import fold_predictions
    from sie.nested.judged import fold_groups

    if not folder.is_dir():
        return {}
    frame = load_frame(folder)
    predicted = fold_predictions(load_trainings(folder), frame, FOREST)
    return {name: fold_groups(of_folds, frame) for name, of_folds in predicted.items()}


def other_splits(folder: Path) -> list[Path]:
    """Return the folders of trainings on random folds and other groupings, by name."""
    return sorted(path.parent for path in folder.glob("*/frame.json"))


def _folds(
    folders: Sequence[Path], networks: Sequence[Scores], frame: Frame, rule: SelectionRule
) -> pd.DataFrame:
    """Return scores on every other division of the entries; column splits says which."""
    import pandas as pd

    from sie.nested.folds import folds_table
    from sie.nested.tables import candidates_table

    best = candidates_table(_widest(networks), frame, rule).iloc[0]["hash"]
    tables = []
    for folder in folders:
        table = folds_table(load_trainings(folder), load_frame(folder), FOREST, best)
        table.insert(0, "splits", folder.name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _draw(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    import matplotlib.pyplot as plt

    from sie.nested.ways import HALVES
    from sie.reporting.nested_figures import coverage_by_group, reliability
    from sie.reporting.style import drawing

    drawn = {
        "nested_reliability": reliability(tables["nested_reliability"], HALVES.name),
        "nested_coverage": coverage_by_group(tables["nested_conformal"], HALVES.name),
    }
    for name, figure in drawn.items():
        for suffix in ("png", "svg"):
            with drawing(), replacing(folder / f"{name}.{suffix}") as temporary:
                figure.savefig(temporary, format=suffix, bbox_inches="tight")
        plt.close(figure)


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
    """Return every candidate with all its seeds, in the order of their hashes."""
    found: dict[str, list[Scores]] = {}
    for item in sorted(networks, key=lambda s: (s.fits.candidate.hash, s.fits.seed)):
        found.setdefault(item.fits.candidate.hash, []).append(item)
    return found


def _n_seeds(part: Sequence[Scores], item: Scores) -> int:
    return sum(s.fits.candidate.hash == item.fits.candidate.hash for s in part)


def _seed_counts(part: Sequence[Scores]) -> list[int]:
    return sorted({_n_seeds(part, item) for item in part})


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
