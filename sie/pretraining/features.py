"""Features of very many crystals in bounded memory: computed in shards, kept on disk, resumable.

What a feature is lives in `sie.features`; here is only which crystals are computed when.
"""

from __future__ import annotations

import json
import logging
import math
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import InputError, SieError
from sie.features.cache import FEATURE_CODE
from sie.features.extract import level_label, levels_of_represented
from sie.features.record import OrbitFeatures
from sie.features.weights import bundled_weights
from sie.files import replacing
from sie.hashing import content_hash
from sie.pretraining.record import CrystalTable
from sie.structures.oxidation import guess_states
from sie.structures.representations import Representation, represent

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

FORMAT = 1
SHARD = 2_000
"""Crystals of one file: at most this much work is lost when the computation is interrupted."""

GROUP = 100
"""Crystals that are objects at the same time."""

Levels = dict[int, OrbitFeatures]

_FORMULA = re.compile(r"^(?:[A-Z][a-z]?[0-9.]+ ?)+: ")

_FAILURES = (SieError, ValueError, ArithmeticError, LookupError, RuntimeError, TypeError)
"""What spglib, pymatgen and sie raise for a crystal they cannot treat."""


class FeatureShards:
    """Features of a table's first crystals in one representation, in files of `shard` crystals.

    The files are found again by the content of the whole table, so that a computation goes on
    where it ended, with more crystals or further levels if need be.

    Parameters
    ----------
    crystals : CrystalTable
        All crystals there are, in the order in which they are taken (`CrystalTable.shuffled`).
    representation : Representation or str
        Oxidation states are guessed from the composition where it needs them.
    folder : Path
        Holds the files, in a folder of their own.
    limit : int, optional
        Take the first crystals only.
    shard : int
        Crystals of one file.
    """

    def __init__(
        self,
        crystals: CrystalTable,
        representation: Representation | str,
        folder: Path,
        limit: int | None = None,
        shard: int = SHARD,
    ) -> None:
        self.crystals = crystals
        self.representation = Representation(representation)
        n = len(crystals) if limit is None else min(limit, len(crystals))
        self.ranges = [(first, min(first + shard, n)) for first in range(0, n, shard)]
        self.key = content_hash(
            FEATURE_CODE, bundled_weights().sha256, str(self.representation), crystals.hash
        )
        self._folder = folder / f"{self.representation}-{self.key}"

    def compute(
        self,
        levels: Sequence[int],
        on_shard: Callable[[int, int], None] | None = None,
    ) -> int:
        """Compute what is not on disk yet, several levels in one pass.

        Parameters
        ----------
        levels : sequence of int
            0 to 3.
        on_shard : callable, optional
            Told after each shard: crystals done so far in all, and those computed just now.

        Returns
        -------
        int
            Crystals that were computed now.

        Raises
        ------
        SieError
            When the folder cannot be written.
        """
        computed = 0
        for first, last in self.ranges:
            missing = [level for level in levels if self._read(first, last, level) is None]
            if missing:
                found, failed = compute_shard(
                    self.crystals, range(first, last), self.representation, missing
                )
                for level in missing:
                    self._write(first, last, level, found[level], failed)
                computed += last - first
            if on_shard is not None:
                on_shard(last, last - first if missing else 0)
        return computed

    def load(self, level: int) -> tuple[OrbitFeatures, Counter[str]]:
        """Return the features of a computed level, and how many crystals failed for what reason.

        Raises
        ------
        SieError
            When a file is missing or damaged.
        """
        parts, failed = [], Counter[str]()
        for first, last in self.ranges:
            found = self._read(first, last, level)
            if found is None:
                raise SieError(
                    f"features of crystals {first} to {last} are missing in {self._folder}; "
                    "run the same command again"
                )
            parts.append(found[0])
            failed.update(found[1])
        return joined(parts), failed

    def _path(self, first: int, last: int, level: int) -> Path:
        return self._folder / f"{level_label(level)}-{first:07d}-{last:07d}.npz"

    def _write(
        self, first: int, last: int, level: int, features: OrbitFeatures, failed: Counter[str]
    ) -> None:
        with replacing(self._path(first, last, level)) as temporary:
            np.savez(
                temporary,
                format=np.array(FORMAT),
                ids=np.array(features.ids),
                rows=features.rows,
                multiplicity=features.multiplicity,
                offsets=features.offsets,
                failed=np.array(json.dumps(failed)),
                digest=np.array(features.hash),
            )

    def _read(self, first: int, last: int, level: int) -> tuple[OrbitFeatures, Counter[str]] | None:
        """Read a shard; None when there is none, or when it is damaged (which is logged)."""
        path = self._path(first, last, level)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                if int(stored["format"]) != FORMAT:
                    raise ValueError("another format")
                ids = tuple(stored["ids"].tolist())
                arrays = (stored[name] for name in ("rows", "multiplicity", "offsets"))
                features = OrbitFeatures(ids, *arrays)
                failed = Counter(json.loads(str(stored["failed"])))
                if str(stored["digest"]) != features.hash:
                    raise ValueError("content does not match its checksum")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            logger.warning("%s is damaged (%s); it is computed again", path, error)
            return None
        return features, failed


