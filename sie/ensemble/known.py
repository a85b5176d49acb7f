"""The compounds that an ensemble was trained on, as candidates are compared with them.

Puts together what `sie.features` computes; distances and novelty live in `sie.screening`.
"""

from __future__ import annotations

import numpy as np

from sie.ensemble.record import KnownCompounds
from sie.features.composition import element_fractions
from sie.features.pooled import pooled
from sie.search.problem import DevelopmentData, LearningProblem


def known_compounds(data: DevelopmentData, problem: LearningProblem) -> KnownCompounds:
    """Return the development compounds in the order of the problem's features.

    Parameters
    ----------
    data : DevelopmentData
        Crystals, of all atoms, and conductivities.
    problem : LearningProblem
        The same entries, seen as one representation and level.
    """
    ids = problem.features.ids
    fractions = element_fractions({entry: data.crystals[entry].composition for entry in ids})
    vectors = pooled(problem.features)
    return KnownCompounds(
        ids=ids,
        formulas=tuple(problem.formulas[entry] for entry in ids),
        labels=np.array([problem.labels[entry] for entry in ids], dtype=np.int8),
        log10_sigma=np.array([data.log10_sigma[entry] for entry in ids], dtype=np.float64),
        elements=fractions.names,
        fractions=fractions.rows_of(ids),
        mean_vectors=vectors.rows_of(ids)[:, : problem.features.dimension],
    )
