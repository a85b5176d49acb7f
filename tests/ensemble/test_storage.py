import dataclasses
import json
import os

import numpy as np
import pytest
from ensemble_examples import calibrated_ensemble, mixed_ensemble, small_ensemble

from sie.ensemble.storage import (
    CALIBRATION,
    FOREST,
    HEAD,
    KNOWN,
    MEGNET,
    MEMBERS,
    copy_ensemble,
    files_that_score,
    load_ensemble,
    load_megnet,
    save_ensemble,
)
from sie.errors import InputError, SieError
from sie.features.weights import bundled_weights

FILES = (MEMBERS, KNOWN, MEGNET)


@pytest.fixture
def folder(tmp_path):
    return save_ensemble(tmp_path / "new" / "ensemble", small_ensemble())


def test_what_is_loaded_is_what_was_saved_bit_for_bit(folder):
    saved, loaded = small_ensemble(), load_ensemble(folder)
    assert loaded.recipe == saved.recipe and loaded.recipe.hash == saved.recipe.hash
    assert loaded.members == saved.members
    assert loaded.left_out == saved.left_out
    assert loaded.about == {"code_version": "1", "seconds": 2.5}
    np.testing.assert_array_equal(loaded.train_loss, saved.train_loss)
    for one, other in zip(loaded.weights, saved.weights, strict=True):
        assert set(one) == set(other)
        for name, array in one.items():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, other[name])
    for item in dataclasses.fields(saved.known):
        one, other = getattr(loaded.known, item.name), getattr(saved.known, item.name)
        np.testing.assert_array_equal(one, other)
        assert type(one) is type(other)
    assert loaded.known.labels.dtype == np.int8


def test_the_network_of_the_features_comes_along(folder):
    loaded, bundled = load_megnet(folder), bundled_weights()
    for name in ("sha256", "n_centres", "width_angstrom", "cutoff_angstrom"):
        assert getattr(loaded, name) == getattr(bundled, name)
    assert loaded.last_centre_angstrom == bundled.last_centre_angstrom
    np.testing.assert_array_equal(loaded.embedding, bundled.embedding)
    assert len(loaded.blocks) == len(bundled.blocks) == 3
    for one, other in zip(loaded.blocks, bundled.blocks, strict=True):
        for mine, theirs in ((one.feed_forward, other.feed_forward), (one.update, other.update)):
            assert set(mine) == set(theirs)
            for part, layers in theirs.items():
                assert len(mine[part]) == len(layers)
                for found, expected in zip(mine[part], layers, strict=True):
                    np.testing.assert_array_equal(found[0], expected[0])
                    np.testing.assert_array_equal(found[1], expected[1])


def test_a_forest_comes_along_and_goes_with_its_ensemble(tmp_path):
    saved = mixed_ensemble()
    folder = save_ensemble(tmp_path / "e", saved)
    loaded = load_ensemble(folder)
    assert loaded.recipe == saved.recipe and loaded.recipe.hash == saved.recipe.hash
    assert loaded.forest.elements == saved.forest.elements
    for name, array in saved.forest.arrays.items():
        assert loaded.forest.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.forest.arrays[name], array)
    with np.load(folder / FOREST, allow_pickle=False) as archive:
        assert all(archive[key].dtype.kind in "fi" for key in archive.files)
    content = bytearray((folder / FOREST).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / FOREST).write_bytes(content)
    with pytest.raises(InputError, match=r"forest\.npz is damaged"):
        load_ensemble(folder)
    save_ensemble(folder, small_ensemble())
    assert not (folder / FOREST).exists()
    assert load_ensemble(folder).forest is None


def test_a_calibration_comes_along_and_goes_with_its_ensemble(tmp_path):
    saved = calibrated_ensemble(method="isotonic")
    folder = save_ensemble(tmp_path / "e", saved)
    loaded = load_ensemble(folder)
    assert loaded.recipe == saved.recipe and loaded.recipe.hash == saved.recipe.hash
    assert len({e.recipe.hash for e in (saved, mixed_ensemble(), small_ensemble())}) == 3
    assert loaded.calibration.as_dict() == saved.calibration.as_dict()
    names = [FOREST, KNOWN, MEGNET, MEMBERS]
    assert files_that_score(folder) == [folder / name for name in (CALIBRATION, *names)]
    text = (folder / CALIBRATION).read_text()
    for harmed in (text.replace("isotonic", "isotonie", 1), text[:-30], ""):
        (folder / CALIBRATION).write_text(harmed)
        with pytest.raises(InputError, match=r"calibration\.json is damaged"):
            load_ensemble(folder)
    copy_ensemble(save_ensemble(tmp_path / "mixed", mixed_ensemble()), folder)
    assert files_that_score(folder) == [folder / name for name in names]
    assert not (folder / CALIBRATION).exists()
    assert load_ensemble(folder).calibration is None


def test_a_recipe_whose_parts_are_missing_is_damage(tmp_path):
    folder = save_ensemble(tmp_path / "e", calibrated_ensemble())
    head = json.loads((folder / HEAD).read_text())
    del head["sha256"][CALIBRATION]
    (folder / HEAD).write_text(json.dumps(head))
    with pytest.raises(InputError, match="is damaged"):
        load_ensemble(folder)


def test_networks_alone_are_written_as_earlier_versions_read_them(folder, tmp_path):
    head = json.loads((folder / HEAD).read_text())
    assert head["format"] == 1
    assert not {"forest", "calibration"} & {*head, *head["recipe"]}
    mixed = save_ensemble(tmp_path / "mixed", mixed_ensemble())
    assert json.loads((mixed / HEAD).read_text())["format"] == 2


