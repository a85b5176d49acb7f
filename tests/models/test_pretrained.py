from dataclasses import replace

import numpy as np
import pytest

from sie.errors import InputError
from sie.models import pretrained as module
from sie.models.config import TrialConfig
from sie.models.pretrained import (
    StartingWeights,
    load_starting_weights,
    pack,
    read_pretrained,
    unpack,
    write_pretrained,
)

CONFIG = TrialConfig(n_layers=2, n_neurons=4, readout_width=8, readout_steps=2)


def network(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"phi/0/kernel": (3, 4), "readout/hidden_kernel": (8, 24), "score/bias": (1,)}
    return {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    folder = tmp_path / "shipped"
    monkeypatch.setattr(module, "SHIPPED", folder)
    write_pretrained(folder / "CAMN-V1-2x4.npz", CONFIG, 3, network(), {"task": "t"})
    return folder


def test_packing_loses_little_and_only_once(monkeypatch):
    monkeypatch.setattr(module, "CODED_FROM", 100)
    weights = network()
    weights["readout/hidden_kernel"][:, 3] = 0
    packed = pack(weights)
    assert packed["readout/hidden_kernel#code"].dtype == np.int8
    assert packed["phi/0/kernel"].dtype == np.float16
    found = unpack(packed)
    assert found.keys() == weights.keys()
    for name, array in weights.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == array.shape
        largest = np.abs(array).max(axis=0)
        assert (np.abs(found[name] - array) <= largest / 127 / 2 + 1e-7).all()
    again = unpack(pack(found))
    for name, array in found.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-6)


def test_what_was_written_is_read(shipped):
    found = read_pretrained(shipped / "CAMN-V1-2x4.npz")
    assert found.about == {"task": "t"}
    for name, array in network().items():
        np.testing.assert_allclose(found.weights[name], array, rtol=1e-3)


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("other", [("CAN", 1), ("CAMN", 0)])
def test_what_was_not_trained_is_not_found(other):
    assert not load_starting_weights(*other, 3).by_shape


def test_a_wrong_shape_is_refused_in_one_line(shipped):
    with pytest.raises(
        InputError, match="pre-trained with row length 3, but 32 is needed"
    ) as caught:
        load_starting_weights("CAMN", 1, 32)
    assert "\n" not in str(caught.value)
    (shipped / "CAMN-V1-2x4.npz").rename(shipped / "CAMN-V1-3x4.npz")
    (shipped / "CAMN-V1-2x4.json").rename(shipped / "CAMN-V1-3x4.json")
    with pytest.raises(InputError, match="shape CAMN-V1-2x4, but CAMN-V1-3x4 is needed"):
        load_starting_weights("CAMN", 1, 3)


def test_a_damaged_card_or_file_is_refused(shipped):
    path = shipped / "CAMN-V1-2x4.npz"
    path.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match="is no pre-trained network"):
        read_pretrained(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="not a weight file"):
        read_pretrained(path)


def test_a_search_starts_from_all_shapes_there_are(tmp_path, shipped):
    own = tmp_path / "own"
    own.mkdir()
    assert load_starting_weights("CAN", 1, 3).of(CONFIG) is None
    assert load_starting_weights("CAN", 1, 3).hash == ""
    first = load_starting_weights("CAMN", 1, 3)
    found = read_pretrained(shipped / "CAMN-V1-2x4.npz").weights
    assert first.of(replace(CONFIG, max_lr=5e-3)).keys() == found.keys()
    assert first.of(replace(CONFIG, n_layers=3)) is None
    assert first.of(replace(CONFIG, n_neurons=5)) is None
    assert first.of(replace(CONFIG, readout_width=16)) is None
    three = replace(CONFIG, n_layers=3)
    write_pretrained(own / "CAMN-V1-3x4.npz", three, 3, network(2), {})
    more = load_starting_weights("CAMN", 1, 3, own)
    assert more.of(three) is not None
    assert more.of(CONFIG) is not None
    assert more.hash != first.hash
    write_pretrained(own / "CAMN-V1-2x4.npz", CONFIG, 3, network(3), {})
    mine = load_starting_weights("CAMN", 1, 3, own).of(CONFIG)
    assert not np.array_equal(mine["phi/0/kernel"], first.of(CONFIG)["phi/0/kernel"])


@pytest.mark.usefixtures("shipped")
def test_weights_for_other_features_are_refused(tmp_path):
    with pytest.raises(InputError, match="row length 3, but 5 is needed"):
        load_starting_weights("CAMN", 1, 5)
    with pytest.raises(InputError, match="no folder"):
        load_starting_weights("CAMN", 1, 3, tmp_path / "gone")


@pytest.mark.usefixtures("shipped")
def test_a_trial_takes_the_weights_of_its_view():
    own = load_starting_weights("CAMN", 1, 3)
    starts = StartingWeights.of_views({"CAMN-V1": own, "CAMN-V0": StartingWeights()})
    assert starts.hash and starts.hash != own.hash
    assert starts.of(replace(CONFIG, view="CAMN-V1")) is own.of(CONFIG)
    assert starts.of(replace(CONFIG, view="CAMN-V1", pretrained=False)) is None
    assert starts.of(replace(CONFIG, view="CAMN-V0+V1", pretrained=True)) is None
    assert own.of(replace(CONFIG, pretrained=False)) is None
    assert own.of(replace(CONFIG, pretrained=True)) is own.of(CONFIG) is not None
    assert StartingWeights.of_views({"CAMN-V0": StartingWeights()}) == StartingWeights()
