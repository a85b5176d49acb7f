import gzip
import hashlib
import json
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from sie.errors import DownloadError, InputError
from sie.pretraining import matbench
from sie.pretraining.sources import read_source


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def served(tmp_path, matbench_text):
    path = tmp_path / "served" / matbench.FILE
    path.parent.mkdir()
    path.write_bytes(gzip.compress(matbench_text.encode()))
    return path


@pytest.fixture
def url(served, tmp_path, monkeypatch):
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    handler = partial(QuietHandler, directory=str(served.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/{matbench.FILE}"
        running.shutdown()


@pytest.fixture
def pinned(served, monkeypatch):
    monkeypatch.setattr(matbench, "SHA256", hashlib.sha256(served.read_bytes()).hexdigest())


@pytest.mark.usefixtures("pinned")
def test_the_download_is_checked_and_kept(url, served):
    content = served.read_bytes()
    assert matbench.download(url).read_bytes() == content
    served.unlink()
    assert matbench.download(url).read_bytes() == content


def test_a_wrong_file_is_not_taken(url, tmp_path):
    with pytest.raises(DownloadError, match=r"SHA-256 differs.*--source PATH") as caught:
        matbench.download(url)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.json.gz"))


@pytest.mark.usefixtures("pinned")
def test_a_missing_file_says_404(url, served):
    served.unlink()
    with pytest.raises(DownloadError, match=r"404.*--source PATH") as caught:
        matbench.download(url)
    assert "\n" not in str(caught.value)


def test_no_server_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), QuietHandler) as closed:
        port = closed.server_port
    with pytest.raises(DownloadError, match=r"no answer \(ConnectionError\)"):
        matbench.download(f"http://127.0.0.1:{port}/{matbench.FILE}")


@pytest.mark.parametrize("block", [50, 1_000, 1 << 20])
def test_rows_do_not_depend_on_the_blocks(served, matbench_text, monkeypatch, block):
    monkeypatch.setattr(matbench, "BLOCK_CHARS", block)
    assert list(matbench.rows(served)) == json.loads(matbench_text)["data"]


def test_the_users_copy_gives_the_same_crystals(tmp_path, served, matbench_text, table):
    plain = tmp_path / "copy.json"
    plain.write_text(matbench_text)
    for path in (served, plain):
        found = read_source(str(path)).crystals
        assert found.ids[:2] == ("mb-mp-is-metal-000001", "mb-mp-is-metal-000002")
        assert found.labels.tolist() == table.labels.tolist()
        assert found.numbers.tolist() == table.numbers.tolist()
        np.testing.assert_allclose(found.lattices, table.lattices)
        np.testing.assert_allclose(found.frac_coords, table.frac_coords)


def test_disordered_and_broken_structures_are_counted(tmp_path, matbench_text):
    content = json.loads(matbench_text)
    content["data"][0][0]["sites"][0]["species"][0]["occu"] = 0.5
    del content["data"][1][0]["lattice"]
    content["data"][2][1] = None
    path = tmp_path / "copy.json"
    path.write_text(json.dumps(content))
    left_out = Counter()
    found = list(matbench.crystals(path, left_out))
    assert [item.id[-2:] for item in found[:2]] == ["03", "04"]
    assert found[0].label is None
    assert left_out == {"disordered": 1, "not a structure as pymatgen writes it": 1}


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda text: text[: len(text) // 2], "ends in the middle of a row"),
        (lambda text: '{"a": 1}', 'holds no "data"'),
        (lambda text: '{"data": [[1, true]]}', "row 1 holds no structure"),
    ],
)
def test_another_file_is_refused(tmp_path, matbench_text, spoil, match):
    path = tmp_path / "copy.json"
    path.write_text(spoil(matbench_text))
    with pytest.raises(InputError, match=match):
        list(matbench.crystals(path, Counter()))


def test_a_torn_archive_is_refused(served):
    served.write_bytes(served.read_bytes()[:-200])
    with pytest.raises(InputError, match="fetch it again"):
        list(matbench.rows(served))
