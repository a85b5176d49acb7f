from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.datasets.cif import UnusableCif
from sie.datasets.cif_folder import CifFolder, collection_code
from sie.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.cif", "12345.cif", "12345-ICSD.cif", "icsd_012346.CIF", "note.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "b.cif").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("a", "a.cif"),
        ("A", "a.cif"),
        ("12345", "12345.cif"),  # its own name goes before the code in another name
        ("12346", "icsd_012346.CIF"),
        ("ICSD-12346", "icsd_012346.CIF"),
    ],
)
def test_files_are_found_by_name_then_by_code(folder, entry, name):
    assert CifFolder(folder).find(entry).name == name


@pytest.mark.parametrize("entry", ["b", "note", "../a", "deeper/b", "99", ""])
def test_what_is_not_in_the_folder(folder, entry):
    with pytest.raises(UnusableCif, match="no CIF"):
        CifFolder(folder).find(entry)


def test_files_that_compete_are_not_guessed(folder):
    (folder / "CollCode12346.cif").write_text("")
    with pytest.raises(UnusableCif, match="more than one CIF fits the id"):
        CifFolder(folder).find("12346")


def test_a_folder_without_cifs_is_the_users_mistake(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.cif file"):
        CifFolder(tmp_path)
    with pytest.raises(InputError, match="give another one"):
        CifFolder(tmp_path / "nowhere")


@given(
    st.integers(1, 10**7),
    st.sampled_from(
        ["{}", "0{}", "icsd_{}", "ICSD-{}", "EntryWithCollCode{}", "ICSD_CollCode{}", "{}-ICSD"]
    ),
)
def test_codes_in_the_names_of_files(code, form):
    assert collection_code(form.format(code)) == code


@pytest.mark.parametrize("text", ["", "a", "abc1", "12a", "mp-123", "1.5", "9" * 50])
def test_what_holds_no_code(text):
    assert collection_code(text) is None
