"""From winners to a recipe: which networks an ensemble has, with which seeds, for how many epochs.

Decides and computes nothing else; who the winners are is found by `sie.ensemble.winners`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sie.ensemble.calibrated import METHODS
from sie.ensemble.record import CalibrationPart, ForestPart, Member, Recipe
from sie.ensemble.winners import ClusterSearch
from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.search.problem import LearningProblem
from sie.search.seeds import derive_seed
from sie.search.verdicts import average_best_epoch


def make_recipe(
    problem: LearningProblem,
    searches: Sequence[ClusterSearch],
    n_seeds: int,
    top: int = 1,
    master_seed: int = 42,
    epochs: int | None = None,
) -> Recipe:
    """Return which networks are trained and for how long.

    Every configuration meets the same seeds. One that several searches have chosen goes on with
    further seeds, because the same seeds would make the same networks twice.

    Parameters
    ----------
    problem : LearningProblem
        What they are trained on.
    searches : sequence of ClusterSearch
        By rising cluster.
    n_seeds, top : int
        Networks of each configuration, and configurations of each search, from the best.
    master_seed : int
        All seeds follow from it.
    epochs : int, optional
        By default the winners' average best epoch, rounded.
    """
    met: Counter[TrialConfig] = Counter()
    members = []
    for search in searches:
        for rank, item in enumerate(search.judged[:top]):
            first = met[item.config] * n_seeds
            met[item.config] += 1
            members += [
                Member(search.cluster, rank, item.config, derive_seed(master_seed, "ensemble", i))
                for i in range(first, first + n_seeds)
            ]
    run = searches[0].run
    representation, level = problem.names
    best = average_best_epoch([search.winner for search in searches])
    return Recipe(
        dataset=problem.dataset,
        representation=representation,
        level=level,
        dataset_hash=problem.dataset_hash,
        features_hash=problem.features_hash,
        hold_out_hash=problem.hold_out_hash,
        clustering_hash=problem.clustering.hash,
        search_code_hash=run.tags["code_hash"],
        searches={search.cluster: search.run.run_id for search in searches},
        epochs=max(int(best + 0.5), 1) if epochs is None else epochs,
        members=tuple(members),
        pretrained=run.params.get("pretrained", ""),
    )


def mixed(recipe: Recipe, weight: float, master_seed: int = 42) -> Recipe:
    """Return the recipe with a forest on element fractions beside its networks.

    Parameters
    ----------
    recipe : Recipe
        Networks alone.
    weight : float
        What the forest counts; 0 for none.
    master_seed : int
        The forest's seed follows from it.

    Raises
    ------
    InputError
        When a forest cannot count that much.
    """
    if not 0 <= weight < 1:
        raise InputError(f"--mix-forest {weight:g} must be 0 (no forest) or more, and below 1")
    if not weight:
        return recipe
    return replace(recipe, forest=ForestPart(weight, derive_seed(master_seed, "forest")))


def calibrated(recipe: Recipe, method: str | None, seeds: int) -> Recipe:
    """Return the recipe with a calibration on left-out clusters.

    Parameters
    ----------
    recipe : Recipe
        Of networks and, if wanted, a forest.
    method : str or None
        Of `sie.ensemble.calibrated.METHODS`; None for no calibration.
    seeds : int
        Networks of each configuration that are trained without each cluster.

    Raises
    ------
    InputError
        When there is no such method, or a configuration has fewer networks.
    """
    if method is None:
        return recipe
    if method not in METHODS:
        raise InputError(f"--calibrate {method}: give one of {', '.join(METHODS)}")
    fewest = min(Counter((m.cluster, m.rank) for m in recipe.members).values())
    if not 1 <= seeds <= fewest:
        raise InputError(
            f"--calibration-seeds {seeds}: from 1 to the {fewest} networks of each configuration"
        )
    return replace(recipe, calibration=CalibrationPart(method, seeds))
