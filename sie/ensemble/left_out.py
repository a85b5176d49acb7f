"""What an ensemble's recipe says of clusters that it is not trained on, for its calibration.

Trainings on Ray, each without one cluster, kept as they end; what is fitted on their predictions
is in `sie.ensemble.calibrated`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.ensemble.building import Material, Started, estimate_seconds, forest_of
from sie.ensemble.calibrated import LeftOutPredictions
from sie.ensemble.record import KnownCompounds, Member, Recipe
from sie.errors import SieError
from sie.features.views import seen_through
from sie.files import write_text
from sie.splits.record import Clustering

if TYPE_CHECKING:
    from sie.training.program import ProgramCache

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeftOutJob:
    """One network of the recipe, to be trained without a cluster.

    Attributes
    ----------
    cluster : int
        What it does not see.
    number : int
        Place of the network in the recipe.
    member : Member
        Its configuration and seed.
    train, left_out : tuple of str
        Ids of the other clusters, and of this one.
    """

    cluster: int
    number: int
    member: Member
    train: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def name(self) -> str:
        """Which training, for messages."""
        return f"the training of network {self.number + 1} without cluster {self.cluster}"


@dataclass(frozen=True)
class LeftOutAnswer:
    """What a network says of the cluster: shape (n_left_out,), or None and how it diverged."""

    probabilities: np.ndarray | None
    diverged: str = ""


def calibration_members(recipe: Recipe) -> dict[int, Member]:
    """Return the networks that are trained without clusters, by their places in the recipe.

    The first few of each configuration of each search, as many as the recipe's calibration says:
    what they count together is what the configurations count in the ensemble.
    """
    plan = recipe.calibration
    if plan is None:
        return {}
    found: dict[int, Member] = {}
    met: dict[tuple[int, int], int] = {}
    for number, member in enumerate(recipe.members):
        place = member.cluster, member.rank
        met[place] = met.get(place, 0) + 1
        if met[place] <= plan.seeds:
            found[number] = member
    return found


def left_out_jobs(
    recipe: Recipe, clustering: Clustering, labels: Mapping[str, int]
) -> list[LeftOutJob]:
    """Return every training that calibrates a recipe, cluster by cluster.

    Clusters of one class are left out too: what the ensemble says of them counts like the rest. A
    cluster without which one class is left to learn from stays in.
    """
    jobs = []
    members = sorted(zip(clustering.ids, map(int, clustering.labels), strict=True))
    for cluster in clustering.numbers:
        train = tuple(entry for entry, number in members if number != cluster)
        if len({labels[entry] for entry in train}) < 2:
            continue
        left_out = tuple(entry for entry, number in members if number == cluster)
        jobs += [
            LeftOutJob(cluster, number, member, train, left_out)
            for number, member in calibration_members(recipe).items()
        ]
    return jobs


def left_out_seconds(
    recipe: Recipe,
    jobs: Sequence[LeftOutJob],
    material: Material,
    workers: int,
    flops_per_second: float,
) -> float:
    """Return the wall time of the jobs, good to about a factor of two; see `estimate_seconds`."""
    members = tuple(job.member for job in jobs)
    whole = estimate_seconds(replace(recipe, members=members), material, workers, flops_per_second)
    return whole * sum(len(job.train) for job in jobs) / (len(jobs) * len(material.features))


class KeptAnswers:
    """Answers in the folder that keeps a recipe's members, one file each.

    Parameters
    ----------
    folder : Path
        Of `KeptMembers`, which names recipe and sources; it goes with the members.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, job: LeftOutJob, answer: LeftOutAnswer) -> None:
        """Keep the answer to a job.

        Raises
        ------
        SieError
            When the folder cannot be written.
        """
        given = None if answer.probabilities is None else answer.probabilities.tolist()
        plain = {"ids": job.left_out, "probabilities": given, "diverged": answer.diverged}
        write_text(self._path(job), json.dumps(plain, allow_nan=False) + "\n")

    def read(self, jobs: Sequence[LeftOutJob]) -> dict[int, LeftOutAnswer]:
        """Return the answers there are, by the places of their jobs; a damaged one is left out."""
        found = {}
        for place, job in enumerate(jobs):
            path = self._path(job)
            if not path.is_file():
                continue
            try:
                found[place] = _answer(json.loads(path.read_text(encoding="utf-8")), job)
            except (KeyError, TypeError, ValueError):
                log.warning("%s is damaged; its network is trained again", path)
        return found

    def _path(self, job: LeftOutJob) -> Path:
        return self._folder / f"without-{job.cluster}-{job.number:04d}.json"


