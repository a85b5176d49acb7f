"""Training the members of a recipe on Ray: those of one shape side by side in one program.

Which members there are is the recipe's business; how a program trains them that of
`sie.training.stacked`, which is imported in the workers only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sie.ensemble.calibrated import Calibration
from sie.ensemble.chunks import Chunk, make_chunks
from sie.ensemble.forest import Forest, grow_forest
from sie.ensemble.kept import KeptMembers, TrainedMember
from sie.ensemble.record import KnownCompounds, Recipe, TrainedEnsemble
from sie.errors import SieError
from sie.features.descriptors import Descriptors
from sie.features.record import OrbitFeatures
from sie.features.views import seen_through
from sie.models.pretrained import StartingWeights
from sie.search.estimate import Sizes, epoch_flops, step_seconds

if TYPE_CHECKING:
    from sie.training.stacked import StackedTrainer

Advance = Callable[[str], None]
"""Called with a line for every epoch of a chunk."""

Started = Callable[[int, int, int], Advance]
"""Called with the numbers of trainings done, trainings to do, and steps to be told of."""


@dataclass(frozen=True)
class Material:
    """What every member is trained on; travels once per node.

    Attributes
    ----------
    features : OrbitFeatures
        All development entries, which are all trained on.
    labels : Mapping[str, int]
        Their classes.
    starts : StartingWeights
        Pre-trained weights that members start from where their network has the shape.
    seen_as : str
        The view that the features are of.
    """

    features: OrbitFeatures
    labels: Mapping[str, int]
    starts: StartingWeights = field(default_factory=StartingWeights)
    seen_as: str = ""


def estimate_seconds(
    recipe: Recipe, material: Material, workers: int, flops_per_second: float
) -> float:
    """Return the wall time of training all members, good to about a factor of two.

    Parameters
    ----------
    recipe, material, workers
        What is trained, on what, how many chunks at once.
    flops_per_second : float
        Speed of a matrix product on one thread.
    """
    features = material.features
    n = len(features)
    sizes = Sizes(n, 0, len(features.rows) / n, features.dimension)
    seconds = sum(
        epoch_flops(config, sizes) / flops_per_second
        + math.ceil(n / config.batch_size) * step_seconds(config, features.dimension)
        for config in (member.config for member in recipe.members)
    )
    return recipe.epochs * seconds / max(workers, 1)


def train_members(
    recipe: Recipe,
    material: Material,
    kept: KeptMembers,
    workers: int,
    started: Started,
) -> dict[int, TrainedMember]:
    """Train the members that are not kept yet; Ray must be running where there are any.

    Every chunk that ends is kept at once, so that a second call after an interruption trains only
    what is missing.

    Parameters
    ----------
    recipe : Recipe
        Members and epochs.
    material : Material
        What they are trained on.
    kept : KeptMembers
        Members of an earlier start, and where new ones go.
    workers : int
        Chunks at once.
    started : callable
        Called with the number of members there are already, of those to train, and of epochs of
        chunks to come; returns what is told of every further one.

    Returns
    -------
    dict
        Every member by its place in the recipe.

    Raises
    ------
    SieError
        When a chunk could not be trained; the others are kept.
    """
    trained = kept.read()
    rest = {i: member for i, member in enumerate(recipe.members) if i not in trained}
    chunks = make_chunks(rest, workers)
    advance = started(len(trained), len(rest), len(chunks) * recipe.epochs)
    if not chunks:
        return trained
    counter = _Epochs(chunks, recipe.epochs, advance)
    failures: list[str] = []

    def on_end(chunk: Chunk, members: list[TrainedMember] | None, reason: str) -> None:
        if members is None:
            failures.append(f"{chunk.name}: {reason}")
            return
        for number, member in zip(chunk.numbers, members, strict=True):
            kept.save(number, member)
            trained[number] = member
        counter.ended(chunk)

    _run(chunks, material, recipe.epochs, workers, on_end, counter.look)
    if failures:
        raise SieError(
            f"{len(failures)} of {len(chunks)} trainings failed, first {failures[0]}; mend the "
            "cause, then the same command goes on from what is kept"
        )
    return trained


def assemble(
    recipe: Recipe,
    trained: Mapping[int, TrainedMember],
    known: KnownCompounds,
    about: Mapping[str, Any],
    calibration: Calibration | None = None,
) -> TrainedEnsemble:
    """Return the ensemble of all members that did not diverge, with its forest.

    The forest is grown here, in seconds, from what is known of the compounds.

    Raises
    ------
    SieError
        When all of them diverged.
    """
    sound = [i for i in sorted(trained) if trained[i].weights is not None]
    if not sound:
        first = trained[min(trained)].diverged if trained else "there are none"
        raise SieError(
            f"all {len(trained)} networks diverged ({first}); search with smaller learning rates"
        )
    left_out = tuple(
        f"cluster {member.cluster}, rank {member.rank + 1}, seed {member.seed}: "
        f"{trained[i].diverged}"
        for i, member in enumerate(recipe.members)
        if i not in sound
    )
    return TrainedEnsemble(
        recipe=recipe,
        members=tuple(recipe.members[i] for i in sound),
        weights=tuple(w for i in sound if (w := trained[i].weights) is not None),
        known=known,
        train_loss=tuple(float(trained[i].train_loss[-1]) for i in sound),
        left_out=left_out,
        about=about,
        forest=forest_of(recipe, known, known.ids),
        calibration=calibration,
    )


def forest_of(recipe: Recipe, known: KnownCompounds, ids: Sequence[str]) -> Forest | None:
    """Grow a recipe's forest from some of the known compounds; None where it has none."""
    if (part := recipe.forest) is None:
        return None
    fractions = Descriptors(known.ids, known.elements, known.fractions)
    labels = dict(zip(known.ids, map(int, known.labels), strict=True))
    return grow_forest(fractions, labels, ids, part.seed, part.n_trees)


