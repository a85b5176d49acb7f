"""Novelty of candidates: the article's rule on compositions, with the compound that is alike.

The rule itself stands in `sie.splits.similarity`, where splits are described with it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sie.splits.similarity import TOLERANCE, similar_known


@dataclass(frozen=True)
class Novelty:
    """What is novel among n candidates.

    Attributes
    ----------
    novel : numpy.ndarray
        Bool, shape (n,).
    alike : numpy.ndarray
        Int64, shape (n,): row of the known compound that a candidate is too much alike, the nearest
        if there are several; -1 for those that are novel.
    """

    novel: np.ndarray
    alike: np.ndarray


def is_novel(
    candidates: np.ndarray,
    known: np.ndarray,
    tolerance: float = TOLERANCE,
    relative: bool = False,
) -> np.ndarray:
    """Say which candidates have no known composition with nearly the same element fractions.

    Parameters
    ----------
    candidates, known : numpy.ndarray
        Element fractions, shapes (n, m) and (k, m), columns alike (`shared_columns`).
    tolerance, relative
        As in `sie.splits.similarity.similar_known`: by default a difference of 5 % of all atoms in
        any element; relative, of 5 % of the element's own fraction in the known compound.

    Returns
    -------
    numpy.ndarray
        Bool, shape (n,).

    Raises
    ------
    InputError
        When the tolerance is negative or not a number.
    """
    return similar_known(candidates, known, tolerance, relative) < 0


def novelty(
    candidates: np.ndarray,
    known: np.ndarray,
    tolerance: float = TOLERANCE,
    relative: bool = False,
) -> Novelty:
    """Do the same as `is_novel` and name the compound that makes a candidate not novel."""
    alike = similar_known(candidates, known, tolerance, relative)
    return Novelty(alike < 0, alike)


def shared_columns(
    elements: Sequence[str],
    fractions: np.ndarray,
    known_elements: Sequence[str],
    known_fractions: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return both tables with a column for every element of either, sorted by symbol.

    An element that only the candidates hold counts against every known compound.

    Parameters
    ----------
    elements, known_elements : sequence of str
        Symbols of the columns, each once.
    fractions, known_fractions : numpy.ndarray
        Element fractions, shapes (n, len(elements)) and (k, len(known_elements)).
    """
    symbols = sorted({*elements, *known_elements})
    return _spread(elements, fractions, symbols), _spread(known_elements, known_fractions, symbols)


def _spread(elements: Sequence[str], fractions: np.ndarray, symbols: Sequence[str]) -> np.ndarray:
    place = {symbol: i for i, symbol in enumerate(symbols)}
    spread = np.zeros((len(fractions), len(symbols)))
    spread[:, [place[symbol] for symbol in elements]] = fractions
    return spread
