from __future__ import annotations

from pathlib import Path

import pytest

from sie.datasets.registry import DATASETS, load_dataset
from sie.datasets.storage import DataRecord, save_record
from sie.errors import InputError


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(InputError, match=r"unknown dataset 'obelics'.*did you mean 'obelix'"):
        load_dataset("obelics")


def test_a_name_unlike_any_gets_the_list():
    with pytest.raises(InputError, match=", ".join(DATASETS)):
        load_dataset("zzz")


def test_a_table_needs_its_path():
    with pytest.raises(InputError, match="--table"):
        load_dataset("table")


@pytest.mark.parametrize("name", ["obelix", "starter"])
def test_options_of_another_dataset_are_refused(name):
    with pytest.raises(InputError, match="goes with dataset 'table'"):
        load_dataset(name, table=Path("a.csv"))


def test_a_table_is_loaded(tmp_path, rock_salt, cif_text):
    (tmp_path / "cifs").mkdir()
    (tmp_path / "cifs" / "a.cif").write_text(cif_text(rock_salt()))
    (tmp_path / "t.csv").write_text("id,class\na,1\n")
    database = load_dataset("table", table=tmp_path / "t.csv", cifs=tmp_path / "cifs")
    assert database.ids == ("a",)


def test_the_folder_reaches_the_loader(tmp_path):
    with pytest.raises(InputError, match=r"no all\.csv of OBELiX"):
        load_dataset("obelix", data_dir=tmp_path)


def test_the_starter_needs_nothing():
    assert load_dataset("starter").name == "starter"


@pytest.fixture(scope="module")
def record(tmp_path_factory, starter):
    folder = tmp_path_factory.mktemp("results") / "data"
    save_record(folder, DataRecord(starter.subset(starter.ids[:3])))
    return folder


def test_a_record_is_loaded_by_its_folder_or_by_name(record, starter, monkeypatch):
    for database in (
        load_dataset(str(record)),
        load_dataset("record", data_dir=record),
        monkeypatch.chdir(record.parent) or load_dataset("data"),
    ):
        assert database.name == "starter"
        assert database.hash == starter.subset(starter.ids[:3]).hash


def test_a_folder_cannot_hide_a_dataset(tmp_path, monkeypatch):
    (tmp_path / "starter").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load_dataset("starter")) > 3
    with pytest.raises(InputError, match=r"database\.json cannot be read"):
        load_dataset("./starter")


def test_a_record_needs_its_folder(tmp_path):
    with pytest.raises(InputError, match="--data-dir"):
        load_dataset("record")
    for given in ({"name": "record", "data_dir": tmp_path}, {"name": str(tmp_path)}):
        with pytest.raises(InputError, match=r"database\.json cannot be read: No such file"):
            load_dataset(**given)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_dataset("results/nowhere")


def test_options_do_not_go_with_a_record(record):
    with pytest.raises(InputError, match="leave it out"):
        load_dataset(str(record), data_dir=record)
    with pytest.raises(InputError, match="goes with dataset 'table'"):
        load_dataset(str(record), cifs=record)
