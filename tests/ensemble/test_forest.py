"""The forest as arrays against scikit-learn's own, and what it refuses."""

import dataclasses

import numpy as np
import pytest
from pymatgen.core import Composition
from sklearn.ensemble import RandomForestClassifier

from sie.datasets.registry import load_dataset
from sie.ensemble.forest import AT_ONCE, LEAF, grow_forest, in_columns
from sie.errors import InputError
from sie.features.composition import element_fractions
from sie.features.descriptors import Descriptors


@pytest.fixture(scope="module")
def starter():
    return load_dataset("starter")


@pytest.fixture(scope="module")
def fractions(starter):
    return element_fractions({k: s.composition for k, s in starter.structures.items()})


@pytest.fixture(scope="module")
def labels(starter):
    return dict(zip(starter.ids, map(int, starter.labels), strict=True))


@pytest.fixture(scope="module")
def forest(fractions, labels):
    return grow_forest(fractions, labels, fractions.ids[::2], seed=4)


def test_probabilities_are_those_of_scikit_learn(forest, fractions, labels):
    learnt = fractions.ids[::2]
    x, y = fractions.rows_of(learnt), [labels[entry] for entry in learnt]
    oracle = RandomForestClassifier(n_estimators=400, random_state=4).fit(x, y)
    rng = np.random.default_rng(0)
    others = rng.dirichlet(np.full(x.shape[1], 0.1), AT_ONCE + 7)
    # on the thresholds themselves, where float32 and float64 differ
    thresholds = forest.threshold[forest.left != LEAF][: len(others)]
    others[: len(thresholds), 3] = thresholds
    for given in (fractions.values, others):
        ours, theirs = forest.probabilities(given), oracle.predict_proba(given)[:, 1]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert np.ptp(ours) > 0.3
    assert len(forest) == 400


def test_compositions_find_their_columns(forest, fractions, starter):
    some = fractions.ids[:20]
    given = [starter.structures[entry].composition for entry in some]
    ours = forest.of_compositions(given)
    np.testing.assert_array_equal(ours, forest.probabilities(fractions.rows_of(some)))
    backwards = forest.of_compositions(given[::-1])
    np.testing.assert_array_equal(backwards[::-1], ours)
    # charges do not count; an element that nobody has seen is in no column
    charged = forest.of_compositions([Composition({"Li+": 3, "P5+": 1, "S2-": 4})])
    assert charged == forest.of_compositions([Composition("Li3PS4")])
    assert "Pu" not in forest.elements
    strange = forest.of_compositions([Composition("LiPu")])
    half = np.zeros((1, len(forest.elements)))
    half[0, forest.elements.index("Li")] = 0.5
    np.testing.assert_array_equal(strange, forest.probabilities(half))
    assert forest.of_compositions([]).shape == (0,)


def test_columns_are_picked_by_name():
    given = Descriptors(("a", "b"), ("Li", "O"), np.array([[0.5, 0.5], [0.25, 0.75]]))
    expected = [[0.5, 0, 0.5], [0.75, 0, 0.25]]
    np.testing.assert_array_equal(in_columns(given, ("O", "F", "Li")), expected)


def test_seed_and_trees_are_asked_for(forest, fractions, labels):
    again = grow_forest(fractions, labels, fractions.ids[::2], seed=4)
    for name, array in forest.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])
    small = grow_forest(fractions, labels, fractions.ids[::2], seed=5, n_trees=3)
    assert len(small) == 3
    assert (small.probabilities(fractions.values) != forest.probabilities(fractions.values)).any()
    with pytest.raises(InputError, match="labels 0 and 1"):
        grow_forest(fractions, dict.fromkeys(labels, 1), fractions.ids, 0)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("left", 0, 0),  # round in a circle
        ("right", 0, 10**6),
        ("feature", 0, 900),
        ("roots", 1, -3),
    ],
)
def test_arrays_that_lead_nowhere_are_refused(forest, name, place, value):
    array = forest.arrays[name].copy()
    array[place] = value
    with pytest.raises(ValueError, match=r"a node leads|a node looks|a tree begins"):
        dataclasses.replace(forest, **{name: array})
    with pytest.raises(ValueError, match="one entry of every array"):
        dataclasses.replace(forest, left=forest.left[:-1])
