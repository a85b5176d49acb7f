"""Clusters from CSV: round trip, tolerance for extra rows, refusals that name the line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.errors import InputError
from sie.splits.clusters_file import read_clusters, write_clusters
from sie.splits.record import Clustering

names = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda text: text == text.strip() and not text.startswith("\ufeff"))


@given(st.dictionaries(names, st.integers(0, 999_999_999), min_size=1, max_size=12))
def test_round_trip_keeps_numbers_and_hash(pairs):
    clustering = Clustering(tuple(pairs), np.array(list(pairs.values()), dtype=np.int64))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clusters.csv"
        write_clusters(path, clustering)
        back = read_clusters(path, list(pairs))
    assert back.hash == clustering.hash
    assert list(back.ids) == sorted(pairs)
    assert dict(zip(back.ids, back.labels.tolist(), strict=True)) == pairs
    assert back.numbers == tuple(sorted(set(pairs.values())))
    assert back.n_clusters == len(set(pairs.values()))


def test_extra_rows_and_columns_are_ignored_and_counted(tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text("\ufeffid , note,cluster\n a ,x,3\n\nb,y,0\nother,z,5\n", "utf-8")
    clustering = read_clusters(path, ["b", "a"])
    assert clustering.ids == ("a", "b")
    assert clustering.labels.tolist() == [3, 0]
    assert clustering.method["n_ignored"] == 1
    assert str(tmp_path) not in str(clustering.method)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"id,cluster\na,0\n", "2 of 3 ids have no cluster, the first are b, c;"),
        (b"id,cluster\na,0\nb,1\nc,2\na,0\n", "line 5: id a stands there twice"),
        (b"id,cluster\na,0\nb,one\nc,2\n", "line 3: cluster 'one' is not a whole number"),
        (b"id,cluster\na,-1\n", "line 2: cluster '-1'"),
        (b"id,cluster\na,1.5\n", "line 2: cluster '1.5'"),
        (b"id,cluster\na,99999999999999999999\n", "line 2: cluster '9999"),
        (b"id,cluster\na\n", "line 2: cluster ''"),
        (b"name,cluster\na,0\n", "no column id;"),
        (b"", "no column id and cluster;"),
        (b"id,cluster\n\xff,0\n", "not a UTF-8 CSV file"),
        (b"id,cluster\na\0,0\n", "not a UTF-8 CSV file|ids have no cluster"),
    ],
)
def test_refusals_name_file_and_place(tmp_path, content, part):
    path = tmp_path / "clusters.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=part) as caught:
        read_clusters(path, ["a", "b", "c"])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_clusters(tmp_path / "none.csv", ["a"])
    with pytest.raises(InputError, match="cannot be read"):
        read_clusters(tmp_path, ["a"])
