"""Against a local server that answers as the documented interface does; the site is not reached."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ensemble_examples import rock_salt
from screening_examples import all_entries, lithium_salts

from sie.errors import DownloadError, InputError
from sie.screening.materials_project import Query, fetch, table_of
from sie.screening.tables import open_parquet


class StandIn(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        server.asked.append((urlsplit(self.path).path, asked, self.headers.get("X-API-KEY")))
        if self.headers.get("X-API-KEY") != "secret":
            return self.answer(403, {})
        if server.fail_at == len(server.asked):
            return self.answer(404, {})
        first = int(asked["_skip"])
        found = server.documents[first : first + int(asked["_limit"])]
        return self.answer(200, {"data": found, "meta": {"total_doc": len(server.documents)}})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.asked, server.fail_at = [], None
    server.documents = [
        {"material_id": f"mp-{i}", "formula_pretty": "LiX", "band_gap": i / 2,
         "structure": s.as_dict()}
        for i, s in enumerate(lithium_salts(7))
    ]  # fmt: skip
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_pages_become_a_source_with_ids_and_band_gaps(site, tmp_path):
    seen = []
    paths = fetch(
        Query(), "secret", tmp_path, site.url, lambda *counts: seen.append(counts), page=3
    )
    entries = all_entries(open_parquet("mp", paths, 2))
    assert [e.id for e in entries] == [f"mp-{i}" for i in range(7)]
    assert [e.band_gap for e in entries] == [i / 2 for i in range(7)]
    assert entries[4].structure.matches(lithium_salts(5)[4])
    assert seen == [(3, 7), (6, 7), (7, 7)]
    path, asked, _ = site.asked[0]
    assert path == "/materials/summary/"
    assert asked["elements"] == "Li"
    assert asked["_fields"] == "material_id,formula_pretty,band_gap,structure"
    assert "secret" not in (tmp_path / "query.json").read_text()


def test_an_interrupted_download_goes_on_and_a_finished_one_asks_nothing(site, tmp_path):
    site.fail_at = 2
    with pytest.raises(DownloadError, match="the same command goes on from here"):
        fetch(Query(), "secret", tmp_path, site.url, page=3)
    site.fail_at = None
    before = len(site.asked)
    paths = fetch(Query(), "secret", tmp_path, site.url, page=3)
    assert [asked["_skip"] for _, asked, _ in site.asked[before:]] == ["3", "6"]
    assert len(all_entries(open_parquet("mp", paths, 100))) == 7
    before = len(site.asked)
    assert fetch(Query(), None, tmp_path, site.url, page=3) == paths
    assert len(site.asked) == before


def test_a_changed_database_or_another_query_is_not_mixed(site, tmp_path):
    site.fail_at = 2
    with pytest.raises(DownloadError):
        fetch(Query(), "secret", tmp_path, site.url, page=3)
    site.fail_at = None
    site.documents.pop()
    with pytest.raises(DownloadError, match="changed during the download"):
        fetch(Query(), "secret", tmp_path, site.url, page=3)
    with pytest.raises(InputError, match="answer to another query"):
        fetch(Query(chemsys=("Li-P-S",)), "secret", tmp_path, site.url, page=3)


def test_keys_are_asked_for_and_refusals_are_one_line(site, tmp_path):
    with pytest.raises(InputError, match="--api-key KEY or the variable MP_API_KEY"):
        fetch(Query(), None, tmp_path, site.url)
    with pytest.raises(InputError, match="refuses the key"):
        fetch(Query(), "wrong", tmp_path, site.url)
    site.documents = []
    with pytest.raises(InputError, match="nothing with chemsys Li-Xx"):
        fetch(Query(chemsys=("Li-Xx",)), "secret", tmp_path, site.url)


def test_nobody_listening_is_one_line(tmp_path, monkeypatch):
    from urllib3.util import Retry

    monkeypatch.setattr(Retry, "DEFAULT_BACKOFF_MAX", 0)
    with pytest.raises(DownloadError, match="does not answer"):
        fetch(Query(), "secret", tmp_path, "http://127.0.0.1:9")


def test_documents_with_magnetic_moments_or_without_a_crystal_keep_their_row():
    magnetic = rock_salt()
    magnetic.add_oxidation_state_by_element({"Li": 1, "Cl": -1})
    magnetic.add_spin_by_site([1.0] * len(magnetic))
    documents = [
        {"material_id": "mp-1", "structure": magnetic.as_dict(), "band_gap": None},
        {"material_id": "mp-2"},
    ]
    table = table_of(documents)
    assert table["id"].to_pylist() == ["mp-1", "mp-2"]
    assert table["crystal.fillings"][0].as_py() == '[[["Li", null, 1.0]], [["Cl", null, 1.0]]]'
    assert table["crystal.fillings"][1].as_py() is None
