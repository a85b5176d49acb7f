from __future__ import annotations

import os

import pytest

from sie.reading import TooLarge, lines_of, read_bytes, regular_size


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(TooLarge):
        read_bytes(path, 4)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_bytes(tmp_path / "pipe", 10)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/stdin"])
def test_a_link_to_a_device_is_not_followed(tmp_path, device):
    link = tmp_path / "link.cif"
    link.symlink_to(device)
    with pytest.raises(OSError):
        read_bytes(link, 10)


def test_a_file_without_a_size_is_not_read_on_and_on():
    with pytest.raises(TooLarge):  # the kernel says 0 bytes
        read_bytes(_sized_zero(), 3)


def _sized_zero():
    from pathlib import Path

    return Path("/proc/self/status")


def test_a_folder_and_an_impossible_name_are_errors_of_files(tmp_path):
    with pytest.raises(IsADirectoryError):
        regular_size(tmp_path)
    with pytest.raises(OSError, match="no possible name"):
        regular_size(tmp_path / "a\0b")


def test_ends_of_lines_are_those_that_open_gives(tmp_path):
    data = b"a\r\nb\rc\n\r\n\r\r\n"
    (tmp_path / "x").write_bytes(data)
    assert lines_of(data) == (tmp_path / "x").read_text()
