"""Finished members on disk: read back as they were, or not at all."""

import dataclasses
import math

import numpy as np
from ensemble_examples import small_ensemble

from sie.ensemble.kept import KeptMembers, TrainedMember


def test_kept_members_are_read_back_unless_damaged_or_of_another_recipe(tmp_path):
    ensemble = small_ensemble()
    recipe = ensemble.recipe
    kept = KeptMembers(tmp_path, recipe, "code")
    assert kept.read() == {}
    weights = ensemble.weights[0]
    kept.save(0, TrainedMember(weights, np.array([0.5, math.nan])))
    kept.save(2, TrainedMember(weights, np.array([0.5])))
    read = kept.read()
    assert list(read) == [0, 2]
    np.testing.assert_array_equal(read[0].train_loss, [0.5, math.nan])
    for name, array in weights.items():
        np.testing.assert_array_equal(read[0].weights[name], array)
    assert KeptMembers(tmp_path, dataclasses.replace(recipe, epochs=8), "code").read() == {}
    (damaged,) = tmp_path.rglob("*0002*")
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert list(kept.read()) == [0]
    other = KeptMembers(tmp_path, recipe, "other code")
    assert other.read() == {}
    other.remove()
    assert not list(tmp_path.iterdir())
