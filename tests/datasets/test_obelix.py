from __future__ import annotations

import hashlib
import io
import logging
import tarfile
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from sie.datasets import obelix
from sie.errors import DownloadError, InputError

HEADER = "ID,Ionic conductivity (S cm-1),Family,DOI\n"
ROWS = (
    "aaa,1.0e-3,halide,10.1/a\nbbb,<1E-10,halide,10.1/b\nccc,1e-6,,10.1/c\nddd,fast,,\neee,1e-5,,\n"
)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def copy_of(tmp_path, rock_salt, cif_text):
    """A small copy in the form of OBELiX, and its checksums."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / obelix.TABLE_FILE).write_text(HEADER + ROWS)
    (folder / obelix.TEST_FILE).write_text(HEADER + ROWS.splitlines()[1] + "\n")
    members = {
        "all_randomized_cifs/aaa.cif": cif_text(rock_salt()),
        "../../bbb.cif": cif_text(rock_salt("Br", a=5.5)),
        "all_randomized_cifs/eee.cif": cif_text(rock_salt(cation="Na", a=5.64)),
        "all_randomized_cifs/aaa.txt": "no CIF",
    }
    with tarfile.open(folder / obelix.ARCHIVE_FILE, "w:gz") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return folder


@pytest.fixture
def pinned(copy_of, monkeypatch):
    digests = {
        name: hashlib.sha256((copy_of / name).read_bytes()).hexdigest() for name in obelix.SHA256
    }
    monkeypatch.setattr(obelix, "SHA256", digests)


@pytest.fixture
def server(copy_of, tmp_path, monkeypatch):
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv(obelix.DATA_DIR_VARIABLE, raising=False)
    handler = partial(QuietHandler, directory=str(copy_of))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


def check_small(database):
    assert database.ids == ("aaa", "bbb")
    assert database.labels.tolist() == [1, 0]
    assert database.table["censored"].tolist() == [False, True]
    assert database.table.loc["aaa", "family"] == "halide"
    assert database.table.loc["bbb", "doi"] == "10.1/b"
    assert database.table["split"].tolist() == ["train", "test"]
    reasons = {item.id: item.reason for item in database.left_out}
    assert reasons == {
        "ccc": "no CIF",
        "ddd": "'fast' is not a number",
        "eee": "no Li in the structure",
    }


@pytest.mark.usefixtures("pinned")
def test_download_is_checked_and_kept(server, copy_of, tmp_path):
    check_small(obelix.load(base_url=server))
    for name in obelix.SHA256:
        (copy_of / name).unlink()
    check_small(obelix.load(base_url=server))  # from the cache, without the server's files
    assert not list(tmp_path.rglob("bbb.cif"))  # nothing is unpacked, least of all outside


def test_a_wrong_file_is_not_taken(server, tmp_path):
    with pytest.raises(DownloadError, match=r"SHA-256 differs.*--data-dir") as caught:
        obelix.download(server)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.csv"))


@pytest.mark.usefixtures("pinned")
def test_a_missing_file_says_404(server, copy_of):
    (copy_of / obelix.ARCHIVE_FILE).unlink()
    with pytest.raises(DownloadError, match=r"all_cifs.tar.gz.*404.*--data-dir") as caught:
        obelix.download(server)
    assert "\n" not in str(caught.value)


def test_no_server_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), QuietHandler) as closed:
        port = closed.server_port
    with pytest.raises(DownloadError, match=r"no answer \(ConnectionError\).*--data-dir"):
        obelix.download(f"http://127.0.0.1:{port}/")


def test_a_cache_that_cannot_be_written_says_so(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="cannot write to"):
        obelix.download(server)


@pytest.mark.usefixtures("pinned")
def test_a_local_copy_is_found_by_folder_parent_or_variable(copy_of, monkeypatch, caplog):
    check_small(obelix.load(copy_of))
    copy_of.rename(copy_of.parent / "obelix")
    check_small(obelix.load(copy_of.parent))
    monkeypatch.setenv(obelix.DATA_DIR_VARIABLE, str(copy_of.parent))
    check_small(obelix.load())
    assert not [item for item in caplog.records if item.levelno >= logging.WARNING]


def test_another_version_is_used_with_a_warning(copy_of, caplog):
    check_small(obelix.load(copy_of))
    assert sum("is not the version" in item.message for item in caplog.records) == 3


def test_a_copy_without_the_official_division_has_none(copy_of):
    whole = obelix.load(copy_of)
    (copy_of / obelix.TEST_FILE).unlink()
    without = obelix.load(copy_of)
    assert "split" not in without.table.columns
    assert without.hash == whole.hash


def test_crystals_without_lithium_are_left_out_unless_asked_for(copy_of):
    kept = obelix.load(copy_of, require_lithium=False)
    left = obelix.load(copy_of)
    assert left.ids == ("aaa", "bbb")
    (extra,) = set(kept.ids) - set(left.ids)
    assert "Li" in {item.id: item.reason for item in left.left_out}[extra]


def test_an_incomplete_copy_is_the_users_mistake(copy_of, tmp_path):
    with pytest.raises(InputError, match=r"no all\.csv"):
        obelix.load(tmp_path / "nowhere")
    (copy_of / obelix.ARCHIVE_FILE).write_bytes(b"\x1f\x8b not an archive")
    with pytest.raises(InputError, match="is not a readable tar archive"):
        obelix.load(copy_of)
    (copy_of / obelix.ARCHIVE_FILE).unlink()
    with pytest.raises(InputError, match=r"all_cifs\.tar\.gz of OBELiX is missing"):
        obelix.load(copy_of)


def test_a_cut_archive_is_the_users_mistake(copy_of):
    path = copy_of / obelix.ARCHIVE_FILE
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="is not a readable tar archive"):
        obelix.load(copy_of)


def test_another_table_is_the_users_mistake(copy_of):
    (copy_of / obelix.TABLE_FILE).write_text("ID,sigma\na,1\n")
    with pytest.raises(InputError, match="column 'DOI' is missing"):
        obelix.load(copy_of)


def test_a_short_row_is_left_out(copy_of):
    path = copy_of / obelix.TABLE_FILE
    path.write_text(path.read_text() + "zzz\n")
    left_out = obelix.load(copy_of).left_out
    assert {item.id: item.file for item in left_out}["zzz"] == "all.csv:7"


@pytest.mark.shared
def test_obelix_itself(shared_data: Path):
    usable = obelix.load(shared_data)
    assert Counter(usable.labels.tolist()) == {1: 108, 0: 206}
    assert len(usable.left_out) == 278 + 7
    parts = {
        name: set(pd.read_csv(shared_data / "obelix" / f"{name}.csv")["ID"])
        for name in ("train", "test")
    }
    assert all(entry in parts[part] for entry, part in usable.table["split"].items())

    database = obelix.load(shared_data, require_lithium=False)
    assert len(database) == 321
    assert Counter(database.labels.tolist()) == {1: 113, 0: 208}
    assert database.table["censored"].sum() == 36
    assert Counter(item.reason for item in database.left_out) == {"no CIF": 278}
    assert sum(map(len, database.structures.values())) == 32_118

    # independent of the parser: multiplicities and occupancies as the files state them
    for entry, text in obelix.read_archive(shared_data / "obelix" / obelix.ARCHIVE_FILE).items():
        values = text.split("_atom_site_occupancy\n")[1].split()  # 7 to a site, lines may break
        stated = sum(
            int(multiplicity) * float(occupancy)
            for multiplicity, occupancy in zip(values[2::7], values[6::7], strict=True)
        )
        found = database.structures[entry].composition.num_atoms
        assert found == pytest.approx(stated, rel=1e-3)

    # and the published table, read by pandas
    table = pd.read_csv(shared_data / "obelix" / "all.csv", index_col="ID").loc[list(database.ids)]
    sigma = table["Ionic conductivity (S cm-1)"].str.strip("<").astype(float)
    assert (database.table["sigma_S_per_cm"] == sigma).all()
    agree = database.table["space_group"] == table["Space group #"]
    assert agree.mean() > 0.9