class MemberTrainer:
    """A worker: trains one chunk after another on one thread, and says how far it is."""

    def __init__(self) -> None:
        self._trainers: dict[str, StackedTrainer] = {}
        self._at: tuple[tuple[int, ...], int] = (), 0

    def train(self, material: Material, chunk: Chunk, epochs: int) -> list[TrainedMember]:
        """Train a chunk; programs of the same shape are used again."""
        from sie.training.memory import return_freed_memory
        from sie.training.stacked import StackedTrainer
        from sie.training.threads import limit_threads

        self._at = chunk.numbers, 0
        configs = [member.config for member in chunk.members]
        view = configs[0].view
        if view not in self._trainers:
            limit_threads(1)
            features = seen_through(material.features, material.seen_as, view)
            # one view at a time: each holds the programs of its shapes
            self._trainers = {view: StackedTrainer(features, material.labels, features.ids)}
        return_freed_memory()
        start = material.starts.of(configs[0])
        trained = self._trainers[view].train(
            configs,
            [member.seed for member in chunk.members],
            epochs,
            None if start is None else [start] * len(configs),
            self._count,
        )
        return [TrainedMember(item.weights, item.train_loss, item.diverged) for item in trained]

    def at(self) -> tuple[tuple[int, ...], int]:
        """Return the present chunk's numbers and epochs so far; answered while it is trained."""
        return self._at

    def _count(self, epoch: int) -> None:
        self._at = self._at[0], epoch


class _Epochs:
    """Turns looks at workers into one call for every epoch that a chunk has done."""

    def __init__(self, chunks: Sequence[Chunk], epochs: int, advance: Advance) -> None:
        self._epochs, self._advance = epochs, advance
        self._seen = dict.fromkeys((chunk.numbers for chunk in chunks), 0)
        self._done = 0

    def look(self, running: Sequence[tuple[Any, Chunk]]) -> None:
        """Ask every worker how far it is."""
        import ray
        from ray.exceptions import RayError

        for actor, chunk in running:
            try:
                numbers, epoch = ray.get(actor.at.remote(), timeout=1)
            except RayError:  # lost, or still starting
                continue
            if numbers == chunk.numbers:  # else it has not begun with it yet
                self._to(chunk, min(epoch, self._epochs))

    def ended(self, chunk: Chunk) -> None:
        """Count the rest of a chunk."""
        self._done += len(chunk.numbers)
        self._to(chunk, self._epochs)

    def _to(self, chunk: Chunk, epoch: int) -> None:
        # a chunk that is trained again counts from where it was lost
        for _ in range(epoch - self._seen[chunk.numbers]):
            self._advance(f"{self._done} networks done")
        self._seen[chunk.numbers] = max(epoch, self._seen[chunk.numbers])


def _run(
    chunks: Sequence[Chunk],
    material: Material,
    epochs: int,
    workers: int,
    on_end: Callable[[Chunk, Any, str], None],
    watch: Callable[[Sequence[tuple[Any, Chunk]]], None],
) -> None:
    import ray

    from sie.search.actors import run_on_actors

    shared = ray.put(material)
    # the second thread answers how far the first one is
    make = ray.remote(num_cpus=1, max_concurrency=2)(MemberTrainer).remote
    run_on_actors(
        chunks,
        workers,
        make,
        lambda actor, chunk: actor.train.remote(shared, chunk, epochs),
        on_end,
        watch,
    )
