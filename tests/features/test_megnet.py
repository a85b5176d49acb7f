"""The forward pass is checked against megnet's own keras network, site by site."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser

from sie.features.extract import LEVELS, compute_levels, represent_all
from sie.features.graph import OrbitGraph, orbit_graph
from sie.features.megnet import atom_vectors, expand_distances, softplus2
from sie.features.weights import bundled_weights
from sie.structures.orbits import orbits
from sie.structures.oxidation import prepare
from sie.structures.representations import Representation

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def obelix(shared_data) -> dict[str, Structure]:
    structures = {}
    with tarfile.open(shared_data / "obelix" / "all_cifs.tar.gz") as archive:
        for member in archive:
            if member.name.endswith(".cif"):
                text = archive.extractfile(member).read().decode()
                parser = CifParser.from_str(text, occupancy_tolerance=2.0)
                structures[member.name] = parser.parse_structures(primitive=False)[0]
    assert len(structures) == 321
    return prepare(structures)[0]


def largest_differences(
    structures, representation, plain_megnet, precision="float32"
) -> dict[int, float]:
    """Return per level the largest difference between expanded orbits and every site's vector."""
    shown = represent_all(structures, representation)
    features = compute_levels(structures, representation)
    worst = dict.fromkeys(LEVELS, 0.0)
    oracle = plain_megnet(shown.values(), precision)
    for i, (structure, plain) in enumerate(zip(shown.values(), oracle, strict=True)):
        site_to_orbit = orbits(structure).site_to_orbit
        for level in LEVELS:
            start, stop = features[level].offsets[i : i + 2]
            rows = features[level].rows[start:stop]
            assert len(rows) == site_to_orbit.max() + 1
            counts = np.bincount(site_to_orbit)
            assert np.array_equal(features[level].multiplicity[start:stop], counts)
            difference = np.abs(rows[site_to_orbit] - plain[level]).max()
            worst[level] = max(worst[level], float(difference))
    return worst


@pytest.mark.parametrize("representation", Representation)
def test_orbits_expand_to_the_vectors_of_megnet(crystals, plain_megnet, representation):
    worst = largest_differences(crystals, representation, plain_megnet)
    assert max(worst.values()) < TOLERANCE, worst


def test_a_partly_isolated_atom_is_treated_as_megnet_does(plain_megnet):
    cell = Structure(Lattice.cubic(11.0), ["Li", "Cl", "Xe"], [[0, 0, 0], [0.2, 0, 0], [0.5] * 3])
    worst = largest_differences({"a": cell}, "CAMN", plain_megnet)
    assert max(worst.values()) < TOLERANCE, worst


@pytest.mark.shared
@pytest.mark.parametrize(
    "representation",
    [pytest.param(r, marks=[] if r == "CANS" else pytest.mark.long) for r in Representation],
)
def test_all_obelix_cifs_expand_to_the_vectors_of_megnet(obelix, plain_megnet, representation):
    worst = largest_differences(obelix, representation, plain_megnet, "float64")
    assert max(worst.values()) < TOLERANCE, worst


@pytest.mark.shared
def test_all_obelix_cifs_agree_with_megnet_in_its_own_precision(obelix, plain_megnet):
    worst = largest_differences(obelix, "CAMN", plain_megnet, "float32")
    # V3: megnet's float32 means over a cell's bonds are off by up to 2.6e-4, ours by 3e-5
    assert max(worst[level] for level in (0, 1, 2)) < TOLERANCE, worst
    assert worst[3] < 5 * TOLERANCE


def test_vectors_do_not_depend_on_the_company_in_a_batch(crystals):
    weights = bundled_weights()
    graphs = [orbit_graph(s, weights) for s in represent_all(crystals, "CAMN").values()]
    together = atom_vectors(graphs, weights, 3)
    alone = [atom_vectors([graph], weights, 3) for graph in graphs]
    for level in LEVELS:
        separate = np.concatenate([vectors[level] for vectors in alone])
        np.testing.assert_allclose(together[level], separate, atol=1e-5)


def test_softplus_is_exact_where_naive_formulas_overflow():
    x = np.array([-200.0, -1.0, 0.0, 1e-3, 3.0, 200.0], dtype=np.float32)
    expected = np.logaddexp(0, x.astype(float)) - np.log(2)
    np.testing.assert_allclose(softplus2(x), expected, rtol=1e-6, atol=1e-6)


def graph_with(distances: list[float], cutoff: float) -> OrbitGraph:
    n = len(distances)
    return OrbitGraph(
        np.zeros((1, 16), np.float32),
        np.ones(1, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.array(distances),
        np.ones(n, np.int64),
        cutoff,
    )


@pytest.mark.parametrize("cutoff", [5.0, 6.0, 9.0])
def test_the_distance_grid_is_stretched_with_the_cutoff(cutoff):
    centres = np.linspace(0, cutoff + 1, 100)
    expanded = expand_distances(graph_with([0.0, 2.34, cutoff], cutoff), bundled_weights())
    expected = np.exp(-((np.array([0.0, 2.34, cutoff])[:, None] - centres) ** 2) / 0.25)
    np.testing.assert_allclose(expanded, expected, atol=1e-6)
