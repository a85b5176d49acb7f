"""In what a recorded search differs from the one that is asked for, in words for the user.

Decides nothing: `sie.search.parent` goes on with a search that does not differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sie.errors import InputError, TrackingError
from sie.search.plan import ONLY_IF_CHOSEN, SearchPlan
from sie.search.space import SearchSpace, parse_space
from sie.tracking.queries import StoredRun, read_text
from sie.tracking.recorder import PARAM_CHARS
from sie.tracking.store import Store

SPACE_FILE = "space.json"
"""Artifact of the parent run that holds its space."""


def differences(run: StoredRun, plan: SearchPlan, marks: Mapping[str, Any]) -> dict[str, str]:
    """Return in what a recorded search differs from a plan: what it has, and what is wanted.

    Parameters
    ----------
    run : StoredRun
        Parent run of the recorded search.
    plan : SearchPlan
        What is asked for.
    marks : Mapping
        Tags of the parent that would be opened; `code_hash` among them.
    """
    wanted = {key: str(value)[:PARAM_CHARS] for key, value in flat(plan.as_dict()).items()}
    found = {
        key: f"{run.params.get(key, 'unknown')} -> {value}"
        for key, value in wanted.items()
        if run.params.get(key) != value
    }
    found |= {
        key: f"{run.params[key]} -> the default"
        for key in ONLY_IF_CHOSEN
        if key in run.params and key not in wanted
    }
    if run.tags.get("code_hash") != marks["code_hash"]:
        found["sie's code"] = f"{run.tags.get('code_hash')} -> {marks['code_hash']}"
    return found


def describe_first(
    store: Store, unfinished: Sequence[StoredRun], plan: SearchPlan, marks: Mapping[str, Any]
) -> str:
    """Return in what the first search that differs does; empty where none does."""
    for run in unfinished:
        if found := differences(run, plan, marks):
            if "space" in found:
                found["space"] += _in_parameters(store, run, plan.space)
            listed = ", ".join(f"{key} {change}" for key, change in found.items())
            return f"the unfinished search {run.run_id[:8]} differs in {listed}"
    return ""


def flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested plain values with dotted names, as MLflow's parameters."""
    found: dict[str, Any] = {}
    for key, value in plan.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": content for inner, content in value.items()}
        else:
            found[key] = value
    return found


def _in_parameters(store: Store, run: StoredRun, wanted: SearchSpace) -> str:
    """Return which parameters of the space differ, where the run tells: hashes say nothing."""
    try:
        old = _described(parse_space(json.loads(read_text(store, run.run_id, SPACE_FILE))))
    except (TrackingError, InputError, ValueError):
        return ""  # cut off before its space was written
    new = _described(wanted)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    listed = "; ".join(
        f"{name} {old.get(name, 'the default')} -> {new.get(name, 'the default')}" for name in names
    )
    return f" ({listed})" if listed else ""


def _described(space: SearchSpace) -> dict[str, str]:
    return {parameter.name: parameter.describe() for parameter in space.parameters}
