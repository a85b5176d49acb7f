"""`CrystalTable`: many ordered crystals with a class, as flat arrays instead of objects.

100,000 crystals of 30 atoms take 80 MB; how files are read into it lives in `sources`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import InputError
from sie.hashing import content_hash

if TYPE_CHECKING:
    from pymatgen.core import Structure

HEAVIEST = 118


@dataclass(frozen=True)
class Crystal:
    """One ordered crystal as a source gives it, not yet judged.

    Attributes
    ----------
    id : str
        Name in the source.
    label : int or None
        1 for a metal, 0 for none; None where the source does not say.
    lattice : numpy.ndarray
        Å, nine numbers: the rows are the cell's vectors.
    numbers : numpy.ndarray
        Atomic numbers, shape (n_sites,).
    frac_coords : numpy.ndarray
        Fractional coordinates, 3 n_sites numbers.
    """

    id: str
    label: int | None
    lattice: np.ndarray
    numbers: np.ndarray
    frac_coords: np.ndarray

    @property
    def fault(self) -> str:
        """Why it cannot be used, in a few words; empty when it can."""
        n_sites = len(self.numbers)
        if not self.id:
            return "no id"
        if self.label is None:
            return "no class"
        if self.lattice.size != 9 or not n_sites or self.frac_coords.size != 3 * n_sites:
            return "lattice, numbers and coordinates do not fit together"
        if not np.isfinite(self.lattice).all() or not np.isfinite(self.frac_coords).all():
            return "lattice or coordinates are not finite"
        if abs(np.linalg.det(self.lattice.reshape(3, 3))) < 1e-3:
            return "the cell has no volume"
        if self.numbers.min() < 1 or self.numbers.max() > HEAVIEST:
            return "a site holds no element"
        return ""


@dataclass(frozen=True)
class CrystalTable:
    """Ordered crystals of one source.

    Attributes
    ----------
    ids : tuple of str
        Shape (n,), unique.
    labels : numpy.ndarray
        Int8, shape (n,): 1 for a metal.
    lattices : numpy.ndarray
        Float64, Å, shape (n, 3, 3).
    numbers, frac_coords : numpy.ndarray
        Uint8, shape (n_sites,), and float64, shape (n_sites, 3), of one crystal after the other.
    offsets : numpy.ndarray
        Int64, shape (n + 1,): crystal i owns the sites offsets[i]:offsets[i + 1].
    left_out : Mapping[str, int]
        How many entries of the source could not be used, by reason.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    lattices: np.ndarray
    numbers: np.ndarray
    frac_coords: np.ndarray
    offsets: np.ndarray
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def positive_fraction(self) -> float:
        """Share of metals."""
        return float(self.labels.mean())

    def label_of(self) -> dict[str, int]:
        """Return the class by id."""
        return dict(zip(self.ids, self.labels.tolist(), strict=True))

    def structure(self, i: int) -> Structure:
        """Build the crystal at position i; equal sites share one content object."""
        from pymatgen.core import Composition, Element, Structure

        sites = slice(self.offsets[i], self.offsets[i + 1])
        numbers = self.numbers[sites].tolist()
        contents = {z: Composition({Element.from_Z(z): 1}) for z in set(numbers)}
        return Structure(self.lattices[i], [contents[z] for z in numbers], self.frac_coords[sites])

    def formula_keys(self) -> list[str]:
        """Return a text for each crystal that is equal for equal reduced compositions."""
        keys = []
        for first, last in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            elements, amounts = np.unique(self.numbers[first:last], return_counts=True)
            reduced = amounts // np.gcd.reduce(amounts)
            keys.append(" ".join(f"{z}:{n}" for z, n in zip(elements, reduced, strict=True)))
        return keys

    def select(self, order: np.ndarray) -> CrystalTable:
        """Return the crystals at the given positions, in that order."""
        counts = np.diff(self.offsets)[order]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        sites = np.arange(offsets[-1]) + np.repeat(self.offsets[order] - offsets[:-1], counts)
        return CrystalTable(
            tuple(self.ids[i] for i in order),
            self.labels[order],
            self.lattices[order],
            self.numbers[sites],
            self.frac_coords[sites],
            offsets,
            self.left_out,
        )

    def shuffled(self, seed: int) -> CrystalTable:
        """Return the crystals in a random order: its first n are a random sample for any n."""
        return self.select(np.random.default_rng(seed).permutation(len(self)))

    @cached_property
    def hash(self) -> str:
        """Content hash over everything but what was left out; the order matters."""
        arrays = (self.labels, self.lattices, self.numbers, self.frac_coords, self.offsets)
        return content_hash("crystal-table-1", list(self.ids), *arrays)


def collect(name: str, crystals: Iterable[Crystal], left_out: Counter[str]) -> CrystalTable:
    """Judge crystals one by one and keep the usable ones.

    Parameters
    ----------
    name : str
        Of the source, for errors.
    crystals : iterable of Crystal
        Read once, one at a time.
    left_out : Counter
        Reasons that the source itself has counted so far; it may count on while it is read.

    Raises
    ------
    InputError
        When no usable crystal is left, or all are of one class.
    """
    kept: list[Crystal] = []
    seen: set[str] = set()
    for crystal in crystals:
        if fault := crystal.fault or ("id is there before" if crystal.id in seen else ""):
            left_out[fault] += 1
            continue
        seen.add(crystal.id)
        kept.append(crystal)
    labels = np.array([crystal.label for crystal in kept], dtype=np.int8)
    if len(np.unique(labels)) < 2:
        reason = f"; most often: {left_out.most_common(1)[0][0]}" if left_out else ""
        raise InputError(
            f"{name}: {len(kept)} usable crystals with {int(labels.sum())} metals among them, "
            f"but both classes are needed ({left_out.total()} left out{reason})"
        )
    counts = [len(crystal.numbers) for crystal in kept]
    return CrystalTable(
        tuple(crystal.id for crystal in kept),
        labels,
        np.array([crystal.lattice for crystal in kept], dtype=float).reshape(-1, 3, 3),
        np.concatenate([crystal.numbers for crystal in kept]).astype(np.uint8),
        np.concatenate([crystal.frac_coords for crystal in kept]).astype(float).reshape(-1, 3),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        dict(left_out),
    )
