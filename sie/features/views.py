"""Views of a crystal: names for levels and representations side by side, and their columns.

Names and columns only, light to import; computing them is `sie.features.view_features`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.structures.representations import Representation

EMBEDDING_WIDTH, VECTOR_WIDTH = 16, 32
"""Columns of V0, and of V1 to V3, in the parent network."""

Block = tuple[Representation, int]
"""A representation and a level: so many columns of a view."""

_PART = re.compile(r"(?:([A-Za-z]\w*)-)?V([0-3])")


@dataclass(frozen=True)
class View:
    """What a network sees of a crystal.

    Attributes
    ----------
    blocks : tuple of (Representation, int)
        Representations and levels in the order of their columns.
    """

    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        """Return its name, e.g. CAMN-V0+V1 or CAMN-V1+CAMNS-V1."""
        words, last = [], None
        for representation, level in self.blocks:
            words.append(f"V{level}" if representation is last else f"{representation}-V{level}")
            last = representation
        return "+".join(words)

    @property
    def representations(self) -> tuple[Representation, ...]:
        """Its representations, each once."""
        return tuple(dict.fromkeys(representation for representation, _ in self.blocks))

    @property
    def dimension(self) -> int:
        """Length of a row."""
        return sum(_width(level) for _, level in self.blocks)

    def columns_of(self, other: View) -> np.ndarray:
        """Return where the columns of another view stand among those of this one.

        Raises
        ------
        InputError
            When this view has not all of them.
        """
        starts = np.cumsum([0, *(_width(level) for _, level in self.blocks)])
        place = dict(zip(self.blocks, starts, strict=False))
        if set(other.blocks) - set(place):
            raise InputError(f"view {other}: its columns are not among those of {self}")
        parts = [place[block] + np.arange(_width(block[1])) for block in other.blocks]
        return np.concatenate(parts)


@lru_cache(maxsize=256)
def parse_view(name: str) -> View:
    """Return the view of a name: representations and levels joined by plus signs.

    A level without representation belongs to the one before it.

    Raises
    ------
    InputError
        When it is no name of a view.
    """
    blocks: list[Block] = []
    for word in name.split("+"):
        found = _PART.fullmatch(word)
        if found is None or not (found[1] or blocks):
            raise InputError(f"view {name}: write it like CAMN-V1, CAMN-V0+V1 or CAMN-V1+CAMNS-V1")
        try:
            representation = Representation(found[1]) if found[1] else blocks[-1][0]
        except ValueError:
            known = ", ".join(Representation)
            raise InputError(f"view {name}: {found[1]} is none of {known}") from None
        blocks.append((representation, int(found[2])))
    if len(set(blocks)) < len(blocks):
        raise InputError(f"view {name}: a level stands in it twice")
    return View(tuple(blocks))


def union(names: Iterable[str]) -> View:
    """Return the view that holds every column of all the named ones, each once.

    Representations stand in the order in which they are first named, their levels rise.
    """
    blocks = {block for name in names for block in parse_view(name).blocks}
    order = [r for name in names for r in parse_view(name).representations]
    return View(tuple(sorted(blocks, key=lambda block: (order.index(block[0]), block[1]))))


def seen_through(features: OrbitFeatures, whole: str, view: str) -> OrbitFeatures:
    """Return the columns of a view, from features that have those of a whole one.

    Parameters
    ----------
    features : OrbitFeatures
        Of the view `whole`.
    whole, view : str
        Names; an empty `view` is all there is.

    Raises
    ------
    InputError
        When `whole` has not all the columns, or is not what the features are of.
    """
    if view in ("", whole):
        return features
    seen = parse_view(whole)
    if seen.dimension != features.dimension:
        raise InputError(f"features have rows of {features.dimension} numbers, not of {whole}")
    rows = np.ascontiguousarray(features.rows[:, seen.columns_of(parse_view(view))])
    return OrbitFeatures(features.ids, rows, features.multiplicity, features.offsets)


def dimension_of(view: str, whole: int) -> int:
    """Return the length of a view's rows; an empty view has all columns, `whole` of them."""
    return parse_view(view).dimension if view else whole


def _width(level: int) -> int:
    return VECTOR_WIDTH if level else EMBEDDING_WIDTH
