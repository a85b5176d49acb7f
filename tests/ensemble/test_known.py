"""Known compounds against sums over sites and pymatgen's own fractions."""

import numpy as np
import pytest
from ensemble_examples import crystals

from sie.ensemble.known import known_compounds
from sie.search.problem import DevelopmentData
from sie.splits.record import Clustering
from sie.structures.representations import Representation


@pytest.fixture(scope="module")
def data():
    structures = crystals()
    ids = tuple(structures)
    return DevelopmentData(
        dataset="d", dataset_hash="a", crystals=structures,
        labels={entry: i % 2 for i, entry in enumerate(ids)},
        log10_sigma={entry: -float(i) if i else np.nan for i, entry in enumerate(ids)},
        clustering=Clustering(ids, np.zeros(len(ids), int)),
        # formulas and groups name test entries too
        formulas={**{entry: f"formula of {entry}" for entry in ids}, "test": "LiF"},
        groups={}, hold_out_hash="h", report=None,
    )  # fmt: skip


@pytest.mark.parametrize("representation", [Representation.CAMN, Representation.CAN])
def test_known_compounds_are_those_of_the_development_set(data, representation):
    problem = data.seen_as(representation, 0)
    known = known_compounds(data, problem)
    assert known.ids == problem.features.ids
    assert set(known.ids) == set(data.crystals)
    features = problem.features
    for i, entry in enumerate(known.ids):
        assert known.formulas[i] == f"formula of {entry}"
        assert known.labels[i] == data.labels[entry]
        np.testing.assert_equal(known.log10_sigma[i], data.log10_sigma[entry])
        composition = data.crystals[entry].composition.element_composition
        for k, element in enumerate(known.elements):
            fraction = composition.get_atomic_fraction(element)
            assert known.fractions[i, k] == pytest.approx(fraction)
        rows = slice(features.offsets[i], features.offsets[i + 1])
        weights = features.multiplicity[rows]
        mean = (weights[:, None] * features.rows[rows]).sum(0) / weights.sum()
        np.testing.assert_allclose(known.mean_vectors[i], mean, rtol=1e-5)
    # fractions are of all atoms, whatever the network sees
    assert "Li" in known.elements
    assert known.mean_vectors.shape == (len(known.ids), 16)
