import numpy as np
import pytest

from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.models.shapes import require_shapes, stack, weight_shapes

D = 4
CONFIG = TrialConfig(n_layers=2, n_neurons=6, readout_width=8)


def zeros(dimension=D, lead=()):
    shapes = weight_shapes(CONFIG, dimension).items()
    return {name: np.zeros((*lead, *shape), np.float32) for name, shape in shapes}


def test_shapes_are_those_of_the_network():
    from sie.models.atomsets import AtomSets, initial_weights

    named = AtomSets(CONFIG, D).named_variables()
    found = weight_shapes(CONFIG, D)
    assert {name: tuple(variable.shape) for name, variable in named.items()} == found
    assert list(named) == list(found)
    require_shapes(initial_weights(CONFIG, D, seed=0), CONFIG, D)


def test_members_are_stacked_in_their_order_as_float32():
    members = [zeros(), zeros()]
    members[1]["score/bias"] = np.ones(1)
    stacked = stack(members)
    np.testing.assert_array_equal(stacked["score/bias"], [[0], [1]])
    assert {array.dtype for array in stacked.values()} == {np.dtype(np.float32)}
    require_shapes(stacked, CONFIG, D, n_leading=1)


def test_members_of_two_shapes_are_not_stacked():
    with pytest.raises(InputError, match="member 1 has another network shape"):
        stack([zeros(), zeros(dimension=5)])
    with pytest.raises(InputError, match="no member"):
        stack([])


@pytest.mark.parametrize("lead", [(), (3,)])
def test_what_does_not_fit_is_named(lead):
    def require(weights, dimension=D):
        require_shapes(weights, CONFIG, dimension, len(lead))

    require(zeros(lead=lead))
    with pytest.raises(InputError, match="rows of 5 numbers, but the network takes 4"):
        require(zeros(lead=lead), dimension=5)
    missing = zeros(lead=lead)
    del missing["phi/1/bias"]
    with pytest.raises(InputError, match="phi/1/bias on one side only"):
        require(missing)
    wrong = zeros(lead=lead) | {"score/bias": np.zeros((*lead, 2), np.float32)}
    with pytest.raises(InputError, match=r"score/bias has shape \(2,\), expected \(1,\)"):
        require(wrong)
