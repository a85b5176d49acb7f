import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest
from screening_examples import DEFAULT, EmptyReader, calibrated_results, ranking

from sie.reporting.screening_figures import score_figure
from sie.reporting.screening_report import Picture, Report, formula_html, link, render
from sie.screening.ranking import Filters, rank
from sie.screening.record import STAGES, Source, Speed

EVIL = "<script>alert('x')</script>\"&"


def page(**given):
    ranked = ranking(200)
    picture = Picture(score_figure(ranked.table), f"alt {EVIL}", f"caption {EVIL}")
    plt.close("all")
    report = Report(
        title=f"Screening of {EVIL}",
        ranking=ranked,
        pictures=[picture],
        speed=Speed(203, dict.fromkeys(STAGES, 1.0), 10.0, 203, 2),
        reasons={EVIL: 2, "no atoms": 1},
        settings={EVIL: EVIL},
        commands=[f"python {EVIL}"],
        notes=[EVIL],
    )
    return render(Report(**{**vars(report), **given}))


class Elements(HTMLParser):
    """Tags with their attributes, and which are open when another one is closed."""

    void = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_the_page_is_whole_and_needs_nothing_else():
    text = page()
    elements = Elements(text)
    assert not elements.open
    assert not re.search(r'(?:src|href)="(?!data:image/png|https://materialsproject\.org/)', text)
    assert "url(" not in text
    assert "@import" not in text
    assert not elements.all("link")


def test_everything_from_outside_is_escaped():
    text = page()
    assert "<script" not in text
    assert "<b>" not in text
    assert Elements(text).all("img")[0]["alt"] == f"alt {EVIL}"
    assert text.count("&lt;script&gt;") >= 8


def test_tables_have_headings_captions_and_regions_to_scroll():
    elements = Elements(page())
    n = len(elements.all("table"))
    assert n == 5
    assert len(elements.all("caption")) == n
    assert all(item["scope"] == "col" for item in elements.all("th"))
    regions = [item for item in elements.all("div") if item.get("role") == "region"]
    assert len(regions) == n
    assert all(item["aria-label"] and item["tabindex"] == "0" for item in regions)
    assert elements.all("html")[0]["lang"] == "en"
    assert "width=device-width" in elements.all("meta")[1]["content"]


def test_numbers_of_the_page_are_those_of_the_ranking():
    ranked = ranking(200)
    text = page()
    for step in ranked.funnel:
        assert f'>{step.name.replace(">", "&gt;")}</td><td class="n">{step.kept:,}</td>' in text
    best = ranked.candidates.iloc[0]
    assert f"{best['p_si']:.3f} ± {best['p_si_sd']:.3f}" in text
    rows = text.split("<h2>The best ")[1].split("</table>")[0].count("<tr>") - 1
    assert rows == min(len(ranked.candidates), 50)
    assert "33.8 structures per second and core" in text


def test_a_calibrated_list_shows_raw_scores_and_sets():
    plain = page()
    assert "90 % set" not in plain and "calibrated" not in plain
    ranked = rank(calibrated_results(), Source("x", "h", (), EmptyReader()), DEFAULT)
    text = page(ranking=ranked)
    assert not Elements(text).open
    best = ranked.candidates.iloc[0]
    assert (
        f'<td class="n">{best.p_si:.3f}</td><td class="n">{best.p_si_raw:.3f} ± '
        f"{best.p_si_sd:.3f}</td><td>{best.set_80}</td><td>{best.set_90}</td>"
    ) in text
    assert "It is calibrated on clusters of the training compounds that were left out" in text


def test_a_list_without_candidates_shows_the_best_of_all():
    text = page(ranking=ranking(200, Filters(min_gap=1e6)))
    assert "Nothing passes every filter" in text
    assert text.split("<h2>The best ")[1].startswith("50<")


@pytest.mark.parametrize(
    ("entry", "address"),
    [("mp-532413", True), ("mvc-12", True), ("mp-1 x", False), ("jqc", False), ("mp-<b>", False)],
)
def test_links_lead_to_the_materials_project(entry, address):
    assert (f'href="https://materialsproject.org/materials/{entry}"' in link(entry)) == address


def test_formulas_have_subscripts():
    assert formula_html("Li6.5La3<") == "Li<sub>6.5</sub>La<sub>3</sub>&lt;"


def test_nothing_measured_and_nothing_rejected_are_said():
    text = page(speed=Speed(0), reasons={}, pictures=[])
    assert "Nothing was measured." in text
    assert "<p>None.</p>" in text
