import dataclasses

import numpy as np
from reported_searches import clustering, entries_csv

from sie.reporting.search_report.artifacts import parse_entries
from sie.reporting.search_report.plotting import INK
from sie.reporting.search_report.splits_map import splits_map, what_is_missing


def test_marks_stand_where_umap_put_them_and_name_formula_and_conductivity(single):
    plot = splits_map(single.first, (0,))
    plane = clustering().embedding
    for number, trace in enumerate(plot.figure.data):
        inside = clustering().labels == number
        np.testing.assert_allclose(np.c_[trace.x, trace.y], plane[inside], atol=1e-3)
    texts = plot.figure.data[0].text
    assert texts[1] == "<b>Li4PS4</b> (e03), cluster 0<br>σ 0.0005 S/cm"
    assert "class only" in texts[0]
    assert what_is_missing(single.first) == ""


def test_marks_are_filled_for_superionic_compounds_and_outlined_where_left_out(single):
    first, second, _ = splits_map(single.first, (0,)).figure.data
    assert set(first.marker.symbol) == {"circle"}  # cluster 0 holds the superionic ones
    assert set(second.marker.symbol) == {"square-open"}
    assert first.marker.line.color == INK and first.marker.line.width > second.marker.line.width
    both = splits_map(single.first, (0, 1)).figure.data
    assert both[0].marker.line.width == both[1].marker.line.width


def test_formulas_are_escaped(single):
    evil = parse_entries(entries_csv().replace("Li4PS4", "<b onload=x>"))
    plot = splits_map(dataclasses.replace(single.first, entries=evil), (0,))
    assert "<b onload" not in "".join(plot.figure.data[0].text)


def test_what_is_missing_is_said_plainly(single):
    first = single.first
    without = dataclasses.replace(first, entries={})
    assert splits_map(without, (0,)) is not None
    assert "entries.csv" in what_is_missing(without)
    given = dataclasses.replace(first, clustering=clustering(embedding=False))
    assert splits_map(given, (0,)) is None and "given in a file" in what_is_missing(given)
    none = dataclasses.replace(first, clustering=None)
    assert splits_map(none, (0,)) is None and "splits.json" in what_is_missing(none)
