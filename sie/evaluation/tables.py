"""Tables of a recorded evaluation: scores, differences, every structure, the misclassified.

From the record alone; nothing is scored here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sie.datasets.record import SUPERIONIC_SIGMA_S_PER_CM
from sie.evaluation.bootstrap import Interval
from sie.evaluation.record import EvaluationRecord
from sie.evaluation.scores import SCORES, calibration, predicted_classes
from sie.training.metrics import THRESHOLD

LOG10_SIGMA_BOUNDARY = math.log10(SUPERIONIC_SIGMA_S_PER_CM)


def scores_table(record: EvaluationRecord) -> pd.DataFrame:
    """Return one row a system: every score with low, high and resamples."""
    return pd.DataFrame(
        [
            {"system": item.name, "kind": str(item.kind), **_columns(item.scores)}
            for item in record.systems
        ]
    )


def differences_table(record: EvaluationRecord) -> pd.DataFrame:
    """Return one row a system: the ensemble's score minus its own, on the same resamples."""
    return pd.DataFrame(
        [
            {
                "system": item.name,
                "kind": str(item.kind),
                "reference": item.name == record.reference,
                **_columns(item.ensemble_minus),
            }
            for item in record.systems
            if item.ensemble_minus
        ]
    )


def structures_table(record: EvaluationRecord) -> pd.DataFrame:
    """Return one row a test structure, the least sure of its class first.

    Distances from the boundary are positive on the superionic side; that of an upper bound is an
    upper bound too.
    """
    found = record.predictions
    predicted = predicted_classes(found.p_si)
    table = pd.DataFrame(
        {
            "id": found.ids,
            "formula": found.formulas,
            "log10_sigma": found.log10_sigma,
            "censored": found.censored,
            "label": found.labels,
            "p_si": found.p_si,
            "p_si_sd": found.sd,
            "class": predicted,
            "correct": predicted == found.labels,
            "p_si_from_boundary": found.p_si - THRESHOLD,
            "log10_sigma_from_boundary": found.log10_sigma - LOG10_SIGMA_BOUNDARY,
            **{f"p_{name}": values for name, values in found.others.items()},
        }
    )
    order = np.lexsort((table["id"], table["p_si_from_boundary"].abs()))
    return table.iloc[order].reset_index(drop=True)


def misclassified_table(record: EvaluationRecord) -> pd.DataFrame:
    """Return the rows of misclassified structures, the surest mistakes first."""
    table = structures_table(record)
    wrong = table[~table["correct"]].iloc[::-1]
    others = [f"p_{name}" for name in record.predictions.others]
    return wrong.drop(columns=["correct", *others]).reset_index(drop=True)


def calibration_table(record: EvaluationRecord) -> pd.DataFrame:
    """Return one row a bin of P_SI."""
    curve = calibration(record.predictions.labels, record.predictions.p_si)
    return pd.DataFrame(
        {
            "low": curve.edges[:-1],
            "high": curve.edges[1:],
            "structures": curve.counts,
            "mean_p_si": curve.predicted,
            "superionic_share": curve.observed,
        }
    )


def _columns(scores: Mapping[str, Interval]) -> dict[str, float]:
    columns: dict[str, float] = {}
    for name in SCORES:
        item = scores[name]
        columns |= {name: item.value, f"{name}_low": item.low, f"{name}_high": item.high}
    return columns | {"n_resamples": scores["auc_pr"].n}
