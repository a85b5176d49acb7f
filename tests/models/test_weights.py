import json

import numpy as np
import pytest

from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.models.weights import FORMAT, WeightFile, load_weights, save_weights


@pytest.fixture
def content():
    rng = np.random.default_rng(0)
    arrays = {
        "phi/0/kernel": rng.normal(size=(3, 2)).astype(np.float32),
        "score/bias": np.array([-0.0], dtype=np.float32),
    }
    return WeightFile(TrialConfig(n_layers=2).as_dict(), arrays, {"seed": 7})


def test_what_was_saved_is_read_bit_for_bit(tmp_path, content):
    path = tmp_path / "new" / "model.npz"
    save_weights(path, content)
    found = load_weights(path)
    assert TrialConfig.from_mapping(found.config) == TrialConfig(n_layers=2)
    assert found.about == {"seed": 7}
    assert found.weights.keys() == content.weights.keys()
    for name, array in content.weights.items():
        assert found.weights[name].dtype == np.float32
        assert found.weights[name].tobytes() == array.tobytes()
    assert [item.name for item in path.parent.iterdir()] == ["model.npz"]


def test_a_later_format_is_refused(tmp_path, content):
    path = tmp_path / "model.npz"
    head = json.dumps({"format": FORMAT + 1, "config": {}, "about": {}}).encode()
    np.savez(path, **{"about.json": np.frombuffer(head, dtype=np.uint8)})
    with pytest.raises(InputError, match=f"weight format {FORMAT + 1}.*upgrade sie"):
        load_weights(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no weight file at .*gone\.npz"):
        load_weights(tmp_path / "gone.npz")


@pytest.mark.parametrize("spoil", ["text", "torn", "empty", "array", "no head", "pickled"])
def test_any_other_file_is_refused(tmp_path, content, spoil):
    path = tmp_path / "model.npz"
    save_weights(path, content)
    whole = path.read_bytes()
    if spoil == "text":
        path.write_text("kernel: 1\n")
    elif spoil == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    elif spoil == "empty":
        path.write_bytes(b"")
    elif spoil == "array":
        with path.open("wb") as handle:
            np.save(handle, np.ones(3))
    elif spoil == "no head":
        np.savez(path, **{"weight/a": np.ones(2)})
    else:
        np.savez(path, **{"about.json": np.array([{"format": 1}], dtype=object)})
    with pytest.raises(InputError, match="not a weight file"):
        load_weights(path)
