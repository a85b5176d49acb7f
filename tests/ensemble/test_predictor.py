import json
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from ensemble_examples import (
    argyrodite,
    calibrated_ensemble,
    crystals,
    ensemble_of_views,
    mixed_ensemble,
    rock_salt,
    small_ensemble,
)
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from sie.ensemble.predictor import SuperionicEnsemble
from sie.ensemble.storage import load_megnet, save_ensemble
from sie.errors import InputError
from sie.features.extract import compute_features
from sie.features.view_features import compute_view
from sie.features.views import parse_view
from sie.structures.oxidation import prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_ensemble(tmp_path_factory.mktemp("kept") / "ensemble", small_ensemble())


@pytest.fixture(scope="module")
def ensemble(folder):
    return SuperionicEnsemble.load(folder)


def by_networks(trained, features):
    """Return the members' probabilities from the TensorFlow networks, one after the other."""
    from sie.models.atomsets import build_atomsets

    owner = np.repeat(np.arange(len(features)), np.diff(features.offsets)).astype(np.int32)
    columns = []
    for member, weights in zip(trained.members, trained.weights, strict=True):
        network = build_atomsets(member.config, features.dimension, 0)
        network.assign_weights(weights)
        columns.append(network([features.rows, features.multiplicity, owner]).numpy())
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(
    ("representation", "level"), [("CAMNS", "V1"), ("CAMN", "V0"), ("CAN", "V1")]
)
def test_scores_are_those_of_the_networks_on_the_features_of_training(
    representation, level, tmp_path
):
    trained = small_ensemble(representation, level)
    loaded = SuperionicEnsemble.load(save_ensemble(tmp_path, trained))
    decorated = prepare(crystals())[0]
    features = compute_features(decorated, representation, int(level[1]))
    expected = by_networks(trained, features)
    assert np.ptp(expected) > 0.1
    scores = loaded.score(crystals())
    assert scores.ids == tuple(crystals())
    np.testing.assert_allclose(scores.members, expected, rtol=1e-5)
    np.testing.assert_allclose(scores.p_si, expected.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(scores.sd, expected.std(axis=1), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(loaded.score_features(features).members, expected, rtol=1e-5)


def test_members_see_new_crystals_through_their_own_views(tmp_path):
    trained = ensemble_of_views()
    loaded = SuperionicEnsemble.load(save_ensemble(tmp_path, trained))
    decorated = prepare(crystals())[0]
    scores = loaded.score(crystals()).members
    for column, (member, weights) in enumerate(zip(trained.members, trained.weights, strict=True)):
        alone = replace(trained, members=(member,), weights=[weights])
        # on the orbits of its own view, as it is trained where nothing else is seen
        features = compute_view(decorated, parse_view(member.config.view))
        expected = by_networks(alone, features)[:, 0]
        np.testing.assert_allclose(scores[:, column], expected, rtol=2e-4)
    with pytest.raises(InputError, match=r"takes CAMNS-V1\+CAMN-V0\+V1 \(80\)"):
        loaded.score_features(compute_features(decorated, "CAMN", 1))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = save_ensemble(tmp_path_factory.mktemp("mixed") / "ensemble", mixed_ensemble())
    return SuperionicEnsemble.load(folder)


def test_a_forest_has_its_weight_and_the_networks_the_rest(mixed, ensemble):
    given = {"Pu": rock_salt(anion="Pu"), **crystals()}
    scores, networks = mixed.score(given), ensemble.score(given).members
    forest = mixed.forest.of_compositions([s.composition for s in given.values()])
    assert scores.members.shape == (5, len(mixed)) == (5, 7)
    np.testing.assert_allclose(scores.members, np.column_stack([networks, forest]), rtol=1e-6)
    np.testing.assert_allclose(scores.p_si, 0.6 * networks.mean(axis=1) + 0.4 * forest, rtol=1e-6)
    variance = 0.6 * ((networks - scores.p_si[:, None]) ** 2).mean(axis=1)
    variance += 0.4 * (forest - scores.p_si) ** 2
    np.testing.assert_allclose(scores.sd, np.sqrt(variance), rtol=1e-6)
    assert np.ptp(forest) > 0.2
    assert mixed.words == "6 networks and a forest of 20 trees with weight 0.4"
    # the composition is the crystal's own, whatever the networks are shown
    features = mixed.features(given)
    compositions = [given[entry].composition for entry in features.ids]
    np.testing.assert_allclose(
        mixed.score_features(features, compositions).p_si, scores.p_si, rtol=1e-6
    )
    for wrong in (None, compositions[1:]):
        with pytest.raises(InputError, match="give the composition of each structure"):
            mixed.score_features(features, wrong)
    assert mixed.attention(features).shape == (6, len(features.rows))
    assert mixed.weights_hash != ensemble.weights_hash


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_calibration_answers_beside_the_raw_score(mixed, method, tmp_path):
    made = calibrated_ensemble(method=method)
    ensemble = SuperionicEnsemble.load(save_ensemble(tmp_path, made))
    scores, raw = ensemble.score(crystals()), mixed.score(crystals())
    for name in ("sd", "members"):
        np.testing.assert_allclose(getattr(scores, name), getattr(raw, name), rtol=1e-6)
    np.testing.assert_allclose(scores.raw, raw.p_si, rtol=1e-6)
    np.testing.assert_allclose(scores.p_si, made.calibration.calibrator(raw.p_si), rtol=1e-5)
    assert np.abs(scores.p_si - scores.raw).max() > 0.1
    proba, before = (ensemble.predict_proba(crystals(), raw=raw)[:, 1] for raw in (False, True))
    np.testing.assert_array_equal(proba, scores.p_si)
    np.testing.assert_array_equal(before, scores.raw)
    np.testing.assert_array_equal(ensemble.predict(crystals()), scores.p_si >= 0.5)
    for coverage in (0.9, 0.7):
        expected = made.calibration.prediction_sets(raw.p_si, coverage)
        np.testing.assert_array_equal(ensemble.prediction_sets(crystals(), coverage), expected)
    given = {"Na": rock_salt(cation="Na"), **crystals()}
    assert not ensemble.prediction_sets(given, errors="nan")[0].any()
    assert np.isnan(ensemble.predict_proba(given, errors="nan")[0]).all()
    assert ensemble.weights_hash != mixed.weights_hash
    assert ensemble.words.endswith(f", calibrated ({method})")
    with pytest.raises(InputError, match="no calibration, so no sets"):
        mixed.prediction_sets(crystals())


def test_bad_structures_are_nan_beside_a_forest_too(mixed):
    given = {"Na": rock_salt(cation="Na"), "LiBr": rock_salt(anion="Br"), "LiCl": rock_salt()}
    scores = mixed.score(given, errors="nan")
    np.testing.assert_array_equal(np.isnan(scores.p_si), [True, False, False])
    assert scores.p_si[2] == pytest.approx(mixed.score(rock_salt()).p_si[0])


def test_the_ways_to_ask_agree(ensemble):
    scores = ensemble.score(crystals())
    probabilities = ensemble.predict_proba(crystals())
    np.testing.assert_array_equal(ensemble.classes_, [0, 1])
    np.testing.assert_array_equal(probabilities[:, 1], scores.p_si)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(ensemble.member_scores(crystals()), scores.members)
    assert scores.members.shape == (4, len(ensemble)) == (4, 6)
    between = float(np.median(scores.p_si))
    np.testing.assert_array_equal(ensemble.predict(crystals(), between), scores.p_si >= between)
    assert ensemble.predict(crystals(), between).dtype == np.int64


def test_scores_do_not_depend_on_what_else_is_scored(ensemble):
    given = crystals()
    together = ensemble.score(given).members
    for i, (entry, structure) in enumerate(given.items()):
        np.testing.assert_allclose(
            ensemble.score({entry: structure}).members[0], together[i], rtol=1e-5
        )
    backwards = ensemble.score(dict(reversed(given.items()))).members
    np.testing.assert_allclose(backwards[::-1], together, rtol=1e-5)


def test_the_cell_and_the_kind_of_input_do_not_matter(ensemble, tmp_path):
    crystal = argyrodite()
    path = tmp_path / "argyrodite.cif"
    CifWriter(crystal, significant_figures=12).write_file(path)
    given = [
        crystal,
        crystal * (1, 1, 2),
        crystal.get_primitive_structure(),
        path,
        path.read_text(),
    ]
    members = ensemble.score(given).members
    np.testing.assert_allclose(members, np.tile(members[0], (5, 1)), rtol=1e-4)
    assert ensemble.predict_proba(crystal).shape == (1, 2)


def test_the_features_come_from_the_network_kept_with_the_ensemble(folder):
    from dataclasses import replace

    network = load_megnet(folder)
    other = replace(network, embedding=network.embedding * 1.5)
    ours, theirs = (SuperionicEnsemble(small_ensemble(), n) for n in (network, other))
    assert not np.allclose(ours.score(crystals()).p_si, theirs.score(crystals()).p_si)


def test_bad_structures_raise_or_are_nan():
    ensemble = SuperionicEnsemble(small_ensemble("CAMN"))
    lonely = Structure(Lattice.cubic(9.5), ["Li"], [[0, 0, 0]])
    bad = {"Na": rock_salt(cation="Na"), "Lr": rock_salt(anion="Lr")}
    for entry, structure in bad.items():
        with pytest.raises(InputError, match=f"structure {entry}: "):
            ensemble.score({"LiCl": rock_salt(), entry: structure})
    scores = ensemble.score({"LiCl": rock_salt(), **bad, "lonely": lonely}, errors="nan")
    np.testing.assert_array_equal(np.isnan(scores.p_si), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(scores.members[:, 0]), [False, True, True, False])
    assert set(scores.refused) == set(bad)
    assert "no MEGNet embedding" in scores.refused["Lr"]
    assert not scores.refused["Lr"].startswith("structure")
    assert scores.p_si[0] == pytest.approx(ensemble.score(rock_salt()).p_si[0])


def test_nothing_and_only_bad_ones_give_empty_answers(ensemble):
    assert ensemble.predict_proba([]).shape == (0, 2)
    scores = ensemble.score({"Na": rock_salt(cation="Na")}, errors="nan")
    assert np.isnan(scores.p_si).all() and scores.members.shape == (1, 6)


def test_features_of_another_level_are_refused(ensemble):
    other = compute_features(prepare(crystals())[0], "CAMNS", 0)
    with pytest.raises(InputError, match="rows of 16 numbers, the ensemble takes CAMNS-V1"):
        ensemble.score_features(other)


def test_attention_sums_to_one_over_each_structure(ensemble):
    features = ensemble.features(crystals())
    shares = ensemble.attention(features)
    assert shares.shape == (len(ensemble), len(features.rows))
    sums = np.add.reduceat(shares, features.offsets[:-1], axis=1)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


def test_loading_and_scoring_need_none_of_the_heavy_packages(tmp_path):
    folder = save_ensemble(tmp_path / "calibrated", calibrated_ensemble())
    path = tmp_path / "LiCl.cif"
    CifWriter(rock_salt()).write_file(path)
    script = f"""
        import json, sys
        from sie.ensemble.predictor import SuperionicEnsemble
        p = SuperionicEnsemble.load({str(folder)!r}).predict_proba({str(path)!r})
        print(json.dumps([p[0, 1], sorted(name for name in sys.modules if "." not in name)]))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    p_si, loaded = json.loads(ran.stdout)
    heavy = {"tensorflow", "tensorflow_addons", "keras", "ray", "maml", "megnet", "mlflow", "h5py"}
    heavy |= {"sklearn"}
    assert not heavy & set(loaded)
    assert p_si == pytest.approx(SuperionicEnsemble.load(folder).score(rock_salt()).p_si[0], 1e-5)
