"""What may be fitted on for a group never holds the group's labels, nor follows from them."""

import nested_examples as examples
import numpy as np
import pytest
from sie.evaluation.calibration import fit_isotonic, fit_platt
from sie.evaluation.conformal import fit_conformal

from sie.nested.judged import fold_groups, left_out_groups, random_parts
from sie.nested.ways import HALVES, SYSTEMS


@pytest.fixture(scope="module")
def mixer():
    return examples.mixer()


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda mixture: mixture.name)
@pytest.mark.parametrize("outer", [0, 3])
def test_no_probability_calibrator_or_threshold_follows_from_the_outer_labels(mixer, system, outer):
    plain, turned = (
        left_out_groups(m, system)[outer] for m in (mixer, examples.with_labels_turned(outer))
    )
    assert not np.array_equal(plain.labels, turned.labels)
    assert np.array_equal(plain.probabilities, turned.probabilities)
    for fit in (fit_platt, fit_isotonic, lambda y, p: fit_conformal(y, p, 0.8)):
        first, second = (fit(g.fit_labels, g.fit_probabilities) for g in (plain, turned))
        assert first == second


def test_they_follow_from_the_others(mixer):
    plain, turned = (left_out_groups(m, HALVES)[0] for m in (mixer, examples.with_labels_turned(3)))
    assert fit_platt(plain.fit_labels, plain.fit_probabilities) != fit_platt(
        turned.fit_labels, turned.fit_probabilities
    )


def test_calibrators_are_fitted_on_trainings_without_both_clusters(mixer):
    group = left_out_groups(mixer, SYSTEMS[0])[2]  # the forest alone
    key, where = mixer.frame.part((2, 4), 4)
    table = mixer.forest[0].fits.probabilities[key][0]
    assert np.array_equal(group.fit_probabilities[-examples.SIZE :], table[where])
    own = mixer.forest[0].fits.probabilities["2"][0]
    assert np.array_equal(group.probabilities, own)


def test_random_parts_are_all_structures_once_each_fitted_by_the_rest(mixer):
    groups = left_out_groups(mixer, HALVES)
    parts = random_parts(groups, seed=3)
    everything = np.sort(np.concatenate([g.probabilities for g in groups.values()]))
    assert np.array_equal(
        np.sort(np.concatenate([p.probabilities for p in parts.values()])), everything
    )
    for part in parts.values():
        both = np.concatenate([part.probabilities, part.fit_probabilities])
        assert np.array_equal(np.sort(both), everything)
        assert len(part.labels) == len(everything) // 5
    again, other = random_parts(groups, seed=3), random_parts(groups, seed=4)
    assert np.array_equal(again[0].probabilities, parts[0].probabilities)
    assert not np.array_equal(other[0].probabilities, parts[0].probabilities)


def test_a_fold_is_fitted_on_the_others():
    of = examples.frame(3)
    predicted = {fold: np.full(examples.SIZE, fold / 10) for fold in range(3)}
    group = fold_groups(predicted, of)[1]
    assert set(group.probabilities) == {0.1}
    assert set(group.fit_probabilities) == {0.0, 0.2}
    assert np.array_equal(group.fit_labels, np.append(of.classes(0), of.classes(2)))
