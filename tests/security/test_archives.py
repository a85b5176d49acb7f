"""Archives are read in memory: nothing is written, whatever their members are called."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from sie.datasets import obelix
from sie.datasets.obelix import read_archive
from sie.errors import InputError


def archive(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_members_are_read_by_their_stem_and_nothing_is_written(tmp_path, mode, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = [("a/b.cif", b"one"), ("../../up.cif", b"two"), ("/abs.cif", b"three")]
    members += [("link.cif", None), ("x.txt", b"four")]
    path = archive(tmp_path / "x.tar.gz", members, mode)
    assert read_archive(path) == {"b": "one", "up": "two", "abs": "three"}
    assert [found.name for found in tmp_path.iterdir()] == ["x.tar.gz"]
    assert not (tmp_path.parent / "up.cif").exists()


def test_what_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(obelix, "MAX_UNPACKED", 1_000_000)
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="holds more than 1 MB"):
        read_archive(path)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"BZh9x", b"\xfd7zXZ\x00", b"x" * 1024])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(InputError, match="not a readable tar archive"):
        read_archive(tmp_path / "x.tar.gz")
