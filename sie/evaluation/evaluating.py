"""Scores an ensemble, the baselines and the controls on the test set, with their uncertainty.

Numbers in, one record out; when this may happen is decided in `once`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from sie.datasets.record import Database
from sie.ensemble.reading import Crystals
from sie.ensemble.scores import Scores
from sie.evaluation.baselines import choose_reference, joined, predict_test, vectors
from sie.evaluation.bootstrap import (
    CONFIDENCE,
    N_RESAMPLES,
    SEED,
    Resampled,
    interval,
    resample,
    resamples,
)
from sie.evaluation.held_out import HeldOut, open_test_set
from sie.evaluation.record import EvaluationRecord, Kind, Predictions, ScoredSystem
from sie.evaluation.scores import evaluation_scores
from sie.models.baselines import BASELINES
from sie.models.controls import N_PERMUTATIONS, shuffled_control
from sie.search.problem import DevelopmentData
from sie.splits.leakage import LeakageReport
from sie.splits.record import HoldOut
from sie.structures.oxidation import prepare
from sie.training.metrics import THRESHOLD

ENSEMBLE, MEAN, SHUFFLED = "ensemble", "mean", "shuffled"

Stage = Callable[[str], None]


class Scorer(Protocol):
    """What scores structures, as `SuperionicEnsemble` does."""

    def score(self, structures: Crystals) -> Scores:
        """Return mean, spread and members' scores of every structure."""


def evaluate(
    ensemble: Scorer,
    database: Database,
    data: DevelopmentData,
    held: HoldOut,
    shared: LeakageReport,
    about: Mapping[str, Any],
    stage: Stage = lambda text: None,
    baselines: Sequence[str] = tuple(BASELINES),
) -> EvaluationRecord:
    """Open the test set and score everything on it.

    Parameters
    ----------
    ensemble : Scorer
        Trained on the development entries.
    database : Database
        All entries.
    data : DevelopmentData
        What baselines learn from.
    held : HoldOut
        The test ids.
    shared : LeakageReport
        What test and development share.
    about : Mapping
        Plain values that name the ensemble.
    stage : callable
        Told what is being done.
    baselines : sequence of str
        Of `sie.models.baselines.BASELINES`.

    Raises
    ------
    InputError
        When a structure cannot be scored.
    """
    stage("computing what baselines learn from")
    development = vectors(data.crystals, baselines)
    reference, loco = choose_reference(data, development, baselines, stage)
    stage("scoring the test set")
    test = open_test_set(database, held)
    scored = ensemble.score(test.structures)
    if tuple(scored.ids) != test.ids:
        raise ValueError("the ensemble's scores come in another order than the test structures")
    own = vectors(prepare(test.structures)[0], baselines)
    inputs = {kind: joined(part, own[kind]) for kind, part in development.items()}
    labels = {**data.labels, **dict(zip(test.ids, map(int, test.labels), strict=True))}
    found = {}
    for name in baselines:
        stage(f"fitting {name}")
        found[name] = predict_test(name, inputs, labels, test.split)
    predictions = Predictions(
        test.ids,
        test.formulas,
        test.labels,
        test.log10_sigma,
        test.censored,
        scored.p_si,
        scored.sd,
        {name: item.probabilities for name, item in found.items()},
    )
    stage("drawing resamples")
    settings = {
        name: {**item.settings, **({"loco_auc_pr": loco[name]} if loco else {})}
        for name, item in found.items()
    }
    fraction = float(np.mean(list(data.labels.values())))
    systems = score_systems(predictions, fraction, settings)
    return EvaluationRecord(
        {**about, **_settings(test, data, shared)}, predictions, systems, reference
    )


def score_systems(
    predictions: Predictions,
    training_fraction: float,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[ScoredSystem, ...]:
    """Score the ensemble, the baselines and both controls, all on the same resamples.

    Parameters
    ----------
    predictions : Predictions
        Of the test structures.
    training_fraction : float
        Share of class 1 among the development entries, the mean control's prediction.
    settings : Mapping, optional
        What each baseline chose.
    """
    draws = resamples(len(predictions))

    def drawn(probabilities: np.ndarray) -> Resampled:
        return resample(evaluation_scores, predictions.labels, probabilities, draws)

    ours = drawn(predictions.p_si)
    rows = [ScoredSystem(ENSEMBLE, Kind.ENSEMBLE, ours.intervals())]
    constant = {MEAN: np.full(len(predictions), training_fraction)}
    for name, probabilities in {**predictions.others, **constant}.items():
        theirs = drawn(probabilities)
        kind = Kind.CONTROL if name in constant else Kind.BASELINE
        chosen = (settings or {}).get(name, {})
        rows.append(ScoredSystem(name, kind, theirs.intervals(), ours.minus(theirs), chosen))
    return (*rows, _shuffled(predictions.labels))


def _shuffled(labels: np.ndarray) -> ScoredSystem:
    control = shuffled_control(labels, score=evaluation_scores)
    scores = {name: interval(mean, control.drawn[name]) for name, mean in control.mean.items()}
    settings = {"n_permutations": control.n_permutations, "interval": "over permutations"}
    return ScoredSystem(SHUFFLED, Kind.CONTROL, scores, settings=settings)


def _settings(test: HeldOut, data: DevelopmentData, shared: LeakageReport) -> dict[str, Any]:
    return {
        "scored_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "n_development": len(data.labels),
        "n_test": len(test.ids),
        "n_test_positive": int(test.labels.sum()),
        "training_fraction": float(np.mean(list(data.labels.values()))),
        "test_set": dict(test.split.method),
        "shared_with_development": shared.as_dict(),
        "threshold": THRESHOLD,
        "bootstrap": {
            "interval": "percentile, over structures, not stratified",
            "n_resamples": N_RESAMPLES,
            "confidence": CONFIDENCE,
            "seed": SEED,
        },
        "permutations": N_PERMUTATIONS,
    }
