"""Random folds: last epochs alone, and the mixture is the mean of both."""

from __future__ import annotations

import numpy as np

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
