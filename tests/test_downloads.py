"""Files come from a real server on this machine; nothing is fetched from elsewhere."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sie import downloads
from sie.downloads import fetch
from sie.errors import DownloadError

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def served(tmp_path):
    path = tmp_path / "served" / "weights.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def url(served, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    handler = partial(QuietHandler, directory=str(served.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/weights.bin"
        running.shutdown()


def test_a_file_is_fetched_once(url, served, tmp_path):
    kept = tmp_path / "cache" / "here.bin"
    assert fetch(url, SHA256, kept, "do without").read_bytes() == CONTENT
    served.unlink()
    assert fetch(url, SHA256, kept, "do without") == kept


def test_a_damaged_copy_is_fetched_again(url, tmp_path):
    kept = tmp_path / "here.bin"
    kept.write_bytes(b"half")
    assert fetch(url, SHA256, kept, "do without").read_bytes() == CONTENT


def test_another_content_is_not_kept(url, served, tmp_path):
    served.write_bytes(b"something else")
    kept = tmp_path / "cache" / "here.bin"
    with pytest.raises(DownloadError, match=r"weights.bin .*SHA-256 differs.*or do without$"):
        fetch(url, SHA256, kept, "do without")
    assert not kept.exists()


def test_what_is_too_long_is_not_taken_to_its_end(url, served, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_BYTES", len(CONTENT))
    assert fetch(url, SHA256, tmp_path / "cache" / "a.bin", "do without").read_bytes() == CONTENT
    served.write_bytes(CONTENT * 2)
    with pytest.raises(DownloadError, match="more than 7 bytes came"):
        fetch(url, SHA256, tmp_path / "cache" / "b.bin", "do without")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.bin"]


def test_what_went_wrong_is_one_line(url, served, tmp_path):
    served.unlink()
    with pytest.raises(DownloadError, match=r"404.*or do without$") as caught:
        fetch(url, SHA256, tmp_path / "here.bin", "do without")
    assert "\n" not in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot write to"):
        fetch(url, SHA256, tmp_path / "file" / "here.bin", "do without")
