"""Small plans and results for the tests of the search room."""

from __future__ import annotations

import numpy as np

from sie.models.config import TrialConfig
from sie.search.plan import Budget, Mode, SearchPlan
from sie.search.record import EndedTrial, Phase, TrialTask
from sie.search.space import parse_space
from sie.training.record import METRICS, TrialResult, TrialStatus

SPACE = parse_space(
    {
        "name": "test",
        "parameters": {
            "max_lr": {"choice": [1e-3, 3e-3, 5e-3]},
            "dropout_phi": {"uniform": [0.0, 0.5]},
            "n_layers": {"choice": [2, 3]},
        },
    }
)


def make_result(curve, status=TrialStatus.COMPLETED, reason="") -> TrialResult:
    curve = np.asarray(curve, dtype=float)
    curves = dict.fromkeys(METRICS, curve + 0.0) if len(curve) else {}
    return TrialResult(status, reason, curves, 1.0, 0.5)


def make_ended(number, value, n_epochs=60, status=TrialStatus.COMPLETED, config=None) -> EndedTrial:
    config = config or TrialConfig(max_lr=3e-3, dropout_phi=0.01 * number)
    task = TrialTask(f"trial-{number:04d}", Phase.SEARCH, number, config, seed=number)
    return EndedTrial(task, make_result(np.full(n_epochs, value), status), value)


def make_plan(mode: Mode = Mode.FAST, **budget) -> SearchPlan:
    settings = {"trials": 12, "max_epochs": 160, "grace_epochs": 40, "startup_trials": 4} | budget
    return SearchPlan(
        dataset="d",
        representation="CAMN",
        level="V1",
        cluster=0,
        dataset_hash="a",
        features_hash="b",
        split_hash="c",
        hold_out_hash="e",
        space=SPACE,
        budget=Budget(**settings),
        mode=mode,
    )
