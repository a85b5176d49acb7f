"""The readout against megnet's own layer and network."""

from __future__ import annotations

import numpy as np
import pytest

from sie.features.graph import _graph, orbit_graph
from sie.features.megnet_readout import crystal_values, set2set
from sie.features.weights import Set2SetWeights, bundled_path, bundled_weights, read_readout
from sie.structures.orbits import Orbits

COUNTS = np.array([1, 4, 2, 1, 3, 2, 1, 5])
GROUP = np.array([0, 0, 0, 1, 2, 2, 2, 2])


@pytest.fixture(scope="module")
def weights() -> Set2SetWeights:
    rng = np.random.default_rng(1)
    shapes = [((6, 5), (5,)), ((10, 20), (20,))]
    memory, recurrent = (
        tuple(rng.normal(size=shape).astype(np.float32) for shape in pair) for pair in shapes
    )
    return Set2SetWeights(memory, recurrent, 3)


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(len(GROUP), 6)).astype(np.float32)


def test_equals_the_layer_of_megnet_over_single_members(rows, weights):
    import tensorflow as tf
    from megnet.layers.readout.set2set import Set2Set

    layer = Set2Set(T=3, n_hidden=5)
    members = tf.constant(np.repeat(rows, COUNTS, axis=0)[None])
    group = tf.constant(np.repeat(GROUP, COUNTS)[None].astype(np.int32))
    layer.build([members.shape, group.shape])
    layer.set_weights([*weights.memory, *weights.recurrent])
    expected = layer([members, group]).numpy()[0]
    np.testing.assert_allclose(set2set(rows, COUNTS, GROUP, weights), expected, atol=2e-6)


def test_a_common_factor_of_the_counts_does_not_matter(rows, weights):
    factor = np.array([3, 7, 2])[GROUP]
    one, other = (set2set(rows, n, GROUP, weights) for n in (COUNTS, COUNTS * factor))
    np.testing.assert_allclose(one, other, atol=2e-6)


def test_large_matches_do_not_overflow(rows, weights):
    steep = Set2SetWeights(tuple(1e4 * x for x in weights.memory), weights.recurrent, 3)
    assert np.isfinite(set2set(rows, COUNTS, GROUP, steep)).all()


def test_the_whole_network_equals_that_of_megnet(crystals):
    from megnet.models import MEGNetModel

    keras = MEGNetModel.from_file(str(bundled_path()))
    ordered = [crystals["LiCl"], crystals["LiCl"].get_primitive_structure()]
    ordered[1].translate_sites([0], [0.06, 0.03, -0.04])  # not at random: it must differ enough
    for structure in ordered:
        structure.remove_oxidation_states()
    expected = [float(np.ravel(keras.predict_structure(item))[0]) for item in ordered]
    graphs = [orbit_graph(structure, bundled_weights()) for structure in ordered]
    found = crystal_values(graphs, bundled_weights(), read_readout(bundled_path()))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert abs(found[0] - found[1]) > 1e-3


def test_orbits_stand_for_all_their_sites(crystals):
    weights, readout = bundled_weights(), read_readout(bundled_path())
    by_orbit = [orbit_graph(structure, weights) for structure in crystals.values()]
    every_site = [
        _graph(structure, Orbits.from_labels(np.arange(len(structure))), weights, 5.0)
        for structure in crystals.values()
    ]
    assert [len(graph.atoms) for graph in by_orbit] < [len(graph.atoms) for graph in every_site]
    found = crystal_values(by_orbit, weights, readout)
    np.testing.assert_allclose(found, crystal_values(every_site, weights, readout), atol=2e-5)


def test_the_readout_of_the_bundled_model_fits_its_blocks():
    readout = read_readout(bundled_path())
    for part in (readout.atom, readout.bond):
        assert [x.shape for x in (*part.memory, *part.recurrent)] == [
            (32, 16), (16,), (32, 64), (64,)
        ]  # fmt: skip
        assert part.steps == 2  # told by the file: the band-gap model has 3
    assert [kernel.shape for kernel, _ in readout.dense] == [(96, 32), (32, 16), (16, 1)]
