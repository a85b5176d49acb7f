"""Records of a screening: entries of a source, shards of them, results, what a folder is made from.

Records and their columns only; reading, computing and ranking live beside this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa
    from pymatgen.core import Structure

FORMAT = 1

STAGES = {
    "reading": "reading",
    "representation": "oxidation states and representation",
    "features": "orbits, graphs and MEGNet vectors",
    "scoring": "scoring with the ensemble",
    "band_gap": "band gaps by MEGNet",
    "comparison": "distance, novelty and flags",
}
"""What the time of a screening goes to, by key."""

GIVEN, PREDICTED = "given", "MEGNet"
"""Where a band gap comes from."""

COLUMNS = {
    "place": "int64",
    "id": "string",
    "file": "string",
    "formula": "string",
    "reduced_formula": "string",
    "n_sites": "int32",
    "ordered": "bool",
    "intermetallic": "bool",
    "lacks_anion_former": "bool",
    "p_si": "float64",
    "p_si_sd": "float64",
    "band_gap_eV": "float64",
    "band_gap_from": "string",
    "novel": "bool",
    "closest_known": "string",
    "closest_known_id": "string",
    "closest_deviation": "float64",
    "d_training": "float64",
    "pc1": "float64",
    "pc2": "float64",
}
"""Columns of the results and their types. `place` counts a source's entries from 0 and is the key:
ids may repeat. `closest_deviation` is the largest difference of a normalised element fraction from
`closest_known`, whose composition is the nearest; pc1 and pc2 are the first two components of
d_training's metric."""

CALIBRATED_COLUMNS = {"p_si_raw": "float64", "set_80": "string", "set_90": "string"}
"""Besides, where the ensemble has a calibration: P_SI before it, around which `p_si_sd` is, and
what the conformal sets say (`sie.ensemble.calibrated.SET_WORDS`)."""


@dataclass(frozen=True)
class Entry:
    """One crystal of a source, or why there is none.

    Attributes
    ----------
    place : int
        Its number in the source, from 0.
    id, file : str
        As the source names it, and where it stands.
    structure : Structure or None
        None where it cannot be used.
    band_gap : float
        In eV, as the source gives it; NaN where it does not.
    reason : str
        Why there is no structure.
    """

    place: int
    id: str
    file: str
    structure: Structure | None
    band_gap: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class Reject:
    """An entry without a score."""

    place: int
    id: str
    file: str
    reason: str


@dataclass(frozen=True)
class Shard:
    """Entries that are screened together: the least that is lost by an interruption.

    Attributes
    ----------
    number, first, count : int
        Its own number, the place of its first entry, and how many it holds.
    where : tuple
        What its source finds it by; plain values.
    """

    number: int
    first: int
    count: int
    where: tuple[Any, ...]


class Reader(Protocol):
    """What reads the entries of a shard, on any worker."""

    def read(self, shard: Shard) -> Iterator[Entry]:
        """Yield the entries in their order, one in memory at a time."""
        ...


@dataclass(frozen=True)
class Source:
    """Crystals to screen.

    Attributes
    ----------
    name : str
        As the user gave it.
    hash : str
        Of its content; of names, sizes and times of change where it is a set of CIFs.
    shards : tuple of Shard
        All there is.
    reader : Reader
        Reads a shard.
    """

    name: str
    hash: str
    shards: tuple[Shard, ...]
    reader: Reader

    def __len__(self) -> int:
        return sum(shard.count for shard in self.shards)


@dataclass(frozen=True)
class ShardResult:
    """What a worker made of a shard.

    Attributes
    ----------
    number : int
        The shard's.
    table : pyarrow.Table
        A row a scored entry, columns `COLUMNS`.
    rejects : tuple of Reject
        The other entries.
    seconds : Mapping[str, float]
        CPU time by stage (`STAGES`).
    """

    number: int
    table: pa.Table
    rejects: tuple[Reject, ...]
    seconds: Mapping[str, float]

    @property
    def n_entries(self) -> int:
        """Entries of the shard, scored or not."""
        return len(self.table) + len(self.rejects)


@dataclass(frozen=True)
class Manifest:
    """Everything that determines the results of a screening.

    Attributes
    ----------
    source, source_hash : str
        What is screened. The name is for people: only the hash is compared.
    ensemble_hash, recipe_hash : str
        Of the weights, and of what they were made from.
    representation, level : str
        Of the features.
    options : Mapping
        How band gaps are made, novelty tolerance, structures a shard.
    code_hash : str
        Of the sources that make the numbers.
    """

    source: str
    source_hash: str
    ensemble_hash: str
    recipe_hash: str
    representation: str
    level: str
    options: Mapping[str, Any]
    code_hash: str
    format: int = FORMAT

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Say in words what differs from a stored manifest; empty when its results can be used."""
        ours = {k: v for k, v in self.as_dict().items() if k not in ("source", "options")}
        theirs = {k: other.get(k) for k in ours}
        for mine, found, into in ((self.options, other.get("options", {}), "option "),):
            ours |= {into + k: v for k, v in mine.items()}
            theirs |= {into + k: found.get(k) for k in mine}
        return [
            f"{name.replace('_', ' ')} is {ours[name]!r} and was {theirs[name]!r}"
            for name in ours
            if ours[name] != theirs[name]
        ]


@dataclass(frozen=True)
class Speed:
    """What a screening cost.

    Attributes
    ----------
    n : int
        Entries that were treated.
    seconds : Mapping[str, float]
        CPU time by stage, all workers together.
    wall_s : float
        Wall time of this run; 0 when nothing was computed by it.
    computed : int
        Entries treated in this run.
    workers : int
        Workers of this run.
    """

    n: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    wall_s: float = 0.0
    computed: int = 0
    workers: int = 1

    @property
    def cpu_s(self) -> float:
        """CPU time of all stages."""
        return sum(self.seconds.values())

    @property
    def per_core(self) -> float:
        """Structures per second of one core."""
        return self.n / self.cpu_s if self.cpu_s else math.nan

    @property
    def core_hours_per_million(self) -> float:
        """CPU time of a million structures like these, in hours."""
        return self.cpu_s / self.n * 1e6 / 3600 if self.n else math.nan

    def share(self, stage: str) -> float:
        """Part of the CPU time that a stage took."""
        return self.seconds.get(stage, 0.0) / self.cpu_s if self.cpu_s else math.nan


def result_schema(calibrated: bool = False) -> pa.Schema:
    """Return the columns of the results, of an ensemble with or without a calibration."""
    import pyarrow as pa

    columns = list(COLUMNS.items())
    if calibrated:
        after = 1 + list(COLUMNS).index("p_si_sd")
        columns[after:after] = CALIBRATED_COLUMNS.items()
    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns])


def shards_of(counts: Sequence[tuple[int, tuple[Any, ...]]]) -> tuple[Shard, ...]:
    """Return shards, one after the other, from their counts and what they are found by."""
    shards, first = [], 0
    for number, (count, where) in enumerate(counts):
        shards.append(Shard(number, first, count, where))
        first += count
    return tuple(shards)
