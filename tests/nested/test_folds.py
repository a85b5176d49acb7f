"""Random folds: last epochs alone, and the mixture is the mean of both."""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_1samp

from sie.nested.baselines import BaselineCandidate
from sie.nested.candidates import RECIPE, Candidate
from sie.nested.estimate import Frame
from sie.nested.folds import folds_table
from sie.nested.trainings import Fits

IDS = tuple("abcdefgh")
FRAME = Frame({e: i % 2 for i, e in enumerate(IDS)}, {"0": IDS[:4], "1": IDS[4:]}, 5, "hash")
TRUTH = np.array([0.1, 0.9, 0.2, 0.8], "f4")


def test_only_the_last_epochs_count():
    early, late = 1 - TRUTH, TRUTH
    network = Candidate("CAMN-V0", RECIPE, "network")
    curve = np.stack([early, early, late, late])  # a point every five epochs
    forest = BaselineCandidate("forest-fractions")
    made = [
        Fits(network, 0, np.arange(5, 25, 5), {"0": curve, "1": curve}),
        Fits(forest, 0, np.zeros(1, int), {"0": early[None], "1": late[None]}),
    ]
    table = folds_table(made, FRAME, forest.name, network.hash).set_index("system")
    assert table.loc["all networks", "auc_pr"] == 1
    assert table.loc["chosen network", "auc_pr"] == 1
    assert table.loc["forest", "auc_pr_1"] == 1
    assert table.loc["forest", "auc_pr_0"] < 0.5
    # half of each: on fold 0 they cancel, which is a constant prediction
    assert table.loc["all networks + forest", "auc_pr_0"] == 0.5
    assert table.loc["all networks + forest", "members"] == 1
    assert table.loc["constant", ["auc_pr", "mcc", "members"]].tolist() == [0.5, 0, 0]


def test_differences_are_paired_by_fold():
    network = Candidate("CAMN-V0", RECIPE, "network")
    forest = BaselineCandidate("forest-fractions")
    good, bad = TRUTH[None], (1 - TRUTH)[None]
    made = [
        Fits(network, 0, np.array([5]), {"0": good, "1": good}),
        Fits(forest, 0, np.zeros(1, int), {"0": good, "1": bad}),
    ]
    table = folds_table(made, FRAME, forest.name, network.hash).set_index("system")
    clusters = [f"auc_pr_{fold}" for fold in (0, 1)]
    less = (table.loc["all networks", clusters] - table.loc["forest", clusters]).to_numpy(float)
    found = table.loc["all networks", ["minus_forest", "minus_forest_low", "minus_forest_high"]]
    expected = ttest_1samp(less, 0).confidence_interval(0.95)
    assert np.allclose(found.to_numpy(float), [less.mean(), *expected])
    assert table.loc["forest", "minus_forest"] == 0
