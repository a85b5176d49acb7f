"""The real MLflow UI of a real, tiny search: trials compared, the saved view, the parent's page."""

import subprocess
from urllib.parse import quote

import pytest
import requests
from browsing import Browser, why_not
from search_commands import LOCO_SEARCH, TINY, TRIALS, parent_of
from services import MlflowServer

from sie.tracking.store import open_store

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "all there"),
    pytest.mark.end_to_end,
    pytest.mark.long,  # a minute and a half of a whole machine
]

PARALLEL_AXES = """
const plot = document.querySelector(".js-plotly-plot");
return plot && plot.data && plot.data[0].dimensions &&
  plot.data[0].dimensions.map((axis) => axis.label);
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of a finished search, and what the command printed."""
    folder = tmp_path_factory.mktemp("user")
    command = [*LOCO_SEARCH, *map(str, TINY), "--max-concurrent", "2", "--system-metrics"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder, ran.stdout


@pytest.fixture(scope="module")
def parent(searched):
    return parent_of(open_store(None, searched[0] / "mlruns"), "search")


@pytest.fixture(scope="module")
def server(searched, tmp_path_factory):
    database = searched[0] / "mlruns" / "mlflow.db"
    with MlflowServer(tmp_path_factory.mktemp("server"), f"sqlite:///{database}") as started:
        yield started


@pytest.fixture(scope="module")
def browser(server, tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.size(1600, 2000)  # charts are drawn where they can be seen
        yield opened


def see(browser, text):
    # the page writes some words with capitals
    script = f"return document.body.innerText.toLowerCase().includes({text.lower()!r})"
    return browser.until(script, 60)


def press(browser, words):
    browser.until(f"""
        const found = [...document.querySelectorAll("button")].find((button) =>
          button.innerText.trim() === {words!r} && !button.disabled);
        if (found) found.click();
        return Boolean(found);
    """)


def test_trials_are_selected_and_compared_in_parallel_coordinates(browser, server, parent):
    query = f"tags.phase = 'search' and tags.cluster = '{parent.tags['cluster']}'"
    order = "orderByKey=metrics.%60rank%60&orderByAsc=true"
    browser.open(
        f"{server.uri}/#/experiments/1/runs?workflowType=machine_learning"
        f"&searchFilter={quote(query)}&{order}"
    )
    see(browser, f"{TRIALS} matching runs")
    browser.run("document.querySelector('[aria-label=\"Select all runs\"]').click()")
    press(browser, "Compare")
    see(browser, f"Comparing {TRIALS} Runs from 1 Experiment")
    axes = browser.until(PARALLEL_AXES, 60)
    # the score is what MLflow plots unless told otherwise
    assert axes[-1] == "best_val_auc_pr" and len(axes) > 2
    browser.until("return document.querySelectorAll('.js-plotly-plot .parcoords').length")


def test_the_printed_view_shows_parallel_coordinates_scatter_and_contour(browser, server, searched):
    (line,) = [line for line in searched[1].splitlines() if "trials side by side" in line]
    browser.open(f"{server.uri}/#{line.partition('#')[2]}")
    see(browser, f"{TRIALS} matching runs")
    see(browser, "Trials of cluster 0")  # its name under Views
    texts = browser.until(
        """
        const text = (chart) => [...chart.querySelectorAll("text")].map((t) => t.textContent);
        const parallel = document.querySelector(".parcoords");
        const others = [...document.querySelectorAll(".js-plotly-plot")];
        return parallel && others.length > 1 && [text(parallel), ...others.map(text)];
    """,
        60,
    )
    assert {"rank", "best_val_auc_pr"} <= set(texts[0])
    kinds = browser.run("""
        return [...document.querySelectorAll(".js-plotly-plot")].map((plot) => plot.data[0].type)
    """)
    assert "contour" in kinds and any(kind.startswith("scatter") for kind in kinds)


def test_the_parents_page_shows_note_figures_and_dataset(browser, server, parent):
    browser.open(f"{server.uri}/#/experiments/1/runs/{parent.run_id}?workflowType=machine_learning")
    see(browser, "Winner of cluster 0: AUC-PR")
    see(browser, "loco_search.py --cluster 0")
    see(browser, "cluster 0 left out")  # what the dataset was used for
    assert browser.until("return document.querySelectorAll('table td').length > 5")
    # the picture comes from the server, and so do those behind the links
    size = browser.until("""
        const picture = document.querySelector('img[src*="learning_curves"]');
        return picture && picture.complete && picture.naturalWidth;
    """)
    assert size > 300
    links = browser.run("""
        return [...document.querySelectorAll('a[href*="get-artifact"]')].map((link) => link.href)
    """)
    assert len(links) >= 3
    for link in links:
        answer = requests.get(link, timeout=30)
        assert answer.ok and answer.content.startswith(b"\x89PNG")


def test_system_metrics_have_their_page(browser, server, parent):
    browser.open(f"{server.uri}/#/experiments/1/runs/{parent.run_id}/system-metrics")
    see(browser, "cpu_utilization_percentage")
