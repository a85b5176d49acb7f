"""Configurations that a search tries first: from a YAML file, or the best of an earlier search.

They are checked against the space here; who hands them out is `sie.search.suggest`.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from sie.bounded_yaml import load_bounded
from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.reading import TooLarge, lines_of, read_bytes
from sie.search.parent import PARENT_PHASE
from sie.search.record import Phase
from sie.search.space import MAX_BYTES, Parameter, SearchSpace
from sie.tracking.queries import StoredRun, children, get_run
from sie.tracking.store import Store, tracking_errors

log = logging.getLogger(__name__)

FORMAT = 1
RUNS = "runs:/"
BEST = 5
"""Configurations that are taken from an earlier search."""


def read_points(path: Path, space: SearchSpace) -> tuple[TrialConfig, ...]:
    """Read named points; what one does not name keeps its default where the space holds that.

    Otherwise it takes the first of the choices, or the middle of the range.

    Raises
    ------
    InputError
        Naming file, line and key, and what the space allows there.
    """
    try:
        content, lines = load_bounded(lines_of(read_bytes(path, MAX_BYTES)))
    except (OSError, TooLarge, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--points {path}: cannot read it ({reason})") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(f"{where}: not valid YAML: {' '.join(problem.split())}") from error
    return parse_points(content, space, str(path), lines)


def parse_points(
    content: Any,
    space: SearchSpace,
    source: str = "points",
    lines: Mapping[tuple[str, ...], int] | None = None,
) -> tuple[TrialConfig, ...]:
    """Check points given as plain values, in the form of the file."""

    def fail(where: tuple[str, ...], message: str) -> InputError:
        line = (lines or {}).get(where)
        place = f"{source}:{line}" if line else source
        return InputError(f"{place}: {', '.join((*(key[:80] for key in where), message))}")

    if not isinstance(content, Mapping) or not set(content) <= {"format", "points"}:
        raise fail((), "must hold the keys format and points, and no others")
    if content.get("format", FORMAT) != FORMAT:
        raise fail(("format",), f"must be {FORMAT}")
    named = content.get("points")
    if not isinstance(named, Mapping) or not named:
        raise fail(("points",), "must hold at least one point, as in `mine: {max_lr: 3.0e-3}`")
    found = [_point(str(name), values, space, fail) for name, values in named.items()]
    return tuple(dict.fromkeys(found))


def _point(
    name: str,
    given: Any,
    space: SearchSpace,
    fail: Callable[[tuple[str, ...], str], InputError],
) -> TrialConfig:
    where = ("points", name)
    if not isinstance(given, Mapping):
        raise fail(where, "must hold hyperparameters and their values")
    known = {parameter.name: parameter for parameter in space.parameters}
    values = {}
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            allowed = ", ".join(known)
            raise fail((*where, str(key)), f"not in space {space.name}{hint} ({allowed})")
        values[key] = _plain(known[key], value)
        if not holds(known[key], values[key]):
            message = f"must be of {known[key].describe()}, got {str(value)[:80]}"
            raise fail((*where, str(key)), message)
    try:
        return space.config({p.name: _completed(p, values) for p in space.parameters})
    except InputError as error:
        raise fail(where, str(error)) from error


def best_of_search(
    store: Store, run_id: str, space: SearchSpace, n: int = BEST
) -> tuple[TrialConfig, ...]:
    """Return the n best configurations of a recorded search that lie inside the space.

    Repeats count before single trials where there are any: by the mean of their
    `best_val_auc_pr`, then by that of the searched trials.

    Raises
    ------
    InputError
        When there is no such run, it has no ranked trial, or none lies inside the space.
    """
    if get_run(store, run_id).tags.get("phase") != PARENT_PHASE:
        raise InputError(f"--points {RUNS}{run_id}: not the parent run of a search; copy its id")
    with tracking_errors(store.uri):
        experiment = str(store.client().get_run(run_id).info.experiment_id)
    ranked = _ranked(children(store, experiment, run_id))
    if not ranked:
        raise InputError(f"--points {RUNS}{run_id}: no trial of this search was ranked")
    inside = [config for config in ranked if is_inside(config, space)]
    if not inside:
        raise InputError(
            f"--points {RUNS}{run_id}: none of its {len(ranked)} configurations lies in space "
            f"{space.name}; give the --search-space that they were drawn from"
        )
    if outside := len(ranked) - len(inside):
        log.info("%d configurations of %s lie outside the space", outside, run_id)
    return tuple(inside[:n])


def holds(parameter: Parameter, value: Any) -> bool:
    """Return whether a range holds a value; true and false are no numbers."""
    if parameter.kind in ("choice", "value"):
        return any(
            value == own and isinstance(value, bool) == isinstance(own, bool)
            for own in parameter.values
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = parameter.values
    return bool(low <= value <= high)


def is_inside(config: TrialConfig, space: SearchSpace) -> bool:
    """Return whether a sampler of the space could have drawn the configuration."""
    point = space.point(config)
    return all(holds(p, point[p.name]) for p in space.parameters) and space.config(point) == config


def _plain(parameter: Parameter, value: Any) -> Any:
    """Return a number that YAML took for a text, such as 1e-3, as one."""
    if isinstance(value, str) and not any(isinstance(own, str) for own in parameter.values):
        with suppress(ValueError):
            return float(value)
    return value


def _completed(parameter: Parameter, values: Mapping[str, Any]) -> Any:
    if parameter.name in values:
        return values[parameter.name]
    default = getattr(TrialConfig(), parameter.name)
    return default if holds(parameter, default) else parameter.stand_in()


def _ranked(runs: list[StoredRun]) -> list[TrialConfig]:
    """Return configurations, best first: repeated ones before those tried once."""
    values: dict[TrialConfig, dict[str, list[float]]] = {}
    for run in runs:
        phase, value = run.tags.get("phase", ""), run.metrics.get("best_val_auc_pr")
        if phase in (Phase.SEARCH, Phase.REPEAT) and run.has_window and value is not None:
            values.setdefault(run.config, {}).setdefault(phase, []).append(value)

    def rank(config: TrialConfig) -> tuple[bool, float]:
        own = values[config]
        judged = own.get(Phase.REPEAT) or own[Phase.SEARCH]
        return Phase.REPEAT not in own, -sum(judged) / len(judged)

    return sorted(values, key=rank)
