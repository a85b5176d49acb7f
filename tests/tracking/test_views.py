"""Saved views as MLflow keeps them; that its page opens them is tested in tests/browser."""

import base64
import json
import zlib
from urllib.parse import parse_qs, urlsplit

from sie.tracking.recorder import Recorder
from sie.tracking.store import Store, open_store
from sie.tracking.views import View, contour, parallel, scatter

CHARTS = (parallel(("a", "b"), ("m",)), scatter("a", "m"), contour(("a", "b"), "m"))
VIEW = View("sie-x", "Trials", "tags.phase = 'search'", ("metrics.`m`",), CHARTS)


def test_a_view_is_a_tag_of_the_experiment_and_a_newer_one_takes_its_place(tmp_path):
    recorder = Recorder(open_store(None, tmp_path), "views")
    recorder.save_view(VIEW)
    recorder.save_view(VIEW)
    tags = recorder.store.client().get_experiment(recorder.experiment_id).tags
    (content,) = (json.loads(v) for k, v in tags.items() if k.startswith("mlflow.sharedViewState"))
    assert content["name"] == "Trials"
    method, _, packed = content["state"].partition(";")
    assert method == "deflate"
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert state["searchFilter"] == "tags.phase = 'search'"
    assert [chart["type"] for chart in state["compareRunCharts"]] == [
        "PARALLEL", "SCATTER", "CONTOUR"
    ]  # fmt: skip
    assert {c["metricSectionId"] for c in state["compareRunCharts"]} == {
        state["compareRunSections"][0]["uuid"]
    }


def test_a_view_with_many_hyperparameters_fits_into_a_tag():
    names = [f"hyperparameter_{number}" for number in range(40)]
    charts = (parallel(names, ("m",)), *(scatter(name, "m") for name in names[:6]))
    columns = tuple(f"params.`{name}`" for name in names)
    assert len(View("k", "n", "q" * 100, columns, charts).value(1_800_000_000_000)) < 5000


def test_its_address_opens_it_on_the_server_or_on_mlflow_ui():
    address = VIEW.address("7")
    query = parse_qs(address.partition("?")[2])
    assert query["viewStateShareKey"] == ["sie-x"]
    assert address.startswith("#/experiments/7/runs?")
    assert Store("http://10.0.0.1:5000/").page(address) == f"http://10.0.0.1:5000/{address}"
    assert urlsplit(Store("sqlite:///m.db").page(address)).netloc == "127.0.0.1:5000"
    assert "secret" not in Store("https://me:secret@host").page(address)
