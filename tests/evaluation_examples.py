"""Made-up test predictions, and a small ensemble with random weights for the starter set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from ensemble_examples import small_ensemble

from sie.ensemble.record import TrainedEnsemble
from sie.evaluation.evaluating import score_systems
from sie.evaluation.record import EvaluationRecord, Predictions


def made_up(n: int = 40, seed: int = 1, class_only: int = 2) -> Predictions:
    """Predictions of some skill; the last entries lack a conductivity, some are upper bounds."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(-11, -2, n)
    labels = (sigma >= -4).astype(np.int8)
    censored = sigma < -9
    p = 1 / (1 + np.exp(-(sigma + 4.5 + rng.normal(0, 2, n))))
    sigma[n - class_only :] = np.nan
    censored[n - class_only :] = False
    return Predictions(
        tuple(f"e{i}" for i in range(n)),
        tuple(f"Li{i % 5 + 2}PS5Cl" for i in range(n)),
        labels,
        sigma,
        censored,
        p,
        0.4 * np.sqrt(p * (1 - p)),
        {"forest-fractions": np.clip(p + rng.normal(0, 0.2, n), 0, 1)},
    )


def made_up_record(predictions: Predictions | None = None) -> EvaluationRecord:
    found = predictions or made_up()
    about = {
        "dataset": "made-up",
        "recipe_hash": "r" * 12,
        "weights_hash": "w" * 12,
        "scored_at": "2025-01-02T03:04:05+00:00",
        "n_test_positive": int(found.labels.sum()),
        "bootstrap": {"n_resamples": 2000},
        "permutations": 1000,
    }
    return EvaluationRecord(about, found, score_systems(found, 0.3), "forest-fractions")


def ensemble_for(
    dataset: str,
    dataset_hash: str,
    hold_out_hash: str,
    make: Callable[[str, str], TrainedEnsemble] = small_ensemble,
) -> TrainedEnsemble:
    """Random weights whose recipe claims the given data."""
    made = make("CAMN", "V0")
    names = {"dataset": dataset, "dataset_hash": dataset_hash, "hold_out_hash": hold_out_hash}
    return dataclasses.replace(made, recipe=dataclasses.replace(made.recipe, **names))
