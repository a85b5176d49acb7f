"""Which hyperparameters mattered over all clusters, with what chance would give.

The evaluators are those of the search report; here a table of candidates is brought to them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sie.nested.tables import parameters_of
from sie.reporting.search_report.importance import importances
from sie.reporting.search_report.trial_table import Axis, TrialTable
from sie.search.space import SearchSpace


def importance_table(table: pd.DataFrame, space: SearchSpace, outcome: str) -> pd.DataFrame:
    """Return the importance of every hyperparameter for a column of the candidates' table.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `candidates_table`, candidates drawn at random alone.
    space : SearchSpace
        What they were drawn from.
    outcome : str
        Column to explain, e.g. auc_pr.

    Returns
    -------
    pandas.DataFrame
        Columns method, outcome, n_candidates, parameter, importance, low and high (5th and 95th
        percentile over random halves), chance (95th percentile over shuffled outcomes); empty where
        there are too few candidates.
    """
    axes = [axis for name in parameters_of(table) if (axis := _axis(name, table, space))]
    values = table[outcome].to_numpy(float)
    n = len(table)
    trials = TrialTable(
        tuple(axes), values, values, np.zeros(n, int), np.arange(n), np.full(n, ""), True
    )
    rows = []
    for found in importances(trials):
        low, high = found.interval
        for i, name in enumerate(found.names):
            rows.append(
                {
                    "method": found.method,
                    "outcome": outcome,
                    "n_candidates": n,
                    "parameter": name,
                    "importance": found.values[i],
                    "low": low[i],
                    "high": high[i],
                    "chance": found.chance[i],
                }
            )
    return pd.DataFrame(rows)


def _axis(name: str, table: pd.DataFrame, space: SearchSpace) -> Axis | None:
    """Return a column as an axis; what does not apply to a candidate is a choice or the middle."""
    column = table[name]
    if column.nunique(dropna=False) < 2:
        return None
    drawn = {p.name: p for p in space.parameters}.get(name)
    if drawn is None or drawn.kind not in ("uniform", "loguniform"):
        codes = pd.factorize(column.astype(str), sort=True)[0].astype(float)
        return Axis(name, codes, tuple(float(code) for code in np.unique(codes)))
    low, high = (float(value) for value in drawn.values)
    values = column.fillna(float(drawn.stand_in())).to_numpy(float)
    return Axis(name, np.clip(values, low, high), (), drawn.kind == "loguniform", low, high)
