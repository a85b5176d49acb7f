"""Clusters: the same for every order, process and cache; the known ones on OBELiX."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sie.errors import InputError
from sie.splits.cluster_cache import cache_file
from sie.splits.loco import join_noise, loco_clusters, number_by_size

IN_A_FRESH_PROCESS = """
import json, sys
from sie.splits.loco import loco_clusters
clustering = loco_clusters(json.load(sys.stdin))
print(clustering.hash)
"""


def three_chemistries() -> dict[str, dict[str, float]]:
    """Garnets, phosphates and halides in unequal numbers, with varied amounts."""
    rng = np.random.default_rng(5)
    families = {
        "garnet": ({"Li": 7.0, "La": 3.0, "Zr": 2.0, "O": 12.0}, 40),
        "phosphate": ({"Li": 1.3, "Al": 0.3, "Ti": 1.7, "P": 3.0, "O": 12.0}, 30),
        "halide": ({"Li": 3.0, "Y": 1.0, "Cl": 6.0}, 22),
    }
    return {
        f"{name}-{i:02d}": {k: v * rng.uniform(0.8, 1.2) for k, v in amounts.items()}
        for name, (amounts, count) in families.items()
        for i in range(count)
    }


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path / "own"))
    return tmp_path / "own"


def test_finds_the_chemistries_and_numbers_them_by_size(own_cache):
    clustering = loco_clusters(three_chemistries())
    assert list(clustering.ids) == sorted(three_chemistries())
    families = [entry.split("-")[0] for entry in clustering.ids]
    pairs = set(zip(clustering.labels.tolist(), families, strict=True))
    assert {family for _, family in pairs} == {"garnet", "phosphate", "halide"}
    assert len(pairs) == clustering.n_clusters >= 3  # no cluster holds two families
    sizes = np.bincount(clustering.labels)
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert clustering.embedding.shape == (92, 2)
    assert 0 <= clustering.method["n_noise"] < 10


@pytest.mark.parametrize("seed", [1, 2])
def test_order_of_the_input_does_not_matter(own_cache, monkeypatch, seed):
    compositions = three_chemistries()
    clustering = loco_clusters(compositions, seed)
    items = list(compositions.items())
    random.Random(3).shuffle(items)
    monkeypatch.setenv("SIE_CACHE_DIR", str(own_cache / "second"))
    shuffled = loco_clusters(dict(items), seed)
    assert shuffled.hash == clustering.hash
    np.testing.assert_array_equal(shuffled.embedding, clustering.embedding)


def test_rounding_noise_does_not_matter(own_cache):
    compositions = {f"{name}-{twin}": c for name, c in three_chemistries().items() for twin in "ab"}
    noisy = {
        name: {k: v * (1 + 3e-15 * (i % 3)) for k, v in c.items()}
        for i, (name, c) in enumerate(compositions.items())
    }
    assert loco_clusters(noisy).hash == loco_clusters(compositions).hash


def test_a_fresh_process_gives_the_same_clusters_in_silence(own_cache, tmp_path):
    compositions = three_chemistries()
    fresh = {
        **os.environ,
        "SIE_CACHE_DIR": str(tmp_path / "fresh"),
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    fresh.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS],
        input=json.dumps(dict(reversed(compositions.items()))),
        env=fresh,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == loco_clusters(compositions).hash


def test_the_cache_is_used_once_its_key_fits(own_cache):
    first = loco_clusters(three_chemistries())
    [kept] = (own_cache / "clusters").glob("*.json")
    content = json.loads(kept.read_text())
    content["embedding"][0] = [123.0, 456.0]  # not covered by the clustering's hash
    kept.write_text(json.dumps(content))
    again = loco_clusters(three_chemistries())
    assert again.embedding[0].tolist() == [123.0, 456.0]
    assert again.method == first.method
    loco_clusters(three_chemistries(), seed=2)
    changed = {**three_chemistries(), "halide-00": {"Li": 1.0, "F": 1.0}}
    loco_clusters(changed)
    assert len(list((own_cache / "clusters").glob("*.json"))) == 3


@pytest.mark.parametrize("damage", ["", "[]", "null", '{"ids": 3}', "label"])
def test_a_damaged_cache_is_computed_anew(own_cache, caplog, damage):
    first = loco_clusters(three_chemistries())
    [kept] = (own_cache / "clusters").glob("*.json")
    if damage == "label":
        content = json.loads(kept.read_text())
        content["labels"][0] = 1 - content["labels"][0]
        damage = json.dumps(content)
    kept.write_text(damage)
    again = loco_clusters(three_chemistries())
    assert again.hash == first.hash
    assert "computed anew" in caplog.text
    assert json.loads(kept.read_text())["hash"] == first.hash


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path / "file"))
    assert loco_clusters(three_chemistries()).n_clusters >= 3
    assert "not kept" in caplog.text


def test_the_cache_lies_in_the_cache_folder(own_cache):
    assert cache_file("abc").is_relative_to(own_cache)


def test_too_few_entries_are_refused():
    few = dict(list(three_chemistries().items())[:9])
    with pytest.raises(InputError, match=r"at least 10 entries .* got 9; give --clusters"):
        loco_clusters(few)


@pytest.mark.parametrize("count", [10, 14])
def test_small_sets_have_fewer_neighbours(own_cache, count):
    few = {f"e{i}": {"Li": 1.0, "O": 1.0} for i in range(count)}
    clustering = loco_clusters(few)
    assert clustering.method["n_neighbors"] == count - 1
    assert clustering.n_clusters == 1


def test_all_noise_is_refused(own_cache):
    scattered = {f"e{i}": {"Li": 1.0, "O": i + 1.0} for i in range(10)}
    with pytest.raises(InputError, match="all 10 entries noise; give --clusters"):
        loco_clusters(scattered)


def test_an_unusable_composition_is_named_by_its_id():
    with pytest.raises(InputError, match=r"^heavy: element D "):
        loco_clusters({**three_chemistries(), "heavy": {"D": 2.0, "O": 1.0}})


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.int64, st.integers(1, 25), elements=st.integers(-1, 3)).filter(
        lambda raw: (raw >= 0).any()
    ),
    st.integers(0, 2**31),
)
def test_noise_joins_the_nearest_member(raw, seed):
    plane = np.random.default_rng(seed).uniform(-5, 5, (len(raw), 2))
    labels = join_noise(raw, plane)
    for i, (before, after) in enumerate(zip(raw, labels, strict=True)):
        distances = {
            float(np.hypot(*(plane[i] - plane[j]))): raw[j] for j in range(len(raw)) if raw[j] >= 0
        }
        assert after == (before if before >= 0 else distances[min(distances)])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_numbering_is_a_renaming_by_size_then_first_entry(raw):
    numbered = number_by_size(np.array(raw)).tolist()
    assert len(set(zip(raw, numbered, strict=True))) == len(set(raw)) == len(set(numbered))
    ranking = sorted(set(numbered), key=lambda k: (-numbered.count(k), numbered.index(k)))
    assert ranking == list(range(len(ranking)))


@pytest.mark.shared
def test_the_nine_clusters_of_obelix(obelix, own_cache):
    clustering = loco_clusters({i: s.composition for i, s in obelix.structures.items()})
    label = dict(zip(obelix.ids, obelix.labels.tolist(), strict=True))
    classes = np.array([label[entry] for entry in clustering.ids])
    counts = [
        (int((clustering.labels == k).sum()), int(classes[clustering.labels == k].sum()))
        for k in range(clustering.n_clusters)
    ]
    article = [(21, 8), (23, 12), (64, 38), (46, 11), (39, 4), (45, 21), (55, 19), (14, 0), (14, 0)]
    assert sorted(counts) == sorted(article)
    assert [n for n, _ in counts] == sorted((n for n, _ in article), reverse=True)