def compute_shard(
    crystals: CrystalTable,
    positions: range,
    representation: Representation,
    levels: Sequence[int],
) -> tuple[Levels, Counter[str]]:
    """Compute the features of some crystals of a table.

    Returns
    -------
    dict of OrbitFeatures
        By level, of the crystals that could be computed.
    Counter
        How many could not, by reason.

    Raises
    ------
    InputError
        When none could.
    """
    failed: Counter[str] = Counter()
    parts: list[Levels] = []
    for first in range(positions.start, positions.stop, GROUP):
        shown: dict[str, Structure] = {}
        for i in range(first, min(first + GROUP, positions.stop)):
            try:
                shown[crystals.ids[i]] = show(crystals.structure(i), representation)
            except _FAILURES as error:
                failed[reason_of(error, crystals.ids[i])] += 1
        parts += _levels(shown, levels, failed)
    if not parts:
        reason = failed.most_common(1)[0][0]
        raise InputError(
            f"none of {len(positions)} crystals has features as {representation}; "
            f"most often: {reason}"
        )
    return {level: joined([part[level] for part in parts]) for level in levels}, failed


def show(structure: Structure, representation: Representation) -> Structure:
    """Represent an ordered crystal, with guessed oxidation states where they are needed."""
    needs = representation.rule.needs_charges
    return represent(charged(structure) if needs else structure, representation)


def charged(structure: Structure) -> Structure:
    """Return an ordered crystal with oxidation states guessed from its composition.

    As `sie.structures.oxidation.prepare` does it, but once for each reduced composition.
    """
    from pymatgen.core import Composition, Species, Structure

    symbols = [site.specie.symbol for site in structure]
    amounts = Counter(symbols)
    unit = math.gcd(*amounts.values())
    states = _states(tuple(sorted((symbol, n // unit) for symbol, n in amounts.items())))
    contents = {s: Composition({Species(s, state): 1}) for s, state in states}
    return Structure(structure.lattice, [contents[s] for s in symbols], structure.frac_coords)


def reason_of(error: Exception, entry: str) -> str:
    """Return what is wrong with a crystal without saying with which, so that it can be counted."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return _FORMULA.sub("", text.removeprefix(f"structure {entry}: ")).split(";")[0][:80]


def joined(parts: Sequence[OrbitFeatures]) -> OrbitFeatures:
    """Return the features of several sets of crystals as of one."""
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    return OrbitFeatures(
        tuple(entry for part in parts for entry in part.ids),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.multiplicity for part in parts]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


@lru_cache(maxsize=200_000)
def _states(amounts: tuple[tuple[str, int], ...]) -> tuple[tuple[str, float], ...]:
    """Guess oxidation states once for each reduced composition."""
    return tuple(guess_states(dict(amounts))[0].items())


def _levels(
    shown: dict[str, Structure], levels: Sequence[int], failed: Counter[str]
) -> list[Levels]:
    """Compute a group at once; where one of it fails, each on its own."""
    try:
        return [levels_of_represented(shown, levels)] if shown else []
    except _FAILURES as error:
        if len(shown) == 1:
            failed[reason_of(error, next(iter(shown)))] += 1
            return []
    return [
        part
        for entry, crystal in shown.items()
        for part in _levels({entry: crystal}, levels, failed)
    ]
