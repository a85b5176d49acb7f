import csv
import dataclasses
import json

import pyarrow as pa
import pytest

from sie.errors import InputError
from sie.screening.folder import ScreeningFolder
from sie.screening.record import (
    COLUMNS,
    Manifest,
    Reject,
    ShardResult,
    Source,
    result_schema,
    shards_of,
)

MANIFEST = Manifest("cifs", "s1", "e1", "r1", "CAMNS", "V1", {"band_gap": "off"}, "c1")
SOURCE = Source("cifs", "s1", shards_of([(2, ()), (2, ())]), None)


def result(number, n_rejects=0):
    rows = [
        {name: 2 * number + i if name == "place" else None for name in COLUMNS}
        for i in range(2 - n_rejects)
    ]
    rejects = tuple(
        Reject(2 * number + 1, f"x{number}", "f", 'a "reason", é') for _ in range(n_rejects)
    )
    table = pa.Table.from_pylist(rows, schema=result_schema())
    return ShardResult(number, table, rejects, {"reading": 1.0, "scoring": 2.0})


@pytest.fixture
def folder(tmp_path):
    made = ScreeningFolder(tmp_path / "out")
    made.begin(MANIFEST)
    return made


def test_finished_shards_are_found_again_in_the_order_of_the_source(folder):
    folder.write(result(1, n_rejects=1))
    assert folder.done(SOURCE) == {1}
    folder.write(result(0))
    assert folder.done(SOURCE) == {0, 1}
    assert folder.table()["place"].to_pylist() == [0, 1, 2]
    assert folder.seconds() == {"reading": 2.0, "scoring": 4.0}
    assert dict(folder.write_rejects()) == {'a "reason", é': 1}
    with (folder.path / "rejects.csv").open(encoding="utf-8") as handle:
        assert list(csv.reader(handle)) == [["id", "file", "reason"], ["x1", "f", 'a "reason", é']]


def test_rejects_of_a_shard_that_was_cut_off_do_not_count(folder):
    folder.write(result(0, n_rejects=1))
    (folder.path / "parts" / "part-000000.parquet").unlink()
    assert folder.done(SOURCE) == set()
    assert list(folder.rejects()) == []


@pytest.mark.parametrize("file", ["part-000000.parquet", "part-000000.rejects.jsonl"])
def test_a_damaged_shard_is_screened_again(folder, file):
    folder.write(result(0, n_rejects=1))
    (folder.path / "parts" / file).write_bytes(b"PAR1")
    assert folder.done(SOURCE) == set()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ensemble_hash", "e2", "ensemble hash is 'e2' and was 'e1'"),
        ("source_hash", "s2", "source hash is 's2' and was 's1'"),
        ("options", {"band_gap": "megnet"}, "option band gap is 'megnet' and was 'off'"),
    ],
)
def test_another_screening_is_refused_with_what_differs(folder, field, value, said):
    folder.write(result(0))
    other = dataclasses.replace(MANIFEST, **{field: value})
    with pytest.raises(InputError, match=said):
        ScreeningFolder(folder.path).begin(other)
    assert folder.done(SOURCE) == {0}
    folder.begin(other, fresh=True)
    assert folder.done(SOURCE) == set()
    assert folder.manifest() == json.loads(json.dumps(other.as_dict()))


def test_the_same_screening_goes_on_even_when_its_source_is_named_differently(folder):
    folder.write(result(0))
    folder.begin(dataclasses.replace(MANIFEST, source="./cifs"))
    assert folder.done(SOURCE) == {0}


def test_a_file_or_a_damaged_manifest_is_refused(folder, tmp_path):
    (folder.path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="--fresh starts anew"):
        folder.begin(MANIFEST)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        ScreeningFolder(tmp_path / "file")


def test_an_empty_folder_has_an_empty_table(folder):
    assert folder.table().column_names == list(COLUMNS)
    assert len(folder.table()) == 0
