"""Importance over candidates: every hyperparameter is an axis once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sie.cli.arguments import REPOSITORY
from sie.models.config import TrialConfig
from sie.nested.candidates import drawn
from sie.nested.importance import importance_table
from sie.nested.tables import parameters_of
from sie.search.space import read_space

SPACE = read_space(REPOSITORY / "search_spaces" / "extended.yaml")


def candidates(n: int) -> pd.DataFrame:
    listed = drawn(SPACE, n, 0)
    rows = [{"view": item.view, **item.config.as_params()} for item in listed]
    return pd.DataFrame(rows).assign(inner=np.linspace(0.4, 0.7, n))


def test_the_view_is_first_and_no_hyperparameter_is_there_twice():
    assert "view" in TrialConfig.__dataclass_fields__
    names = parameters_of(candidates(5))
    assert names[0] == "view"
    assert len(names) == len(set(names))


def test_shares_of_variance_have_one_row_a_hyperparameter():
    table = importance_table(candidates(30), SPACE, "inner")
    assert len(table)
    assert not table.duplicated(["method", "outcome", "parameter"]).any()