def predict_left_out(
    recipe: Recipe,
    material: Material,
    clustering: Clustering,
    known: KnownCompounds,
    kept: KeptAnswers,
    workers: int,
    started: Started,
) -> LeftOutPredictions:
    """Predict every cluster by the recipe trained on the others; Ray must be running for it.

    Parameters
    ----------
    recipe : Recipe
        With a calibration.
    material : Material
        What members are trained on.
    clustering : Clustering
        Of the same entries.
    known : KnownCompounds
        What the forest grows from.
    kept : KeptAnswers
        Answers of an earlier start, and where new ones go.
    workers : int
        Trainings at once.
    started : callable
        Called with the number of trainings that are done, to do, and to do; returns what is told of
        every further one.

    Raises
    ------
    SieError
        When a training failed, the others are kept; or all of a cluster diverged.
    """
    jobs = left_out_jobs(recipe, clustering, material.labels)
    if not jobs:
        raise SieError("no cluster can be left out: build without --calibrate, or give --clusters")
    answers = kept.read(jobs)
    rest = {place: job for place, job in enumerate(jobs) if place not in answers}
    advance = started(len(answers), len(rest), len(rest))
    places = {job.name: place for place, job in rest.items()}
    failures: list[str] = []

    def on_end(job: LeftOutJob, answer: LeftOutAnswer | None, reason: str) -> None:
        if answer is None:
            failures.append(f"{job.name}: {reason}")
            return
        kept.save(job, answer)
        answers[places[job.name]] = answer
        advance(f"without cluster {job.cluster}")

    if rest:
        _run(list(rest.values()), material, recipe.epochs, workers, on_end)
    if failures:
        raise SieError(
            f"{len(failures)} of {len(rest)} trainings failed, first {failures[0]}; mend the "
            "cause, then the same command goes on from what is kept"
        )
    return _gathered(recipe, jobs, answers, known, material.labels)


class LeftOutTrainer:
    """A worker: trains one network after another on one thread; programs are used again."""

    def __init__(self) -> None:
        self._programs: ProgramCache | None = None

    def train(self, material: Material, job: LeftOutJob, epochs: int) -> LeftOutAnswer:
        """Train a network without the job's cluster and ask it about the cluster."""
        from sie.training.memory import return_freed_memory
        from sie.training.program import ProgramCache
        from sie.training.threads import limit_threads
        from sie.training.trainer import Trainer

        if self._programs is None:
            limit_threads(1)
            self._programs = ProgramCache()
        return_freed_memory()
        config = job.member.config
        features = seen_through(material.features, material.seen_as, config.view)
        trainer = Trainer(features, material.labels, job.train, job.left_out, self._programs)
        trainer.start(config, job.member.seed, epochs, material.starts.of(config))
        trainer.run_epochs(epochs)
        if trainer.diverged:
            return LeftOutAnswer(None, trainer.diverged)
        return LeftOutAnswer(trainer.validation_probabilities())


def _run(
    jobs: Sequence[LeftOutJob], material: Material, epochs: int, workers: int, on_end: Any
) -> None:
    import ray

    from sie.search.actors import run_on_actors

    shared = ray.put(material)
    make = ray.remote(num_cpus=1)(LeftOutTrainer).remote
    run_on_actors(
        jobs,
        workers,
        make,
        lambda actor, job: actor.train.remote(shared, job, epochs),
        on_end,
    )


def _answer(plain: Mapping[str, Any], job: LeftOutJob) -> LeftOutAnswer:
    if tuple(plain["ids"]) != job.left_out:
        raise ValueError("of other entries")
    if plain["probabilities"] is None:
        return LeftOutAnswer(None, str(plain["diverged"]))
    given = np.array(plain["probabilities"], dtype=float)
    if given.shape != (len(job.left_out),) or not np.isfinite(given).all():
        raise ValueError("not one number for each entry")
    return LeftOutAnswer(given)


def _gathered(
    recipe: Recipe,
    jobs: Sequence[LeftOutJob],
    answers: Mapping[int, LeftOutAnswer],
    known: KnownCompounds,
    labels: Mapping[str, int],
) -> LeftOutPredictions:
    """Put the clusters one after the other, networks averaged and the forest mixed in."""
    by_cluster = {job.cluster: job for job in jobs}
    networks, forests = [], []
    for cluster, job in by_cluster.items():
        of_cluster = [answers[i].probabilities for i, j in enumerate(jobs) if j.cluster == cluster]
        sound = [given for given in of_cluster if given is not None]
        if not sound:
            raise SieError(
                f"all networks trained without cluster {cluster} diverged; search with smaller "
                "learning rates, or build without --calibrate"
            )
        networks.append(np.mean(sound, axis=0))
        if (forest := forest_of(recipe, known, job.train)) is not None:
            rows = [known.ids.index(entry) for entry in job.left_out]
            forests.append(forest.probabilities(known.fractions[rows]))
    ids = tuple(entry for job in by_cluster.values() for entry in job.left_out)
    mean = np.concatenate(networks)
    forest_p = np.concatenate(forests) if forests else None
    return LeftOutPredictions(
        ids=ids,
        clusters=np.repeat(list(by_cluster), [len(job.left_out) for job in by_cluster.values()]),
        labels=np.array([labels[entry] for entry in ids], dtype=np.int64),
        networks=mean,
        forest=forest_p,
        raw=recipe.mixed_p_si(mean, forest_p),
    )
