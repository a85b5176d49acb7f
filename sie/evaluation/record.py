"""Records of a test evaluation: what was predicted, how it scores, and how it is written down.

Records and their JSON only; scoring and the store live beside this module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from sie.errors import InputError
from sie.evaluation.bootstrap import Interval
from sie.hashing import content_hash

FORMAT = "sie-evaluation"
VERSION = 1

_ARRAYS = ("labels", "log10_sigma", "censored", "p_si", "sd")


class Kind(StrEnum):
    """What predicts."""

    ENSEMBLE = "ensemble"
    BASELINE = "baseline"
    CONTROL = "control"


@dataclass(frozen=True)
class Predictions:
    """What was measured and what was predicted for n test structures.

    Attributes
    ----------
    ids, formulas : tuple of str
        Shape (n,).
    labels : numpy.ndarray
        Int8, shape (n,).
    log10_sigma : numpy.ndarray
        Float64, shape (n,), sigma in S/cm; NaN where only the class is known.
    censored : numpy.ndarray
        Bool, shape (n,): sigma is an upper bound.
    p_si, sd : numpy.ndarray
        Float64, shape (n,): the ensemble's mean and standard deviation over its members.
    others : Mapping[str, numpy.ndarray]
        Probability of class 1, float64, shape (n,), by baseline.
    """

    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    labels: np.ndarray
    log10_sigma: np.ndarray
    censored: np.ndarray
    p_si: np.ndarray
    sd: np.ndarray
    others: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arrays = [getattr(self, name) for name in _ARRAYS] + list(self.others.values())
        if any(a.shape != (len(self.ids),) for a in arrays) or len(self.formulas) != len(self.ids):
            raise ValueError("what was measured and what was predicted do not fit")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class ScoredSystem:
    """One row of the table.

    Attributes
    ----------
    name : str
        What tables call it.
    kind : Kind
        Ensemble, baseline or control.
    scores : Mapping[str, Interval]
        By score; of the shuffled control mean and percentiles over its permutations.
    ensemble_minus : Mapping[str, Interval]
        The ensemble's score minus this one, on the same resamples; empty for the ensemble itself
        and for the shuffled control, which has no predictions to pair.
    settings : Mapping
        Plain values: what was chosen on the development entries.
    """

    name: str
    kind: Kind
    scores: Mapping[str, Interval]
    ensemble_minus: Mapping[str, Interval] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationRecord:
    """The one evaluation of an ensemble.

    Attributes
    ----------
    about : Mapping
        Plain values: hashes of recipe, weights, dataset and test set; when it was scored; the
        bootstrap's settings; what test and development share.
    predictions : Predictions
        Of every test structure.
    systems : tuple of ScoredSystem
        The ensemble first.
    reference : str
        The baseline that was best before the test set was opened.
    """

    about: Mapping[str, Any]
    predictions: Predictions
    systems: tuple[ScoredSystem, ...]
    reference: str

    @property
    def ensemble(self) -> ScoredSystem:
        """The ensemble's row."""
        return self.systems[0]

    def system(self, name: str) -> ScoredSystem:
        """Return a row by its name."""
        return next(item for item in self.systems if item.name == name)

    def to_json(self) -> str:
        """Return the record as text, with its hash inside; NaN is written as null."""
        content = {
            "about": dict(self.about),
            "reference": self.reference,
            "systems": [asdict(item) for item in self.systems],
            "predictions": _rows(self.predictions),
        }
        plain = json.loads(json.dumps(_without_nan(content), allow_nan=False))
        sealed = {"format": FORMAT, "version": VERSION, "file_hash": content_hash(FORMAT, plain)}
        return json.dumps({**sealed, **plain}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> EvaluationRecord:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            When it is damaged, was edited or comes from another version; names `where`.
        """
        try:
            plain = json.loads(text)
            if plain.pop("format") != FORMAT or plain.pop("version") != VERSION:
                raise InputError(
                    f"{where} is no evaluation of version {VERSION}; use the sie that wrote it"
                )
            written = plain.pop("file_hash")
            if content_hash(FORMAT, plain) != written:
                raise ValueError("the hash inside does not fit the content")
            systems = tuple(_system(item) for item in plain["systems"])
            return cls(plain["about"], _predictions(plain), systems, plain["reference"])
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            line = " ".join(str(error).split())
            raise InputError(f"{where} is damaged or was edited: {line}") from error


def _rows(predictions: Predictions) -> list[dict[str, Any]]:
    rows = []
    for i, entry in enumerate(predictions.ids):
        row: dict[str, Any] = {"id": entry, "formula": predictions.formulas[i]}
        row |= {name: getattr(predictions, name)[i].item() for name in _ARRAYS}
        row["others"] = {name: float(values[i]) for name, values in predictions.others.items()}
        rows.append(row)
    return rows


def _predictions(plain: Mapping[str, Any]) -> Predictions:
    rows = plain["predictions"]
    sigma = [math.nan if row["log10_sigma"] is None else row["log10_sigma"] for row in rows]
    names = rows[0]["others"] if rows else {}
    return Predictions(
        ids=tuple(row["id"] for row in rows),
        formulas=tuple(row["formula"] for row in rows),
        labels=np.array([row["labels"] for row in rows], dtype=np.int8),
        log10_sigma=np.array(sigma, dtype=np.float64),
        censored=np.array([row["censored"] for row in rows], dtype=bool),
        p_si=np.array([row["p_si"] for row in rows], dtype=np.float64),
        sd=np.array([row["sd"] for row in rows], dtype=np.float64),
        others={name: np.array([row["others"][name] for row in rows]) for name in names},
    )


def _system(plain: Mapping[str, Any]) -> ScoredSystem:
    def number(value: float | None) -> float:
        return math.nan if value is None else value

    def intervals(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
        return {
            name: Interval(
                number(item["value"]), number(item["low"]), number(item["high"]), item["n"]
            )
            for name, item in values.items()
        }

    return ScoredSystem(
        plain["name"],
        Kind(plain["kind"]),
        intervals(plain["scores"]),
        intervals(plain["ensemble_minus"]),
        plain["settings"],
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