def test_a_forest_that_leads_nowhere_is_damage(tmp_path):
    folder = save_ensemble(tmp_path / "e", mixed_ensemble())
    head = json.loads((folder / HEAD).read_text())
    head["forest"]["elements"] = ["Li"]
    (folder / HEAD).write_text(json.dumps(head))
    with pytest.raises(InputError, match="is damaged"):
        load_ensemble(folder)


def test_members_of_one_shape_share_an_array(folder):
    loaded = load_ensemble(folder)
    first, second, other = (loaded.weights[i]["score/kernel"] for i in (0, 1, 2))
    assert first.base is second.base
    assert first.base is not other.base


def test_saving_again_replaces_and_gives_the_same_bytes(folder, tmp_path):
    before = {name: (folder / name).read_bytes() for name in (*FILES, HEAD)}
    save_ensemble(folder, small_ensemble())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_is_pickled(folder):
    for name in FILES:
        with np.load(folder / name, allow_pickle=False) as archive:
            assert all(archive[key].dtype.kind in "fi" for key in archive.files)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "swap"])
def test_damaged_arrays_are_refused_by_name(folder, name, harm):
    path = folder / name
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "remove":
        path.unlink()
    else:
        path.write_bytes((folder / FILES[FILES.index(name) - 1]).read_bytes())
    read = load_megnet if name == MEGNET else load_ensemble
    with pytest.raises(InputError, match=f"{name} is damaged") as error:
        read(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "12", '{"format": 1}', '{"format":1,"sha256":3}']
)
def test_a_damaged_head_is_refused(folder, text):
    (folder / HEAD).write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        load_ensemble(folder)


@pytest.mark.parametrize(
    "change", [("groups", [[0]]), ("members", [{}]), ("recipe", {}), ("known", 3)]
)
def test_a_head_that_does_not_fit_is_refused(folder, change):
    head = json.loads((folder / HEAD).read_text())
    head[change[0]] = change[1]
    (folder / HEAD).write_text(json.dumps(head))
    with pytest.raises(InputError, match="is damaged"):
        load_ensemble(folder)


def test_a_dataset_that_would_lead_out_of_the_results_is_refused(folder):
    head = json.loads((folder / HEAD).read_text())
    head["recipe"]["dataset"] = "../../.."
    (folder / HEAD).write_text(json.dumps(head))
    with pytest.raises(InputError, match="is damaged") as caught:
        load_ensemble(folder)
    assert "cannot be called" in str(caught.value.__cause__)


def test_a_later_format_and_a_missing_folder_are_refused(folder, tmp_path):
    head = json.loads((folder / HEAD).read_text())
    (folder / HEAD).write_text(json.dumps({**head, "format": 3}))
    with pytest.raises(InputError, match="format 3, this version of sie reads up to 2; upgrade"):
        load_ensemble(folder)
    with pytest.raises(InputError, match="no ensemble in"):
        load_ensemble(tmp_path / "nothing")
    with pytest.raises(InputError, match="no ensemble in"):
        load_megnet(folder / MEMBERS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SieError, match="cannot write"):
        save_ensemble(tmp_path / "ensemble", small_ensemble())


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(SieError, match="cannot write"):
        save_ensemble(tmp_path / "taken", small_ensemble())


def test_networks_of_other_kinds_keep_their_inputs_statistics_and_scores(tmp_path):
    from sie.ensemble.predictor import SuperionicEnsemble
    from sie.features.record import OrbitFeatures
    from sie.models.atomsets import initial_weights
    from sie.models.config import TrialConfig
    from sie.models.forward import log_odds, stack
    from sie.models.inputs import input_statistics

    rng = np.random.default_rng(0)
    rows = rng.normal(2, 3, (12, 16)).astype(np.float32)
    features = OrbitFeatures(tuple("abcd"), rows, np.ones(12, np.float32), np.arange(0, 13, 3))
    small = small_ensemble()
    sizes = {"n_layers": 2, "n_neurons": 8, "readout_width": 16}
    configs = [
        TrialConfig(**sizes, standardise=True),
        TrialConfig(**sizes),
        TrialConfig(**sizes, pooling="attention", activation="tanh", optimiser="adam"),
        TrialConfig(**sizes, pooling="mean", standardise=True, class_weight="balanced"),
    ]
    weights = [
        {**initial_weights(c, 16, i), **(input_statistics(features) if c.standardise else {})}
        for i, c in enumerate(configs)
    ]
    members = tuple(
        dataclasses.replace(small.members[0], config=c, seed=i) for i, c in enumerate(configs)
    )
    ensemble = dataclasses.replace(
        small,
        recipe=dataclasses.replace(small.recipe, members=members),
        members=members,
        weights=weights,
        train_loss=(0.5,) * 4,
        left_out=(),
    )
    loaded = load_ensemble(save_ensemble(tmp_path, ensemble))
    assert loaded.members == members
    for one, other in zip(loaded.weights, weights, strict=True):
        assert one.keys() == other.keys()
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name])
    scores = SuperionicEnsemble.load(tmp_path).score_features(features).members
    for i, config in enumerate(configs):
        odds = log_odds(stack([weights[i]]), config, features)[0]
        np.testing.assert_allclose(scores[:, i], 1 / (1 + np.exp(-odds)), rtol=1e-5)
