"""The cache returns what was computed, whoever wrote it and whatever happened to the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sie.features import cache as module
from sie.features.cache import cached_features, features_key
from sie.features.extract import compute_features, represent_all


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_a_second_call_reads_what_the_first_wrote(crystals, tmp_path, monkeypatch):
    first = cached_features(crystals, "CAMN", 1, tmp_path)
    assert first.hash == compute_features(crystals, "CAMN", 1).hash
    path = only_file(tmp_path)
    assert path.name.startswith("CAMN-V1-")

    def forbidden(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "levels_of_represented", forbidden)
    assert cached_features(crystals, "CAMN", 1, tmp_path).hash == first.hash


def test_the_same_crystals_under_other_ids_share_a_file(crystals, tmp_path):
    first = cached_features(crystals, "CAMN", 0, tmp_path)
    renamed = {f"new-{entry}": structure for entry, structure in crystals.items()}
    second = cached_features(renamed, "CAMN", 0, tmp_path)
    assert only_file(tmp_path).is_file()
    assert second.ids == tuple(renamed)
    np.testing.assert_array_equal(first.rows, second.rows)


def test_the_key_follows_everything_the_numbers_depend_on(crystals, monkeypatch):
    shown = represent_all(crystals, "CAMN")
    moved = dict(crystals)
    moved["skewed"] = crystals["skewed"].copy()
    moved["skewed"].translate_sites([0], [0.001, 0, 0])
    turned = dict(crystals)
    turned["LiCl"] = crystals["LiCl"].copy()
    turned["LiCl"].add_oxidation_state_by_element({"Li": 1, "Cl": 1})
    keys = {
        features_key(shown, 1),
        features_key(shown, 2),
        features_key(represent_all(crystals, "CAN"), 1),
        features_key(represent_all(crystals, "CAMNS"), 1),
        features_key(represent_all(turned, "CAMNS"), 1),
        features_key(represent_all(moved, "CAMN"), 1),
    }
    assert len(keys) == 6
    assert features_key(represent_all(turned, "CAMN"), 1) in keys
    monkeypatch.setattr(module, "FEATURE_CODE", "another")
    assert features_key(shown, 1) not in keys


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))


def swap(path: Path) -> None:
    np.savez(path, rows=np.zeros((1, 32)))


def forge(path: Path) -> None:
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["rows"] = arrays["rows"] + 1
    np.savez(path, **arrays)


@pytest.mark.parametrize("damage", [truncate, empty, flip_a_bit, swap, forge])
def test_a_damaged_file_is_computed_again_and_replaced(crystals, tmp_path, caplog, damage):
    first = cached_features(crystals, "CAMN", 1, tmp_path)
    path = only_file(tmp_path)
    damage(path)
    assert cached_features(crystals, "CAMN", 1, tmp_path).hash == first.hash
    assert f"{path} is damaged" in caplog.text
    caplog.clear()
    assert cached_features(crystals, "CAMN", 1, tmp_path).hash == first.hash
    assert not caplog.text


def test_a_cache_that_cannot_be_written_costs_only_a_warning(crystals, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    features = cached_features(crystals, "CAMN", 0, blocked / "features")
    assert len(features) == len(crystals)
    assert "features are not kept" in caplog.text


def test_by_default_features_lie_in_the_cache_folder(crystals, private_cache):
    cached_features(crystals, "CANS", 0)
    assert list((private_cache / "features").glob("CANS-V0-*.npz"))


WRITER = """
import json, sys, time
from pathlib import Path
from pymatgen.core import Structure
from sie.features.cache import cached_features
source, go, folder = map(Path, sys.argv[1:])
crystals = {k: Structure.from_dict(v) for k, v in json.loads(source.read_text()).items()}
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
print(cached_features(crystals, "CAMN", 1, folder).hash)
"""


def test_two_processes_may_write_at_once(crystals, tmp_path, caplog):
    source, go, folder = tmp_path / "crystals.json", tmp_path / "go", tmp_path / "features"
    source.write_text(json.dumps({k: s.as_dict() for k, s in crystals.items()}))
    command = [sys.executable, "-c", WRITER, str(source), str(go), str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [writer.stdout.readline() for writer in both] == ["ready\n"] * 2
    go.touch()
    hashes = {writer.communicate(timeout=60)[0].strip() for writer in both}
    assert [writer.returncode for writer in both] == [0, 0]
    assert hashes == {cached_features(crystals, "CAMN", 1, folder).hash}
    assert only_file(folder).suffix == ".npz"
    assert "damaged" not in caplog.text
