"""The search report in a real browser, at a desk and on a phone, with the network cut off."""

import pytest
from browsing import Browser, why_not
from reported_searches import made_study

from sie.reporting.search_report.importance import importances
from sie.reporting.search_report.page import SearchReport, render
from sie.reporting.search_report.trial_table import trial_table

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "all there")

DRAWN = """
const plots = [...document.querySelectorAll(".plotly-graph-div")];
return plots.length > 0 && plots.every((plot) => plot.querySelector(".main-svg, canvas"));
"""
SIZES = {"desk": (1280, 900, False), "phone": (390, 844, True)}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    study = made_study()
    table = trial_table(study)
    report = SearchReport(study, table, importances(table, draws=0.1), commands=("python x",))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.offline()
        yield opened


@pytest.fixture(params=list(SIZES))
def opened(request, browser, page):
    browser.size(*SIZES[request.param])
    browser.messages()
    browser.requested()
    browser.open(page.as_uri())
    browser.until(DRAWN)
    return browser


def test_everything_is_drawn_without_a_network_or_an_error(opened, page):
    assert opened.run("return document.querySelectorAll('.plotly-graph-div').length") == 14
    assert opened.messages() == []
    assert opened.requested() == [page.as_uri()]


def test_nothing_is_wider_than_the_screen(opened):
    assert opened.run("return document.documentElement.scrollWidth <= innerWidth")
    wide = opened.run("""
        return [...document.querySelectorAll("figure.plot")].filter((figure) =>
          !figure.querySelector(".scroll") && figure.scrollWidth > figure.clientWidth + 1).length
    """)
    assert wide == 0


def test_plots_of_a_grid_share_its_width(opened):
    widths = opened.run("""
        return [...document.querySelectorAll(".plots .main-svg:first-child")].map((svg) =>
          [svg.getBoundingClientRect().width, svg.closest("figure").clientWidth])
    """)
    assert widths and all(abs(drawn - room) < 2 for drawn, room in widths)


def test_pointing_at_the_map_shows_formula_and_conductivity(opened):
    opened.run("Plotly.Fx.hover('plot-1', [{curveNumber: 0, pointNumber: 1}])")
    text = opened.until("""
        const label = document.querySelector("#plot-1 .hoverlayer .hovertext");
        return label && label.textContent
    """)
    assert "Li4PS4" in text and "S/cm" in text


def test_tables_unfold_with_the_keyboard(opened):
    opened.run("document.querySelector('summary').focus()")
    assert opened.run("return document.activeElement.tagName") == "SUMMARY"
    opened.run("document.activeElement.click()")
    assert opened.run("return document.querySelector('details table').offsetHeight > 0")
    assert opened.run("return document.documentElement.scrollWidth <= innerWidth")


def test_paper_gets_plots_of_its_own_width(browser, page, tmp_path):
    browser.size(*SIZES["desk"])
    browser.open(page.as_uri())
    browser.until(DRAWN)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    width = "return document.querySelector('#plot-2 .main-svg').getBoundingClientRect().width"
    browser.until(width.replace("return", "return 680 ==="))
    browser.run("dispatchEvent(new Event('afterprint'))")
    browser.until(f"{width} > 1000")
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
