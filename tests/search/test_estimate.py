import dataclasses

import numpy as np
import pytest

from sie.models.config import TrialConfig
from sie.search.estimate import Sizes, epoch_flops, estimate_seconds, expected_epochs, machine_flops
from sie.search.plan import Budget

SIZES = Sizes(n_train=250, n_validation=40, rows_per_structure=7.0, dimension=32)


def test_flops_of_the_readout_alone_by_hand():
    config = TrialConfig(n_layers=1, n_neurons=1, readout_width=10, readout_steps=2)
    sizes = Sizes(1, 0, 1.0, 1)
    # dense 1, gates one half of 10 x 30, rho 20, four products 10 x 1 between rows and memory,
    # four of the row with a batch of 64; twice, three passes
    assert epoch_flops(config, sizes) == 3 * 2 * (1 + 300 + 20 + 40 + 256)


def test_a_view_counts_with_its_own_columns():
    narrow = TrialConfig(view="CAMN-V0")
    sizes = dataclasses.replace(SIZES, dimension=16)
    assert epoch_flops(narrow, SIZES) == epoch_flops(TrialConfig(), sizes)
    assert epoch_flops(narrow, SIZES) < epoch_flops(TrialConfig(), SIZES)


def test_expected_epochs_by_hand():
    assert expected_epochs(Budget()) == 40 + 120 / 4 + 340 / 16
    assert expected_epochs(Budget(max_epochs=30)) == 30


@pytest.mark.parametrize("change", [{"trials": 500}, {"max_epochs": 900}, {"repeats": 20}])
def test_more_budget_takes_longer(change):
    from search_examples import SPACE

    budget = Budget()
    more = dataclasses.replace(budget, **change)
    times = [estimate_seconds(SPACE, item, SIZES, 2, 1e10) for item in (budget, more)]
    assert times[1] > 1.1 * times[0]


def test_the_machine_computes():
    assert np.isfinite(machine_flops(64, 0.01))
    assert machine_flops(64, 0.01) > 1e6
