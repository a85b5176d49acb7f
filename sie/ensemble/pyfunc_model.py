"""The ensemble as an MLflow pyfunc, kept as code: MLflow runs this file when it loads the model.

The one file of sie that acts when it is imported; scoring itself lives in `sie.ensemble.predictor`.
"""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

from sie.ensemble.predictor import THRESHOLD, SuperionicEnsemble
from sie.errors import InputError


class EnsembleModel(PythonModel):
    """Scores CIFs: columns `cif` (text) and, if wanted, `id` in; id, p_si, p_si_sd, class out.

    Parameters of a request are `threshold` (P_SI from which the class is 1) and `errors`: "raise"
    refuses the request for one bad CIF, "nan" answers null for it and why in a column `refused`. An
    ensemble with a calibration answers p_si_raw and what its sets say, set_80 and set_90, besides.
    """

    def load_context(self, context: Any) -> None:
        """Read the ensemble from the model's artifacts."""
        self.ensemble = SuperionicEnsemble.load(context.artifacts["ensemble"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Score the CIFs of a table."""
        params = params or {}
        try:
            return self._answer(model_input, params)
        except InputError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error

    def _answer(self, table: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
        cifs = _by_id(table)
        scores = self.ensemble.score(cifs, params.get("errors", "raise"))
        known = np.isfinite(scores.p_si)
        classes = (scores.p_si >= params.get("threshold", THRESHOLD)).astype(int)
        answer = pd.DataFrame(
            {
                "id": list(scores.ids),
                "p_si": _or_none(scores.p_si.tolist(), known),
                "p_si_sd": _or_none(scores.sd.tolist(), known),
                "class": _or_none(classes.tolist(), known),
            }
        )
        if (calibration := self.ensemble.calibration) is not None:
            answer["p_si_raw"] = _or_none(scores.raw.tolist(), known)
            for name, words in calibration.set_words(scores.raw).items():
                answer[name] = _or_none(words, known)
        if scores.refused:
            answer["refused"] = [scores.refused.get(entry, "") for entry in scores.ids]
        return answer


def _by_id(table: pd.DataFrame) -> dict[str, str]:
    ids = [str(place) for place in range(len(table))]
    if "id" in table:
        given = zip(ids, table["id"], strict=True)
        ids = [place if pd.isna(name) else str(name) for place, name in given]
    if len(set(ids)) < len(ids):
        double = next(name for name in ids if ids.count(name) > 1)
        raise InputError(f"id {double} is given twice; name every structure once")
    for name, text in zip(ids, table["cif"], strict=True):
        # a path would be read from the server's disk
        if not isinstance(text, str) or "\n" not in text:
            raise InputError(f"structure {name}: cif must hold the text of a CIF")
    return dict(zip(ids, table["cif"], strict=True))


def _or_none(values: list[Any], known: np.ndarray) -> pd.Series:
    """Return a column without NaN, which JSON has not."""
    if known.all():
        return pd.Series(values)
    return pd.Series(
        [value if there else None for value, there in zip(values, known, strict=True)], dtype=object
    )


mlflow.models.set_model(EnsembleModel())
