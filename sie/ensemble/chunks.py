"""Which members of an ensemble are trained together: those of one shape, in pieces for all workers.

Only the division; the training is in `sie.ensemble.building`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sie.ensemble.record import Member
from sie.models.config import TrialConfig
from sie.search.estimate import Sizes, epoch_flops

LARGEST_CHUNK = 10
"""Members that are trained in one program at most; what is lost with a worker is one chunk."""


@dataclass(frozen=True)
class Chunk:
    """Members of one shape and batch size that are trained together.

    Attributes
    ----------
    numbers : tuple of int
        Their places in the recipe.
    members : tuple of Member
        The members.
    """

    numbers: tuple[int, ...]
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Which networks, for messages."""
        return f"the training of {len(self.numbers)} networks from number {self.numbers[0] + 1}"


def make_chunks(
    members: Mapping[int, Member], workers: int, largest: int = LARGEST_CHUNK
) -> list[Chunk]:
    """Return the members in chunks that can share a program, the most costly first.

    Chunks are as large as leaves work for all workers until the end.

    Parameters
    ----------
    members : Mapping[int, Member]
        By their places in the recipe.
    workers : int
        Chunks at once.
    largest : int
        Members of a chunk at most.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, member in members.items():
        groups.setdefault(_program(member.config), []).append(number)
    total = len(members)
    pieces = min(workers * math.ceil(total / (workers * largest)), total)
    chunks = []
    for numbers in groups.values():
        n = math.ceil(pieces * len(numbers) / total)
        bounds = [round(i * len(numbers) / n) for i in range(n + 1)]
        for first, last in itertools.pairwise(bounds):
            own = tuple(numbers[first:last])
            chunks.append(Chunk(own, tuple(members[number] for number in own)))
    return sorted(chunks, key=lambda chunk: -_weight(chunk))


def _program(config: TrialConfig) -> tuple[Any, ...]:
    """Return what members must share to be trained side by side."""
    rates = config.optimiser, config.schedule, config.decay_epochs
    return *config.shape, config.batch_size, *rates, config.pretrained


def _weight(chunk: Chunk) -> float:
    """Return the cost of a chunk beside others; all are trained on the same data."""
    config = chunk.members[0].config
    sizes = Sizes(n_train=100, n_validation=0, rows_per_structure=7, dimension=32)
    return len(chunk.members) * epoch_flops(config, sizes)
