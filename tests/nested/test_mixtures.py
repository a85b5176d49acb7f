"""Mixtures are means of what was chosen inside; the outer cluster has no part in them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sie.nested.baselines import BaselineCandidate
from sie.nested.candidates import RECIPE, Candidate
from sie.nested.estimate import Frame, score
from sie.nested.mixtures import MIXTURES, Mixer, Mixture, mixtures_table
from sie.nested.trainings import Fits
from sie.search.selection import SelectionRule

SIZE, POINTS = 10, 8
IDS = tuple(f"e{i:02d}" for i in range(3 * SIZE))
LABELS = {entry: int(i % 3 == 0) for i, entry in enumerate(IDS)}
FRAME = Frame(
    LABELS,
    {
        "-".join(map(str, chosen)): tuple(e for c in chosen for e in IDS[c * SIZE : (c + 1) * SIZE])
        for n in (1, 2)
        for chosen in combinations(range(3), n)
    },
    2,
    "hash",
)
RULE = SelectionRule(window=4, min_epoch=2)


def scored(named, skill: float, points: int = POINTS, seed: int = 0):
    rng = np.random.default_rng([seed, int(100 * skill)])
    tables = {}
    for key, ids in FRAME.validation.items():
        truth = np.array([LABELS[e] for e in ids])
        noise = rng.random((points, len(ids)))
        tables[key] = ((1 - skill) * noise + skill * truth).astype("f4")
    return score(Fits(named, seed, np.arange(1, points + 1) * 2, tables), FRAME)


def mixer(change=None) -> Mixer:
    networks = {
        view: [scored(Candidate(view, RECIPE, view), skill)]
        for view, skill in (("CAMN-V0", 0.1), ("CAMN-V1", 0.6), ("CAMN-V2", 0.3))
    }
    forest = [scored(BaselineCandidate("forest-fractions"), 0.4, points=1)]
    if change:
        change(networks, forest)
    return Mixer(networks, forest, FRAME, RULE)


def test_a_mixture_is_half_forest_half_the_mean_of_its_networks():
    made = mixer()
    alone, networks = (
        made.outside(m, 1) for m in (Mixture(-1, forest=True), Mixture(0, forest=False))
    )
    assert np.allclose(made.outside(Mixture(0, forest=True), 1), (alone + networks) / 2)


def test_the_best_network_is_the_one_of_the_highest_inner_validation():
    only = mixer(lambda networks, _: [networks.pop("CAMN-V0"), networks.pop("CAMN-V2")])
    best, all_of_one = Mixture(1, forest=False), Mixture(0, forest=False)
    assert np.allclose(mixer().outside(best, 2), only.outside(all_of_one, 2))


@pytest.mark.parametrize("outer", range(3))
def test_labels_of_the_outer_cluster_change_nothing(outer):
    plain = mixer()
    expected = {m: (plain.inside(m, outer), plain.outside(m, outer)) for m in MIXTURES}
    flipped = {e: 1 - v if e in FRAME.members(outer) else v for e, v in LABELS.items()}
    frame = Frame(flipped, FRAME.validation, 2, "hash")
    again = {name: [score(s.fits, frame) for s in of] for name, of in plain.networks.items()}
    other = Mixer(again, plain.forest, frame, RULE)
    for mixture, (inside, outside) in expected.items():
        assert other.inside(mixture, outer) == inside
        assert np.array_equal(other.outside(mixture, outer), outside)


def test_a_diverged_network_is_left_out():
    def diverge(networks, forest):
        for table in networks["CAMN-V1"][0].fits.probabilities.values():
            table[:] = np.nan
        networks["CAMN-V1"] = [score(networks["CAMN-V1"][0].fits, FRAME)]

    without = mixer(lambda networks, _: networks.pop("CAMN-V1"))
    mixture = Mixture(0, forest=False)
    assert np.allclose(mixer(diverge).outside(mixture, 0), without.outside(mixture, 0))


def test_the_table_holds_every_mixture_and_the_choice():
    table = mixtures_table(mixer(), FRAME).set_index("mixture")
    assert len(table) == len(MIXTURES) + 1
    assert table.loc["forest", "minus"] == 0
    clusters = [f"auc_pr_{c}" for c in FRAME.clusters]
    assert np.allclose(table[clusters].mean(axis=1), table["auc_pr"])
    assert (table["low"] <= table["high"]).all()
