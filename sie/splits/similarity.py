"""What a split asks for: counts, conductivities, and how near validation lies to training.

Statistics for tables S3 to S6 of the article; splits are drawn, and leaks counted, beside this
module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sie.errors import InputError
from sie.splits.elmd import composition_vectors, elmd_between
from sie.splits.record import Split

TOLERANCE = 0.05
"""The article's novelty rule: every element's fraction within 5 %."""

ROUNDING = 1e-9
"""Added to the tolerance, so that the spelling of a formula decides nothing at its edge."""


@dataclass(frozen=True)
class PartStatistics:
    """One side of a split.

    Attributes
    ----------
    entries, positives : int
        Entries, and entries of class 1.
    log10_sigma_min, log10_sigma_median, log10_sigma_max : float
        Of the conductivities in S/cm that are known, upper bounds at their value; NaN if none is.
    """

    entries: int
    positives: int
    log10_sigma_min: float
    log10_sigma_median: float
    log10_sigma_max: float


@dataclass(frozen=True)
class SplitStatistics:
    """Counts and label ranges of a split, and the nearness of its validation part to training.

    Attributes
    ----------
    split : str
        Its name.
    train, validation : PartStatistics
        Counts and label ranges of either side.
    similar_share : float
        Share of validation entries with a training composition that `similar` calls alike.
    elmd_p10, elmd_median, elmd_p90 : float
        10th, 50th and 90th percentile, over validation entries, of the element mover's distance to
        the nearest training composition, in steps of the modified Pettifor scale.
    tolerance : float
        That of `similar_share`.
    relative : bool
        Whether the tolerance is a share of the training fraction.
    """

    split: str
    train: PartStatistics
    validation: PartStatistics
    similar_share: float
    elmd_p10: float
    elmd_median: float
    elmd_p90: float
    tolerance: float = TOLERANCE
    relative: bool = False


def split_statistics(
    split: Split,
    labels: Mapping[str, int],
    log10_sigma: Mapping[str, float],
    compositions: Mapping[str, str | Mapping[Any, float]],
    *,
    tolerance: float = TOLERANCE,
    relative: bool = False,
) -> SplitStatistics:
    """Return the statistics of a split; of a test set when its ids stand as validation.

    Parameters
    ----------
    split : Split
        n_train and n_validation ids.
    labels : Mapping
        Class, 0 or 1, of at least these ids.
    log10_sigma : Mapping
        Decadic logarithm of the conductivity in S/cm, NaN where only a class is known.
    compositions : Mapping
        Formula, amounts by element, or pymatgen composition.
    tolerance, relative
        As in `similar`.

    Raises
    ------
    InputError
        When a part is empty, the tolerance is negative, or a composition cannot be used.
    KeyError
        When a mapping lacks an id.
    """
    for part, ids in (("training", split.train), ("validation", split.validation)):
        if not ids:
            raise InputError(f"split {split.name}: the {part} part is empty; use another split")
    known, asked = (
        composition_vectors([compositions[entry] for entry in ids], ids)
        for ids in (split.train, split.validation)
    )
    nearest = elmd_between(asked, known).min(axis=1)
    p10, median, p90 = np.percentile(nearest, [10, 50, 90])
    return SplitStatistics(
        split=split.name,
        train=_part(split.train, labels, log10_sigma),
        validation=_part(split.validation, labels, log10_sigma),
        similar_share=float(similar(asked, known, tolerance, relative).mean()),
        elmd_p10=float(p10),
        elmd_median=float(median),
        elmd_p90=float(p90),
        tolerance=tolerance,
        relative=relative,
    )


def similar(
    asked: np.ndarray, known: np.ndarray, tolerance: float = TOLERANCE, relative: bool = False
) -> np.ndarray:
    """Say which compositions have a known one in which every element's fraction is nearly the same.

    See `similar_known`, which also tells the known one.

    Returns
    -------
    numpy.ndarray
        Bool, shape (n,).
    """
    return similar_known(asked, known, tolerance, relative) >= 0


def similar_known(
    asked: np.ndarray, known: np.ndarray, tolerance: float = TOLERANCE, relative: bool = False
) -> np.ndarray:
    """Find for each composition a known one in which every element's fraction is nearly the same.

    The rule of McHaffie et al. 2025, 10.1039/d5dd00052a, is that every element's normalised
    fraction is within 5 % of some training composition's; it does not say 5 % of what. Fractions
    are shares of all atoms, so here it is 5 % of all atoms, an absolute difference of 0.05: a
    dopant of a few percent then makes no new composition, which a filter for novelty wants.
    Relative to the known fraction, any element that is new, however little of it, would.

    Parameters
    ----------
    asked, known : numpy.ndarray
        Element fractions, shapes (n, n_elements) and (m, n_elements), columns alike.
    tolerance : float
        Largest difference allowed in any element, not negative.
    relative : bool
        Take the tolerance as a share of the known fraction instead.

    Returns
    -------
    numpy.ndarray
        Int64, shape (n,): row of the similar known composition whose largest difference in an
        element is the smallest, the first of several; -1 where none is similar.

    Raises
    ------
    InputError
        When the tolerance is negative or not a number.
    """
    if not tolerance >= 0:
        raise InputError(f"tolerance of composition similarity must be >= 0, but is {tolerance}")
    if asked.shape[1] != known.shape[1]:
        raise ValueError("columns of asked and known compositions differ")
    allowed = np.broadcast_to(
        (tolerance * known if relative else tolerance) + ROUNDING, known.shape
    )
    found = np.full(len(asked), -1, dtype=np.int64)
    step = _PAIRS // max(len(known), 1) + 1
    for start in range(0, len(asked), step):
        row, column, difference = _similar_pairs(asked[start : start + step], known, allowed)
        order = np.lexsort((column, difference, row))
        first, at = np.unique(row[order], return_index=True)
        found[start + first] = column[order][at]
    return found


_PAIRS = 500_000
"""Pairs of compositions in memory at once, some 20 MB."""


def _similar_pairs(
    asked: np.ndarray, known: np.ndarray, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows of both sides of all similar pairs, and their largest differences.

    Element by element, the most telling ones first: few pairs are left after the first of them.
    """
    row, column = (x.ravel() for x in np.indices((len(asked), len(known))))
    largest = np.zeros(len(row))
    spread = known.std(axis=0) if len(known) else np.zeros(known.shape[1])
    for element in np.argsort(-spread, kind="stable"):
        difference = np.abs(known[column, element] - asked[row, element])
        kept = difference <= allowed[column, element]
        row, column = row[kept], column[kept]
        largest = np.maximum(largest[kept], difference[kept])
    return row, column, largest


def statistics_table(statistics: Iterable[SplitStatistics]) -> pd.DataFrame:
    """Return one row per split, indexed by its name; columns of the two parts have a prefix.

    Columns: `train_entries` to `train_log10_sigma_max`, the same for `validation_`, then
    `similar_share`, `elmd_p10`, `elmd_median`, `elmd_p90`, `tolerance`, `relative`.
    """
    rows = []
    for item in statistics:
        row = asdict(item)
        parts = {
            f"{part}_{name}": value
            for part in ("train", "validation")
            for name, value in row.pop(part).items()
        }
        rows.append({"split": row.pop("split"), **parts, **row})
    return pd.DataFrame(rows).set_index("split") if rows else pd.DataFrame()


def _part(
    ids: Sequence[str], labels: Mapping[str, int], log10_sigma: Mapping[str, float]
) -> PartStatistics:
    values = np.array([log10_sigma[entry] for entry in ids], dtype=np.float64)
    values = values[~np.isnan(values)]
    low, median, high = np.percentile(values, [0, 50, 100]) if values.size else [np.nan] * 3
    positives = sum(int(labels[entry]) for entry in ids)
    return PartStatistics(len(ids), positives, float(low), float(median), float(high))
