"""Search spaces: YAML in, validated ranges out, ready for Ray Tune.

What may be searched is `TrialConfig`; what a range may look like lives here.
"""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sie.bounded_yaml import load_bounded
from sie.errors import InputError
from sie.hashing import content_hash
from sie.models.config import TrialConfig, shown
from sie.reading import TooLarge, lines_of, read_bytes

FORMAT = 1
MAX_BYTES = 100_000
"""YAML is read at some 100 kB a second; a space has one or two."""

KINDS = {
    "choice": "a list of values",
    "uniform": "[low, high]",
    "loguniform": "[low, high] with low > 0",
    "value": "one value",
}


WHEN = "when"

Value = float | int | str | bool


@dataclass(frozen=True)
class Parameter:
    """One searched hyperparameter: its kind and its values or bounds.

    Attributes
    ----------
    when : tuple of (str, tuple)
        Other parameters of the space and the values that they must have; where one has another,
        this one keeps its default.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    def sample(self, rng: np.random.Generator) -> Value:
        """Draw one value, for estimates and previews (the search draws with TPE)."""
        if self.kind in ("choice", "value"):
            value: Value = self.values[int(rng.integers(len(self.values)))]
            return value
        low, high = self.values
        if self.kind == "uniform":
            return float(rng.uniform(low, high))
        return float(math.exp(rng.uniform(math.log(low), math.log(high))))

    def describe(self) -> str:
        """Return the range in a few words."""
        text = _listed(self.values)
        text = f"{{{text}}}" if self.kind == "choice" else f"{self.kind} [{text}]"
        only = "; ".join(f"{name} {_listed(values)}" for name, values in self.when)
        return f"{text} with {only}" if only else text

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Return whether the values of the other parameters meet all conditions."""
        return all(values[name] in allowed for name, allowed in self.when)

    def stand_in(self) -> Value:
        """Return a value of the range, for a sampler that wants one where none is used."""
        if self.kind in ("choice", "value"):
            value: Value = self.values[0]
            return value
        low, high = self.values
        return float(math.sqrt(low * high) if self.kind == "loguniform" else (low + high) / 2)


@dataclass(frozen=True)
class SearchSpace:
    """Named ranges of hyperparameters; what is not named keeps `TrialConfig`'s default."""

    name: str
    parameters: tuple[Parameter, ...]

    @cached_property
    def hash(self) -> str:
        """Content hash over names, kinds and values; the file's name and comments do not enter."""
        plain = sorted((p.name, p.kind, p.values) for p in self.parameters)
        conditions = sorted((p.name, sorted(p.when)) for p in self.parameters if p.when)
        return content_hash("space-1", plain, *([conditions] if conditions else []))

    @property
    def views(self) -> tuple[str, ...]:
        """Views that configurations choose among; empty where all see everything."""
        return next((p.values for p in self.parameters if p.name == "view"), ())

    @property
    def draws_starts(self) -> bool:
        """Whether some configurations start from pre-trained weights and others need not."""
        return any(p.name == "pretrained" and True in p.values for p in self.parameters)

    @property
    def size(self) -> float:
        """Number of combinations of values; infinite with a continuous range.

        With conditions several combinations are one configuration.
        """
        if any(p.kind in ("uniform", "loguniform") for p in self.parameters):
            return math.inf
        return math.prod(len(set(p.values)) for p in self.parameters)

    def sample(self, rng: np.random.Generator) -> TrialConfig:
        """Draw one configuration uniformly from the ranges."""
        return self.config({p.name: p.sample(rng) for p in self.parameters})

    def config(self, values: Mapping[str, Any]) -> TrialConfig:
        """Return the configuration of a sampled point: a value for every parameter.

        Samplers draw all parameters side by side. What does not apply to a point, by `when` or by
        `TrialConfig.uses`, is ignored here and enters neither the configuration nor its hash.
        """
        used = {p.name: values[p.name] for p in self.parameters if p.applies(values)}
        if self.draws_starts:
            used.setdefault("pretrained", False)  # cold where the choice does not apply
        return TrialConfig.from_mapping(used)

    def point(self, config: TrialConfig) -> dict[str, Any]:
        """Return a point whose configuration is `config`, for a sampler that goes on."""
        values = {p.name: getattr(config, p.name) for p in self.parameters}
        return {
            p.name: values[p.name] if p.applies(values) and config.uses(p.name) else p.stand_in()
            for p in self.parameters
        }

    def to_tune(self) -> dict[str, Any]:
        """Return the space as Ray Tune domains."""
        from ray import tune

        make = {
            "choice": lambda values: tune.choice(list(values)),
            "uniform": lambda values: tune.uniform(*values),
            "loguniform": lambda values: tune.loguniform(*values),
            "value": lambda values: tune.choice(list(values)),
        }
        return {p.name: make[p.kind](p.values) for p in self.parameters}

    def as_dict(self) -> dict[str, Any]:
        """Return the space as it would stand in a YAML file."""
        ranges: dict[str, dict[str, Any]] = {}
        for p in self.parameters:
            ranges[p.name] = {p.kind: list(p.values)}
            if p.when:
                ranges[p.name][WHEN] = {name: list(values) for name, values in p.when}
        return {"format": FORMAT, "name": self.name, "parameters": ranges}


