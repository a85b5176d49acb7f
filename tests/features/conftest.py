"""The oracle of the feature tests: megnet's own network over every site of a cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sie.features.weights import bundled_path

PlainMegnet = Callable[..., list[dict[int, np.ndarray]]]


def keras_network(precision: str) -> tuple[Any, np.ndarray]:
    """Return megnet's network from embedded atoms to the three atom vectors, and the embedding."""
    import tensorflow as tf
    from megnet.layers import _CUSTOM_OBJECTS
    from megnet.models import MEGNetModel

    whole = MEGNetModel.from_file(str(bundled_path())).model
    names = [f"meg_net_layer_{k}" for k in (1, 2, 3)]
    loaded = tf.keras.Model(whole.inputs, [whole.get_layer(name).output[0] for name in names])
    config = json.loads(
        json.dumps(loaded.get_config(), default=str).replace('"float32"', f'"{precision}"')
    )
    embedded = {"batch_input_shape": [None, None, 16], "dtype": precision, "name": "embedded"}
    entry = {"class_name": "InputLayer", "name": "embedded", "config": embedded}
    dropped = ("input_1", "embedding_1")
    rest = [layer for layer in config["layers"] if layer["name"] not in dropped]
    text = json.dumps([{**entry, "inbound_nodes": []}, *rest])
    config["layers"] = json.loads(text.replace('"embedding_1"', '"embedded"'))
    config["input_layers"][0] = ["embedded", 0, 0]
    with tf.keras.utils.custom_object_scope(_CUSTOM_OBJECTS):
        network = tf.keras.Model.from_config(config)
    table = loaded.get_layer("embedding_1").get_weights()[0]
    network.set_weights(loaded.get_weights()[1:])  # all but the embedding's
    return tf.function(network, reduce_retracing=True), table


@pytest.fixture(scope="session")
def plain_megnet() -> PlainMegnet:
    """Return a function: represented crystals, precision -> for each {level: vectors of all sites}.

    The keras model that megnet loads, with the embedding layer's output as an input; graphs by
    megnet's converter for disordered crystals; no orbits, no code of sie. In float32 megnet's
    means over tens of thousands of bonds are themselves off by up to 1e-4 (V3 of large cells).
    """
    import tensorflow as tf
    from megnet.data.crystal import CrystalGraphDisordered
    from megnet.data.graph import GaussianDistance

    converter = CrystalGraphDisordered(
        bond_converter=GaussianDistance(np.linspace(0, 6, 100), 0.5), cutoff=5.0
    )
    networks: dict[str, tuple[Any, np.ndarray]] = {}

    def one(structure: Structure, precision: str) -> dict[int, np.ndarray]:
        network, table = networks[precision]
        sites = [{sp.Z: amount for sp, amount in site.species.items()} for site in structure]
        atoms = np.array([sum(table[z] * a for z, a in site.items()) for site in sites])
        graph = converter.convert(structure)
        bonds = converter.bond_converter.convert(graph["bond"])
        inputs = [array.astype(precision) for array in (atoms, bonds, np.zeros((1, 2)))]
        inputs += [np.asarray(graph[name], np.int32) for name in ("index1", "index2")]
        inputs += [np.zeros(n, np.int32) for n in (len(atoms), len(bonds))]
        outputs = network([tf.constant(item[None]) for item in inputs])
        return {0: atoms, **{k: v.numpy()[0] for k, v in enumerate(outputs, start=1)}}

    def run(
        structures: Iterable[Structure], precision: str = "float32"
    ) -> list[dict[int, np.ndarray]]:
        if precision not in networks:
            networks[precision] = keras_network(precision)
        return [one(structure, precision) for structure in structures]

    return run


@pytest.fixture(scope="session")
def crystals() -> dict[str, Structure]:
    """Return small crystals: ordered, disordered, of low symmetry, with oxidation states."""
    from sie.structures.oxidation import prepare

    rock_salt = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5] * 3]
    )
    argyrodite = Structure.from_spacegroup(
        "F-43m",
        Lattice.cubic(9.85),
        [{"Li": 0.5}, "P", "S", {"S": 0.4, "Cl": 0.6}, {"S": 0.6, "Cl": 0.4}],
        [[0.183, 0.183, 0.024], [0.5] * 3, [0.618] * 3, [0] * 3, [0.25] * 3],
    )
    skewed = Structure(
        Lattice.from_parameters(4.1, 5.3, 6.2, 82, 97, 111),
        [{"Li": 0.7, "Na": 0.2}, {"Fe": 0.5, "P": 0.4}, "O", "F"],
        [[0.02, 0.11, 0.2], [0.47, 0.55, 0.61], [0.3, 0.8, 0.15], [0.7, 0.25, 0.8]],
    )
    return prepare({"LiCl": rock_salt, "argyrodite": argyrodite, "skewed": skewed})[0]
