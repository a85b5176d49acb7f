"""Ray Tune's samplers behind one call: HyperOpt's TPE, random draws, Optuna's TPE.

What they are told of a trial, and when, is the business of `sie.search.suggest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher
from ray.tune.search.hyperopt import HyperOptSearch

from sie.search.choices import Sampler
from sie.search.space import SearchSpace

Points = Sequence[dict[str, Any]]


def make_sampler(
    sampler: Sampler, space: SearchSpace, metric: str, startup: int, seed: int, points: Points
) -> Searcher:
    """Return a searcher that suggests the points in their order, and then what it draws itself.

    Parameters
    ----------
    sampler : Sampler
        Which one.
    space : SearchSpace
        Where it draws.
    metric : str
        What it is told of a trial, to be as high as possible.
    startup : int
        Random configurations before it begins to learn.
    seed : int
        Of its draws.
    points : sequence of dict
        A value for every parameter of the space.
    """
    made: Searcher = sampler.maker(space, metric, startup, seed, points)
    return made


def hyperopt(
    space: SearchSpace, metric: str, startup: int | float, seed: int, points: Points
) -> Searcher:
    """Return HyperOpt's TPE."""
    return HyperOptSearch(
        space=HyperOptSearch.convert_search_space(space.to_tune()),
        metric=metric,
        mode="max",
        points_to_evaluate=list(points) or None,
        n_initial_points=startup,
        random_state_seed=seed,
    )


def at_random(space: SearchSpace, metric: str, startup: int, seed: int, points: Points) -> Searcher:
    """Return what draws by chance from beginning to end."""
    # TPE's random start without an end: the same first draws, so that the two compare in pairs
    return hyperopt(space, metric, float("inf"), seed, points)


def optuna_tpe(
    space: SearchSpace, metric: str, startup: int, seed: int, points: Points
) -> Searcher:
    """Return Optuna's TPE."""
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return OptunaSearch(
        space=OptunaSearch.convert_search_space(space.to_tune()),
        metric=metric,
        mode="max",
        points_to_evaluate=list(points),
        sampler=optuna.samplers.TPESampler(n_startup_trials=startup, seed=seed % 2**32),
    )
