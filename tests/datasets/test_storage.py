"""Saved data records: round trip, and refusal of everything that was touched."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sie.datasets.assemble import Measurement, assemble
from sie.datasets.duplicates import DuplicateGroup
from sie.datasets.record import Database, LeftOut
from sie.datasets.storage import (
    ABOUT_FILE,
    FORMAT,
    TABLE_FILE,
    DataRecord,
    is_record,
    load_record,
    save_record,
)
from sie.errors import InputError, SieError
from sie.hashing import content_hash

GROUPS = (
    DuplicateGroup("a", ("c", "a", "b"), (1e-9, 1e-3, math.nan), (True, False, False), (0, 1, 1)),
)
PROVENANCE = {"source": "mine", "options": {"keep": False}, "counts": {"entries": 3}}


@pytest.fixture
def record(rock_salt) -> DataRecord:
    charged = rock_salt("Br", a=5.5)
    charged.add_oxidation_state_by_element({"Li": 1, "Br": -1})
    crystals = {"é 1": rock_salt({"Cl": 0.7, "Br": 0.1}), "b": charged, "c": rock_salt()}
    items = [
        Measurement("é 1", 1, 1.1e-3, doi="10.1/x", extra={"family": "σ", "lowest": 390.5}),
        Measurement("b", 0, 1e-10, censored=True, extra={"family": ""}),
        Measurement("c", 1, extra={"family": "halide"}),
    ]
    left_out = [LeftOut("x", "no CIF", "t.csv:3"), LeftOut("d", "duplicate of b")]
    database = assemble("mine", items, lambda i: (crystals[i], f"{i}.cif"), left_out)
    return DataRecord(database, GROUPS, PROVENANCE)


def same(ours: Database, theirs: Database) -> None:
    assert theirs.hash == ours.hash
    assert (theirs.name, theirs.ids, theirs.left_out) == (ours.name, ours.ids, ours.left_out)
    assert list(theirs.structures) == list(ours.structures)
    pd.testing.assert_frame_equal(theirs.table, ours.table)


def test_a_record_comes_back_whole(record, tmp_path):
    folder = tmp_path / "new" / "folder"
    assert not is_record(folder)
    save_record(folder, record)
    assert is_record(folder)
    back = load_record(folder)
    same(record.database, back.database)
    assert back.database.structures == record.database.structures
    assert str(back.duplicates) == str(GROUPS)  # NaN is not equal to itself
    assert back.provenance == PROVENANCE
    assert sorted(path.name for path in folder.iterdir()) == [ABOUT_FILE, TABLE_FILE]


def test_the_starter_comes_back_whole(starter, tmp_path):
    save_record(tmp_path, DataRecord(starter))
    same(starter, load_record(tmp_path).database)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=6),
        st.tuples(st.integers(0, 1), st.none() | st.floats(1e-300, 10), st.booleans(), st.text()),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.builds(LeftOut, st.text(), st.text(), st.text()), max_size=3),
)
def test_any_entries_keep_their_hash(entries, left_out):
    crystal = Structure(Lattice.cubic(3), ["Li"], [[0, 0, 0]])
    items = [
        Measurement(name, label, math.nan if sigma is None else sigma, censored, doi)
        for name, (label, sigma, censored, doi) in entries.items()
    ]
    database = assemble("any", items, lambda entry: (crystal, ""), left_out)
    with TemporaryDirectory() as folder:
        save_record(Path(folder), DataRecord(database))
        same(database, load_record(Path(folder)).database)


def test_the_same_record_gives_the_same_bytes(record, tmp_path):
    for name in ("a", "b"):
        save_record(tmp_path / name, record)
    for file in (TABLE_FILE, ABOUT_FILE):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def edited(folder: Path, change, *, resealed: bool) -> None:
    path = folder / ABOUT_FILE
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    if resealed:
        outside = ("format", "version", "file_hash")
        content = {k: v for k, v in document.items() if k not in outside}
        document["file_hash"] = content_hash(FORMAT, content)
    path.write_text(json.dumps(document), encoding="utf-8")


CHANGES = {
    "another hash": (lambda d: d.update(hash="fff"), "have the hash"),
    "another table": (lambda d: d.update(table_sha256="0" * 64), "is not the table"),
    "a part missing": (lambda d: d.pop("left_out"), "damaged"),
    "an odd left-out entry": (lambda d: d.update(left_out=[{"who": "x"}]), "damaged"),
    "an odd group": (lambda d: d.update(duplicates=[{"kept": "x"}]), "damaged"),
}


HOSTILE = ("../../..", "/etc/x", "a/b", "..", ".hidden", "-rf", "a\nb", "a\0b", "", "a\\b")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_cannot_lead_out_of_a_folder(record, tmp_path, name):
    save_record(tmp_path, record)
    edited(tmp_path, lambda d: d.update(name=name), resealed=True)
    refused(tmp_path, "cannot be called .*; rename it")
    with pytest.raises(InputError, match=r"cannot be called"):
        replace(record.database, name=name)


@pytest.mark.parametrize("name", ["starter", "my data 2.1", "Li+_ionen-größer", "7"])
def test_usual_names_are_taken(record, tmp_path, name):
    save_record(tmp_path, DataRecord(replace(record.database, name=name)))
    assert load_record(tmp_path).database.name == name


def refused(folder: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_record(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_every_part_is_checked_by_itself(record, tmp_path, change, message):
    save_record(tmp_path, record)
    edited(tmp_path, change, resealed=True)
    refused(tmp_path, message)


@pytest.mark.parametrize("key", ["name", "hash", "provenance", "left_out", "duplicates"])
def test_any_edit_of_the_description_is_noticed(record, tmp_path, key):
    save_record(tmp_path, record)
    edited(tmp_path, lambda d: d.update({key: type(d[key])()}), resealed=False)
    refused(tmp_path, "the hash inside does not fit")


def test_any_edit_of_the_table_is_noticed(record, tmp_path):
    save_record(tmp_path, record)
    path = tmp_path / TABLE_FILE
    pq.write_table(pq.read_table(path), path, compression="snappy")
    refused(tmp_path, r"is not the table that database\.json describes")
    path.unlink()
    refused(tmp_path, "is missing")


def test_a_half_replaced_record_is_refused(record, tmp_path):
    """What a crash between the two files leaves."""
    save_record(tmp_path / "old", record)
    save_record(tmp_path / "new", replace(record, database=record.database.subset(["c"])))
    (tmp_path / "new" / TABLE_FILE).replace(tmp_path / "old" / TABLE_FILE)
    refused(tmp_path / "old", "is not the table")


def test_a_later_version_and_other_files_are_refused(record, tmp_path):
    save_record(tmp_path, record)
    edited(tmp_path, lambda d: d.update(version=2), resealed=False)
    refused(tmp_path, "format version 2, this sie reads version 1")
    for text in ("", "{", "[]", "3", "\0", '{"format": "sie-splits"}'):
        (tmp_path / ABOUT_FILE).write_text(text)
        refused(tmp_path, "damaged|describes no data record")
    refused(tmp_path / "nowhere", "No such file")


def test_what_cannot_be_written_leaves_the_old_record(record, tmp_path):
    save_record(tmp_path, record)
    for column, values in (("mixed", ["a", 1, b"c"]), ("crystal.sites", [1, 2, 3])):
        table = record.database.table.assign(**{column: pd.Series(values, dtype=object).values})
        with pytest.raises(SieError):
            save_record(tmp_path, replace(record, database=replace(record.database, table=table)))
    with pytest.raises(TypeError):
        save_record(tmp_path, replace(record, provenance={"path": Path("x")}))
    same(record.database, load_record(tmp_path).database)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_unwritable_folder_is_named(record, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SieError, match="cannot write"):
        save_record(tmp_path / "file" / "data", record)
