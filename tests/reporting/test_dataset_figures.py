from __future__ import annotations

import math

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.groups import SpaceGroup

from sie.datasets.assemble import Measurement, assemble
from sie.datasets.record import Database
from sie.datasets.registry import load_dataset
from sie.reporting import dataset_figures
from sie.reporting.dataset_figures import SYSTEMS, dataset_overview


@pytest.fixture(autouse=True)
def close_all():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def starter() -> Database:
    return load_dataset("starter")


def panels(database: Database) -> dict:
    figure = dataset_overview(database)
    return {axes.get_label(): axes for axes in figure.axes}


def bars(axes, vertical: bool = True) -> float:
    sizes = [p.get_height() if vertical else p.get_width() for p in axes.patches]
    return float(np.sum(sizes))


def test_every_entry_is_in_every_panel_that_counts_entries(starter):
    drawn = panels(starter)
    assert bars(drawn["sigma"]) == len(starter)
    assert bars(drawn["systems"], vertical=False) == len(starter)
    largest = starter.table["space_group"].value_counts().head(8).sum()
    assert bars(drawn["groups"], vertical=False) == largest


def test_the_boundary_parts_the_classes(starter):
    axes = panels(starter)["sigma"]
    right = sum(p.get_height() for p in axes.patches if p.get_x() >= -4 - 1e-9 and p.get_x() < -0.4)
    assert right == starter.labels.sum()


def test_prevalence_is_a_share_of_entries(starter):
    axes = panels(starter)["elements"]
    shown = [label.get_text() for label in axes.get_xticklabels()]
    n = len(shown)
    heights = [axes.patches[i].get_height() + axes.patches[n + i].get_height() for i in range(n)]
    for symbol, height in zip(shown, heights, strict=True):
        holding = [symbol in s.composition.get_el_amt_dict() for s in starter.structures.values()]
        assert height == pytest.approx(100 * np.mean(holding))


def test_upper_bounds_are_hatched_and_counted(starter):
    axes = panels(starter)["sigma"]
    hatched = sum(p.get_height() for p in axes.patches if p.get_hatch())
    assert hatched == starter.table["censored"].sum()
    assert f"upper bound ({hatched:.0f})" in [
        text.get_text() for text in axes.get_legend().get_texts()
    ]


def texts_overlap(figure) -> list[tuple[str, str]]:
    renderer = figure.canvas.get_renderer()
    boxes = []
    for axes in figure.axes:
        labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts]
        labels += [axes.xaxis.label, axes.yaxis.label, axes._left_title]
        if axes.get_legend():
            labels += axes.get_legend().get_texts()
        boxes += [
            (text.get_text(), text.get_window_extent(renderer)) for text in labels
            if text.get_text() and text.get_visible()
        ]  # fmt: skip
    return [
        (a, b)
        for i, (a, box) in enumerate(boxes)
        for b, other in boxes[i + 1 :]
        if box.overlaps(other)
    ]


def test_no_text_stands_on_another(starter):
    figure = dataset_overview(starter)
    figure.canvas.draw()
    assert texts_overlap(figure) == []


@pytest.mark.parametrize("sigma", [math.nan, 1e-4, 1e-300, 9.0])
def test_the_smallest_databases_are_drawn(sigma, tmp_path):
    crystal = Structure(Lattice.cubic(3), ["Li"], [[0, 0, 0]])
    label = int(sigma >= 1e-4)
    database = assemble("one", [Measurement("a", label, sigma)], lambda entry: (crystal, ""))
    drawn = panels(database)
    assert bars(drawn["sigma"]) == (0 if math.isnan(sigma) else 1)
    drawn["sigma"].figure.savefig(tmp_path / "f.png")
    assert ("1 with a class only" in drawn["sigma"].get_xlabel()) == math.isnan(sigma)


def test_crystal_systems_are_pymatgens():
    assert sorted(n for members in SYSTEMS.values() for n in members) == list(range(1, 231))
    for number in range(1, 231, 3):
        (name,) = [name for name, members in SYSTEMS.items() if number in members]
        assert name == SpaceGroup.from_int_number(number).crystal_system


def test_symbols_are_the_short_ones():
    symbols = {n: dataset_figures._symbol(n) for n in (1, 4, 14, 15, 167, 225)}
    assert symbols == {
        1: "P1",
        4: "P2$_{1}$",
        14: "P2$_{1}$/c",
        15: "C2/c",
        167: r"R$\overline{3}$c",
        225: r"Fm$\overline{3}$m",
    }