def space_path(name: str, folder: Path) -> Path:
    """Return the file of a space: a path as it stands, or a name looked up in `folder`.

    Raises
    ------
    InputError
        When there is neither; the line lists the names.
    """
    given = Path(name)
    if given.suffix in (".yaml", ".yml") or given.is_file():
        return given
    if (named := folder / f"{name}.yaml").is_file():
        return named
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(
        f"--search-space {name}: no such space{hint} (known: {', '.join(known)}, or a YAML file)"
    )


def read_space(path: Path) -> SearchSpace:
    """Read and validate a search space.

    Raises
    ------
    InputError
        Naming file, line and key, and what is allowed there.
    """
    try:
        text = lines_of(read_bytes(path, MAX_BYTES))
        content, lines = load_bounded(text)
    except (OSError, TooLarge, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read the search space ({_short(error)})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = _one_line(getattr(error, "problem", None) or "syntax error")
        raise InputError(f"{where}: not valid YAML: {problem}") from error
    except ValueError as error:
        raise InputError(f"{path}: a value cannot be read: {_one_line(str(error))}") from error
    return _Validator(path, lines).space(content)


def parse_space(content: Mapping[str, Any], source: str = "search space") -> SearchSpace:
    """Validate a space given as plain values, e.g. read back from MLflow."""
    return _Validator(Path(source), {}).space(content)


class _Validator:
    """Turns plain YAML values into a space, with errors that name file, line and key."""

    def __init__(self, path: Path, lines: Mapping[tuple[str, ...], int]) -> None:
        self._path = path
        self._lines = lines

    def space(self, content: Any) -> SearchSpace:
        self._keys(content, (), {"format", "name", "parameters"}, required=("parameters",))
        if content.get("format", FORMAT) != FORMAT:
            self._fail(("format",), f"must be {FORMAT}, got {_quote(content['format'])}")
        known = {item.name: str(item.type) for item in fields(TrialConfig)}
        self._keys(content["parameters"], ("parameters",), set(known))
        if not content["parameters"]:
            self._fail(("parameters",), f"must name at least one of {', '.join(known)}")
        parameters = tuple(
            self._parameter(name, spec, known[name]) for name, spec in content["parameters"].items()
        )
        space = SearchSpace(str(content.get("name", self._path.stem)), parameters)
        for parameter in parameters:
            self._check_when(parameter, space)
        self._check_rates(space)
        return space

    def _parameter(self, name: str, spec: Any, of_type: str) -> Parameter:
        where = ("parameters", name)
        allowed = "; ".join(f"{kind}: {form}" for kind, form in KINDS.items())
        kinds = [key for key in spec if key != WHEN] if isinstance(spec, Mapping) else []
        if len(kinds) != 1 or kinds[0] not in KINDS:
            self._fail(where, f"must hold exactly one of ({allowed}), got {_quote(spec)}")
        kind, given = kinds[0], spec[kinds[0]]
        raw = given if isinstance(given, list) else [given]
        values = tuple(self._value(where, value, of_type) for value in raw)
        self._check_kind(where, kind, values, given, of_type)
        for value in values:
            self._check_value(where, name, value)
        return Parameter(name, kind, values, self._when((*where, WHEN), spec.get(WHEN)))

    def _check_kind(
        self, where: tuple[str, ...], kind: str, values: tuple[Any, ...], given: Any, of_type: str
    ) -> None:
        if kind == "choice" and not values:
            self._fail(where, "choice must list at least one value")
        if kind == "value" and len(values) != 1:
            self._fail(where, f"value must be one value, got {_quote(given)}")
        if kind in ("uniform", "loguniform"):
            if of_type != "float":
                what = {"int": "a whole number", "str": "a word"}.get(of_type, "true or false")
                self._fail(where, f"is {what}: use choice, got {kind}")
            if len(values) != 2 or not values[0] < values[1]:
                self._fail(
                    where, f"{kind} must be [low, high] with low < high, got {_quote(given)}"
                )
            if kind == "loguniform" and values[0] <= 0:
                self._fail(where, f"loguniform must have low > 0, got {_quote(given)}")

    def _when(self, where: tuple[str, ...], given: Any) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """Return the conditions of a parameter; whether they can be met is looked at later."""
        if given is None:
            return ()
        known = {item.name: str(item.type) for item in fields(TrialConfig)}
        self._keys(given, where, set(known))
        return tuple(
            (
                name,
                tuple(
                    self._value((*where, name), value, known[name])
                    for value in (values if isinstance(values, list) else [values])
                ),
            )
            for name, values in given.items()
        )

    def _check_when(self, parameter: Parameter, space: SearchSpace) -> None:
        others = {p.name: p for p in space.parameters if p.name != parameter.name}
        for name, values in parameter.when:
            where = ("parameters", parameter.name, WHEN, name)
            other = others.get(name)
            if other is None or other.kind not in ("choice", "value") or other.when:
                self._fail(
                    where, "must be another parameter of this space, a choice without conditions"
                )
            elif not values or not set(values) <= set(other.values):
                self._fail(where, f"must be among {_listed(other.values)}, got {_listed(values)}")

    def _value(self, where: tuple[str, ...], value: Any, of_type: str) -> Value:
        if of_type.startswith("bool"):
            if not isinstance(value, bool):
                self._fail(where, f"values must be true or false, got {_quote(value)}")
            return bool(value)
        if of_type == "str":
            if not isinstance(value, str):
                self._fail(where, f"values must be words, got {_quote(value)}")
            return str(value)
        return self._number(where, value, whole=of_type == "int")

    def _number(self, where: tuple[str, ...], value: Any, whole: bool) -> float | int:
        # YAML reads 1e-4 (no dot) as text; users mean the number
        try:
            number = float(value) if not isinstance(value, bool) else math.nan
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            self._fail(where, f"values must be finite numbers, got {_quote(value)}")
        if whole and number != int(number):
            self._fail(where, f"values must be whole numbers, got {_quote(value)}")
        return int(number) if whole else number

    def _check_value(self, where: tuple[str, ...], name: str, value: Value) -> None:
        neutral = {"init_lr": {"max_lr": math.inf}, "max_lr": {"init_lr": 5e-324}}.get(name, {})
        try:
            TrialConfig.from_mapping({**neutral, name: value})
        except InputError as error:
            rule, holds, _ = str(error).removeprefix("configuration: ").partition(" must hold")
            self._fail(where, f"{rule} must hold, got {_quote(value)}" if holds else rule)

    def _check_rates(self, space: SearchSpace) -> None:
        ranges = {p.name: p.values for p in space.parameters}
        if set(ranges.get("schedule", ())) == {"constant"}:
            return  # init_lr means nothing there
        low = ranges.get("init_lr", (TrialConfig.init_lr,))
        high = ranges.get("max_lr", (TrialConfig.max_lr,))
        if max(low) > min(high):
            key = "init_lr" if "init_lr" in ranges else "max_lr"
            self._fail(
                ("parameters", key),
                f"init_lr <= max_lr must hold for every pair, got {max(low):g} and {min(high):g}",
            )

    def _keys(
        self, content: Any, where: tuple[str, ...], known: set[str], required: tuple[str, ...] = ()
    ) -> None:
        if not isinstance(content, Mapping):
            self._fail(where, f"must hold keys ({', '.join(sorted(known))}), got {_quote(content)}")
        for key in content:
            if key not in known:
                near = difflib.get_close_matches(str(key), sorted(known), n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self._fail(
                    (*where, str(key)), f"unknown key{hint} (known: {', '.join(sorted(known))})"
                )
        for key in required:
            if key not in content:
                self._fail(where, f"the key {key} is missing")

    def _fail(self, where: tuple[str, ...], message: str) -> Any:
        line = self._lines.get(where)
        place = f"{self._path}:{line}" if line else str(self._path)
        keys = (_one_line(key)[:80] for key in where)
        raise InputError(f"{place}: {': '.join((*keys, _one_line(message)))}")


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(shown(value) for value in values)


def _short(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:800]


def _quote(value: Any) -> str:
    """Return a value as it is written, shortened: a nested one could fill pages."""
    return reprlib.repr(value)
