"""Ordering of many crystals: limits per crystal, failures counted, nothing done twice.

Only the batch and its report; processes live in `ordering_workers`, files in `ordering_cache`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sie.errors import InputError
from sie.files import cache_dir as default_cache_dir
from sie.structures.ordering import OrderedResult, OrderingLimits, Outcome
from sie.structures.ordering_cache import load_result, ordering_key, save_result
from sie.structures.ordering_workers import order_each

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str, OrderedResult], None]
"""Called with the number of crystals done, their total, an id and its result."""


@dataclass(frozen=True)
class OrderingReport:
    """What became of every crystal of a batch.

    Attributes
    ----------
    results : Mapping[str, OrderedResult]
        By id, in the order the crystals were given.
    seconds : float
        Wall time of this call.
    computed : int
        Crystals worked on in this call; the others were found on disk.
    """

    results: Mapping[str, OrderedResult]
    seconds: float
    computed: int

    @property
    def structures(self) -> dict[str, Structure]:
        """Ordered crystals by id, those that were ordered already included."""
        return {
            entry: result.structure
            for entry, result in self.results.items()
            if result.structure is not None
        }

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many crystals ended in which way, the most frequent first."""
        return dict(Counter(result.outcome for result in self.results.values()).most_common())

    @property
    def failures(self) -> dict[str, str]:
        """Why there is no ordered crystal, by id."""
        return {
            entry: f"{result.outcome}: {result.detail}" if result.detail else str(result.outcome)
            for entry, result in self.results.items()
            if result.structure is None
        }


def order_all(
    structures: Mapping[str, Structure],
    limits: OrderingLimits,
    processes: int = 1,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
) -> OrderingReport:
    """Order crystals, each within limits of time, memory and size; see `order_structure`.

    Every result is written to disk when it comes, so that an interrupted call loses only what it
    was working on, and a repeated call works on nothing. Equal crystals are ordered once.

    Parameters
    ----------
    structures : Mapping[str, Structure]
        By id, with oxidation states (`sie.structures.oxidation.prepare`).
    limits : OrderingLimits
        Of each crystal.
    processes : int
        Crystals worked on at once, each in a process of its own.
    progress : callable, optional
        Called for every crystal that is done, also for those found on disk.
    cache_dir : Path, optional
        Folder of the files; by default `ordering` below `sie.files.cache_dir()`.

    Raises
    ------
    InputError
        When `processes` is below 1.
    SieError
        When no process can be started.
    """
    if processes < 1:
        raise InputError(f"processes is {processes}; give 1 or more")
    began = time.monotonic()
    folder = default_cache_dir() / "ordering" if cache_dir is None else cache_dir
    entries: dict[str, list[str]] = {}
    for entry, structure in structures.items():
        entries.setdefault(ordering_key(structure, limits), []).append(entry)
    results: dict[str, OrderedResult] = {}

    def note(key: str, result: OrderedResult) -> None:
        for entry in entries[key]:
            results[entry] = result
            if progress is not None:
                progress(len(results), len(structures), entry, result)

    waiting = {}
    for key, names in entries.items():
        if (found := load_result(folder, key)) is not None:
            note(key, found)
        else:
            waiting[key] = structures[names[0]]
    with closing(order_each(waiting, limits, processes)) as ended:
        for key, result in ended:
            save_result(folder, key, result)
            note(key, result)
    computed = sum(len(entries[key]) for key in waiting)
    report = OrderingReport(
        {entry: results[entry] for entry in structures}, time.monotonic() - began, computed
    )
    logger.info("ordering: %s", ", ".join(f"{n} {what}" for what, n in report.counts.items()))
    return report
