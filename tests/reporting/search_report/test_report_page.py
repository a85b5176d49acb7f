import dataclasses
import re
from html.parser import HTMLParser

import pytest
from reported_searches import EVIL, FLOOR, made_study

from sie.reporting.search_report.importance import importances
from sie.reporting.search_report.page import SearchReport, render
from sie.reporting.search_report.sections import OPTIMISM
from sie.reporting.search_report.trial_table import trial_table

VOID = ("meta", "br")


class Elements(HTMLParser):
    """Tags with their attributes; every one that is closed must be the last that was opened."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.words = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words += data

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def page(study, **given):
    table = trial_table(study)
    return render(
        SearchReport(
            study,
            table,
            importances(table, draws=0.1) if given.pop("important", False) else (),
            commands=(f"python {EVIL}",),
            **given,
        )
    )


@pytest.fixture(scope="module")
def whole(study):
    return page(study, important=True, warnings=(f"mind {EVIL}",), space_yaml="name: test")


@pytest.fixture(scope="module")
def elements(whole):
    return Elements(whole)


def test_the_page_is_whole_and_can_fetch_nothing(whole, elements):
    assert not elements.open
    policy = [m["content"] for m in elements.all("meta") if "http-equiv" in m]
    assert len(policy) == 1 and "default-src 'none'" in policy[0]
    for _, attributes in elements.found:
        assert not attributes.get("src")
        assert attributes.get("href", "#").startswith("#")
    assert whole.count("plotly.js v") == 1  # the library's banner


def test_everything_from_outside_is_escaped(whole, elements):
    assert "<script>alert" not in whole
    assert elements.words.count("alert('x')") >= 4


def test_every_figure_has_words_and_every_table_a_caption(elements):
    images = [a for a in elements.all("div") if a.get("role") == "img"]
    assert len(images) == len(elements.all("figure")) == 14
    assert all(len(a["aria-label"]) > 10 for a in images)
    assert len(elements.all("caption")) == len(elements.all("table"))
    assert all(a["scope"] == "col" for a in elements.all("th"))
    names = [a["id"] for _, a in elements.found if "id" in a]
    assert len(names) == len(set(names))
    links = {a["href"][1:] for a in elements.all("a")}
    assert links and links <= set(names)


def test_the_numbers_of_the_page_are_those_of_the_searches(elements, study):
    for search in study.searches:
        winner = search.winner
        assert f"{winner.mean:.3f} ± {winner.sd:.3f}" in elements.words
        assert search.parent.run_id in elements.words
        assert winner.config.hash in elements.words
    assert f"{FLOOR:.3f}" in elements.words
    assert OPTIMISM in elements.words
    assert "max_lr" in elements.words and "out of memory" in elements.words
    assert "name: test" in elements.words


def test_one_cluster_has_its_own_page(single):
    words = Elements(page(single)).words
    assert "cluster 0 left out" in words
    assert "Importances were not asked for" in words
    assert "without" not in words.split("Summary")[0]


def test_a_search_with_nothing_but_trials_says_what_it_lacks():
    words = Elements(page(made_study((0,), repeats=0, artifacts=False))).words
    assert "no winner" in words
    assert "There is no map: the run's artifacts hold no readable splits.json" in words
    assert "has no repeats that gave a score" in words
    assert "No baselines are recorded on the split of cluster 0" in words


def test_a_search_without_a_scored_trial_is_a_page_too(single):
    none = dataclasses.replace(single.first, trials=single.first.trials[1:3], judged=())
    words = Elements(page(dataclasses.replace(single, searches=(none,)))).words
    assert "0 scored trials are too few" in words
    assert "No two scored trials differ" in words


def test_searches_that_are_not_alike_are_not_compared_silently(study):
    first, second = study.searches
    tags = {**second.parent.tags, "space_hash": "other"}
    other = dataclasses.replace(second, parent=dataclasses.replace(second.parent, tags=tags))
    words = Elements(page(dataclasses.replace(study, searches=(first, other)))).words
    assert re.search(r"are not alike, so do not compare them \(space_hash: none, other\)", words)
