"""Saved splits and hold-outs: round trip, and refusal of everything that was touched."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sie.errors import InputError, SieError
from sie.hashing import content_hash
from sie.splits.archive import load_hold_out, load_splits, save_hold_out, save_splits
from sie.splits.holdout import hold_out
from sie.splits.kfold import stratified_folds
from sie.splits.record import Clustering

LABELS = {f"é{i:02d}": i % 2 for i in range(24)}


def saved(folder: Path) -> Path:
    path = folder / "splits.json"
    ids = tuple(LABELS)
    plane = np.random.default_rng(0).normal(size=(24, 2))
    clustering = Clustering(ids, np.arange(24) % 3, plane, {"kind": "test", "n_noise": 2})
    save_splits(path, stratified_folds(ids, LABELS), clustering, "abc123")
    return path


def test_round_trip_of_splits(tmp_path):
    archive = load_splits(saved(tmp_path))
    assert list(archive.splits) == stratified_folds(LABELS, LABELS)
    assert archive.hold_out_hash == "abc123"
    assert archive.clustering.ids == tuple(LABELS)
    np.testing.assert_array_equal(archive.clustering.labels, np.arange(24) % 3)
    expected = np.random.default_rng(0).normal(size=(24, 2))
    np.testing.assert_array_equal(archive.clustering.embedding, expected)
    assert archive.clustering.method == {"kind": "test", "n_noise": 2}


@settings(max_examples=25)
@given(
    arrays(np.int64, 5, elements=st.integers(0, 9)),
    st.none() | arrays(np.float64, (5, 2), elements=st.floats(-1e300, 1e300)),
)
def test_round_trip_of_any_clustering(labels, embedding):
    clustering = Clustering(tuple("abcde"), labels, embedding)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "splits.json"
        save_splits(path, [], clustering)
        back = load_splits(path)
    assert back.clustering.hash == clustering.hash
    assert back.hold_out_hash == ""
    if embedding is None:
        assert back.clustering.embedding is None
    else:
        np.testing.assert_array_equal(back.clustering.embedding, embedding)


def test_splits_without_clusters(tmp_path):
    save_splits(tmp_path / "s.json", stratified_folds(LABELS, LABELS))
    assert load_splits(tmp_path / "s.json").clustering is None


def test_hold_out_has_its_own_file_and_search_never_meets_the_test_ids(tmp_path):
    drawn = hold_out(LABELS)
    save_hold_out(tmp_path / "hold_out.json", drawn)
    assert load_hold_out(tmp_path / "hold_out.json") == drawn
    path = tmp_path / "splits.json"
    save_splits(path, stratified_folds(drawn.development, LABELS), None, drawn.hash)
    assert load_splits(path).hold_out_hash == drawn.hash
    assert not any(entry in path.read_text(encoding="utf-8") for entry in drawn.test)


def tampered(path: Path, *, resealed: bool, change) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    if resealed:
        content = {k: v for k, v in document.items() if k not in ("format", "version", "file_hash")}
        document["file_hash"] = content_hash(document["format"], content)
    path.write_text(json.dumps(document), encoding="utf-8")


CHANGES = {
    "an id moved": lambda d: d["splits"][0]["train"].append(d["splits"][0]["validation"].pop()),
    "an id on both sides": lambda d: d["splits"][0]["train"].append(
        d["splits"][0]["validation"][0]
    ),
    "a split renamed": lambda d: d["splits"][0].update(name="loco-3"),
    "a split dropped": lambda d: d["splits"].pop(),
    "a cluster changed": lambda d: d["clustering"]["labels"].__setitem__(0, 2),
    "a point moved": lambda d: d["clustering"]["embedding"][0].__setitem__(0, 9.0),
    "another hold-out": lambda d: d.update(hold_out_hash="fff"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_edit_is_noticed(tmp_path, change):
    path = saved(tmp_path)
    tampered(path, resealed=False, change=change)
    with pytest.raises(InputError, match="the hash inside does not fit"):
        load_splits(path)


RESEALED = {
    "an id moved": CHANGES["an id moved"],
    "an id on both sides": CHANGES["an id on both sides"],
    "a cluster changed": CHANGES["a cluster changed"],
    "a label too few": lambda d: d["clustering"]["labels"].pop(),
    "a point too few": lambda d: d["clustering"]["embedding"].pop(),
    "a negative label": lambda d: d["clustering"]["labels"].__setitem__(0, -1),
    "a part missing": lambda d: d.pop("splits"),
    "ids are a string": lambda d: d["splits"][0].update(train="abc"),
    "no hash": lambda d: d["splits"][0].pop("hash"),
}


@pytest.mark.parametrize("change", RESEALED.values(), ids=RESEALED)
def test_every_part_is_checked_by_itself(tmp_path, change):
    path = saved(tmp_path)
    tampered(path, resealed=True, change=change)
    with pytest.raises(InputError, match="damaged or was edited") as caught:
        load_splits(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hold_out_is_verified(tmp_path):
    path = tmp_path / "hold_out.json"

    def move(document) -> None:
        document["development"].append(document["test"].pop())

    for resealed in (False, True):
        save_hold_out(path, hold_out(LABELS))
        tampered(path, resealed=resealed, change=move)
        with pytest.raises(InputError, match="damaged"):
            load_hold_out(path)


def test_other_files_are_refused(tmp_path):
    path = saved(tmp_path)
    with pytest.raises(InputError, match="not a sie-hold-out file"):
        load_hold_out(path)
    tampered(path, resealed=False, change=lambda d: d.update(version=2))
    with pytest.raises(InputError, match="format version 2, this sie reads version 1"):
        load_splits(path)
    for text in ("", "{", "[]", "3", "\0"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"damaged|not a sie-splits file"):
            load_splits(path)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="damaged"):
        load_splits(path)
    with pytest.raises(InputError, match="No such file"):
        load_splits(tmp_path / "none.json")


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SieError, match="cannot write"):
        save_splits(tmp_path / "file" / "splits.json", [])
