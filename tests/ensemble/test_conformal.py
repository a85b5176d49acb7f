"""Sets against p-values, the promise of coverage by simulation, and what shift does to it."""

import json
import math

import numpy as np
import pytest

from sie.ensemble.conformal import (
    SETS,
    ConformalSets,
    coverage,
    fit_conformal,
    left_out_coverage,
    pooled,
    set_names,
)
from sie.errors import InputError


def drawn(n: int, rng: np.random.Generator, shift: float = 0.0):
    y = (rng.random(n) < 0.3).astype(int)
    return y, 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * y + shift)))


def p_value(calibrating: np.ndarray, new: float) -> float:
    return (1 + np.sum(calibrating >= new)) / (1 + len(calibrating))


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [9, 60])
def test_a_class_is_in_the_set_where_its_p_value_exceeds_the_error(confidence, n):
    rng = np.random.default_rng(n)
    y, p = drawn(n, rng)
    _, new = drawn(50, rng)
    new[:10] = [*p[:9], p[0]]  # ties with what was calibrated on
    sets = fit_conformal(y, p, confidence)(new)
    for label, strange in ((0, lambda q: q), (1, lambda q: 1 - q)):
        own = strange(p[y == label])
        expected = [p_value(own, strange(q)) > 1 - confidence + 1e-12 for q in new]
        assert sets[:, label].tolist() == expected


@pytest.mark.parametrize("confidence", [0.8, 0.9])
def test_exchangeable_structures_are_covered_as_promised_class_by_class(confidence):
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(400):
        y, p = drawn(120, rng)
        new_y, new_p = drawn(120, rng)
        shares.append(coverage(new_y, fit_conformal(y, p, confidence)(new_p)).by_class)
    found = np.mean(shares, axis=0)
    assert (found > confidence - 0.01).all()
    assert (found < confidence + 0.03).all()


def test_shift_costs_coverage_and_is_seen_by_leaving_groups_out():
    rng = np.random.default_rng(6)
    parts = [drawn(200, rng, shift) for shift in (0, 0, 0, -3)]
    y, p = (np.concatenate(values) for values in zip(*parts, strict=True))
    by_cluster = left_out_coverage(y, p, np.repeat(range(4), 200), 0.9)
    assert by_cluster[3].by_class[1] < 0.3
    assert by_cluster[0].by_class[1] > 0.85
    at_random = left_out_coverage(y, p, rng.integers(0, 5, 800), 0.9)
    assert pooled(at_random).by_class[1] == pytest.approx(0.9, abs=0.03)


def test_labels_of_a_group_have_no_part_in_its_sets():
    rng = np.random.default_rng(7)
    y, p = drawn(90, rng)
    groups = np.repeat(range(3), 30)
    other = np.where(groups == 1, 1 - y, y)
    plain, flipped = (left_out_coverage(labels, p, groups, 0.8) for labels in (y, other))
    assert plain[1].sets == flipped[1].sets
    assert plain[0].sets != flipped[0].sets


def test_four_sets_and_their_counts():
    sets = ConformalSets(0.9, (0.3, 0.4), (20, 20))(np.array([0.1, 0.5, 0.9]))
    assert set_names(sets).tolist() == ["0", "none", "1"]
    wide = ConformalSets(0.9, (0.7, 0.8), (20, 20))(np.array([0.1, 0.5, 0.9]))
    assert set_names(wide).tolist() == ["0", "both", "1"]
    found = coverage(np.array([0, 1, 0]), wide)
    assert (found.counts, found.covered) == ((2, 1), (1, 1))
    assert found.share == pytest.approx(2 / 3)
    assert found.mean_size == pytest.approx(4 / 3)
    assert sum(found.sets.values()) == 3
    assert tuple(found.sets) == SETS


def test_too_few_of_a_class_put_it_into_every_set():
    y, p = np.array([0] * 20 + [1] * 8), np.linspace(0, 1, 28)
    fit = fit_conformal(y, p, 0.9)
    assert fit.thresholds[1] == math.inf
    assert fit(np.array([0.0, 1.0]))[:, 1].all()
    assert fit_conformal(np.append(y, 1), np.append(p, 0.5), 0.9).thresholds[1] < 1


def test_fits_are_read_again_as_they_were_written():
    y, p = drawn(25, np.random.default_rng(8))
    for fit in (fit_conformal(y, p, 0.9), fit_conformal(y, p, 0.99)):
        again = json.loads(json.dumps(fit.as_dict(), allow_nan=False))
        assert ConformalSets.from_mapping(again) == fit


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"confidence": 0.9, "thresholds": [0.1], "counts": [1, 2]},
        {"confidence": 0.9, "thresholds": [0.1, "x"], "counts": [1, 2]},
        {"confidence": 1.5, "thresholds": [0.1, 0.2], "counts": [1, 2]},
        {"confidence": 0.9, "thresholds": [0.1, float("nan")], "counts": [1, 2]},
    ],
)
def test_what_is_no_fit_is_refused(values):
    with pytest.raises(InputError, match="conformal sets"):
        ConformalSets.from_mapping(values)


def test_confidence_and_lengths_are_checked():
    with pytest.raises(InputError, match="0 < confidence < 1"):
        fit_conformal(np.array([0, 1]), np.array([0.2, 0.8]), 1.0)
    with pytest.raises(InputError, match="one finite probability"):
        fit_conformal(np.array([0, 1]), np.array([0.2]), 0.9)
