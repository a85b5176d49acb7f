"""Tables of conformal sets: the promise is kept without shift, and the loss under shift is seen."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest
from sie.evaluation.conformal import coverage, fit_conformal

from sie.nested import covered as module
from sie.nested.covered import conformal_rows, random_rows
from sie.nested.judged import Judged


def groups(shift: float = 0.0, n: int = 90) -> dict[int, Judged]:
    """The last of four groups looks less superionic than it is by so many log-odds."""
    rng = np.random.default_rng(0)
    drawn = []
    for number in range(4):
        y = (np.arange(n) % 3 == 0).astype(int)
        drawn.append((y, expit(rng.normal(size=n) + 2 * y - shift * (number == 3))))
    made = {}
    for number, (y, p) in enumerate(drawn):
        rest = [item for other, item in enumerate(drawn) if other != number]
        made[number] = Judged(y, p, *(np.concatenate(part) for part in zip(*rest, strict=True)))
    return made


def test_rows_hold_what_sets_do_on_every_group():
    table = conformal_rows("left-out clusters", "s", groups(2)).set_index(["confidence", "group"])
    own = groups(2)[1]
    found = coverage(
        own.labels, fit_conformal(own.fit_labels, own.fit_probabilities, 0.9)(own.probabilities)
    )
    row = table.loc[0.9, "1"]
    assert (row["coverage"], row["coverage_0"], row["coverage_1"]) == pytest.approx(
        (found.share, *found.by_class)
    )
    assert (row["fit_0"], row["fit_1"]) == (180, 90)
    exact = binomtest(found.covered[1], found.counts[1]).proportion_ci(0.95, "wilson")
    assert (row["coverage_1_low"], row["coverage_1_high"]) == pytest.approx(tuple(exact))
    shares = table[[f"share_{name}" for name in ("none", "0", "1", "both")]]
    assert np.allclose(shares.sum(axis=1), 1)
    together = table.loc[0.9, "all"]
    parts = table.loc[0.9].drop("all")
    assert together["coverage"] == pytest.approx(parts["coverage"].mean())
    assert together["entries"] == parts["entries"].sum()


def test_shift_takes_coverage_and_random_parts_give_it_back(monkeypatch):
    monkeypatch.setattr(module, "N_REPEATS", 20)
    shifted = conformal_rows("left-out clusters", "s", groups(4)).set_index(["confidence", "group"])
    assert shifted.loc[0.9, "3"]["coverage_1"] < 0.3
    table = random_rows("random parts", "s", groups(4)).set_index("confidence")
    for confidence, row in table.iterrows():
        for column in ("coverage_0", "coverage_1"):
            assert row[column] == pytest.approx(confidence, abs=0.03)
        assert row["entries"] == 360
        assert row["positives"] == 120
    assert table.loc[0.9]["mean_size"] > table.loc[0.8]["mean_size"]
