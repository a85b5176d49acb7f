from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from sie.datasets.arrhenius import BOLTZMANN_EV_PER_K, ROOM_K
from sie.datasets.assemble import Measurement
from sie.datasets.registry import load_dataset
from sie.datasets.storage import DataRecord, load_record, save_record
from sie.datasets.temperatures import Reading, at_room_temperature

LI9B19S33 = {"sigma": 4.1e-4, "energy": 0.364}
"""S/cm at room temperature and eV, as published for the compound."""


def sigma_at(kelvin: float, sigma: float = 4.1e-4, energy: float = 0.364) -> float:
    """The law written out: sigma T falls with exp(-E_a / k T)."""
    ratio = math.exp(-energy / BOLTZMANN_EV_PER_K * (1 / kelvin - 1 / ROOM_K))
    return sigma * ROOM_K / kelvin * ratio


def readings(entry: str, kelvins, **law) -> list[Reading]:
    return [
        Reading(Measurement(entry, 0, sigma_at(t, **law), where=f"t.csv:{i}"), t)
        for i, t in enumerate(kelvins, start=2)
    ]


def li9b19s33() -> Structure:
    """A crystal of that composition; where its atoms are does not matter here."""
    grid = np.stack(np.meshgrid(*[np.arange(4) / 4] * 3), axis=-1).reshape(-1, 3)[:61]
    return Structure(Lattice.cubic(10.5), ["Li"] * 9 + ["B"] * 19 + ["S"] * 33, grid)


@pytest.mark.parametrize(
    ("heading", "shift", "kelvins"),
    [
        ("temperature_K", 0, (313.15, 333.15, 353.15, 393.15)),
        ("T [°C]", 273.15, (313.15, 333.15, 353.15, 393.15)),
        ("T (K)", 0, (393.15, 313.15)),
        ("T", 0, (253.15, 273.15, 353.15)),
    ],
)
def test_li9b19s33_comes_back_from_a_csv_and_a_cif(
    tmp_path, cif_text, caplog, heading, shift, kelvins
):
    (tmp_path / "Li9B19S33.cif").write_text(cif_text(li9b19s33()), encoding="utf-8")
    rows = [f"Li9B19S33,{sigma_at(t, **LI9B19S33):.6e},{t - shift:.2f}" for t in kelvins]
    text = "\n".join([f"id,sigma (S/cm),{heading}", *rows])
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    database = load_dataset("table", table=tmp_path / "t.csv")
    save_record(tmp_path / "data", DataRecord(database))
    for source in (database, load_record(tmp_path / "data").database):
        row = source.table.loc["Li9B19S33"]
        assert row["formula"] == "Li9B19S33"
        assert row["sigma_S_per_cm"] == pytest.approx(4.1e-4, rel=1e-5)
        assert row["activation_energy_eV"] == pytest.approx(0.364, abs=1e-5)
        assert row["lowest_temperature_K"] == pytest.approx(min(kelvins))
        assert row["label"] == 1
    assert not database.left_out
    assert not caplog.records


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=3),
        st.tuples(st.floats(-10, -1), st.floats(0.1, 1.0)),
        min_size=1,
        max_size=4,
    ),
    st.randoms(),
)
def test_entries_may_stand_in_any_order(laws, random):
    rows = []
    for entry, (log10_sigma, energy) in laws.items():
        rows += readings(entry, (330, 350, 390), sigma=10.0**log10_sigma, energy=energy)
    random.shuffle(rows)
    measurements, left_out = at_room_temperature(rows)
    assert [item.id for item in measurements] == list(
        dict.fromkeys(row.measurement.id for row in rows)
    )
    assert not left_out
    for item in measurements:
        log10_sigma, energy = laws[item.id]
        assert math.log10(item.sigma_S_per_cm) == pytest.approx(log10_sigma, abs=1e-6)
        assert item.extra["activation_energy_eV"] == pytest.approx(energy, abs=1e-6)
        assert item.label == int(item.sigma_S_per_cm >= 1e-4)


def test_the_class_is_that_of_room_temperature():
    rows = readings("a", (400, 500), sigma=1e-6)
    hot = [Reading(Measurement("a", 1, r.measurement.sigma_S_per_cm), r.kelvin) for r in rows]
    ((item,), _) = at_room_temperature(hot)
    assert item.label == 0


def test_room_temperature_wins_and_further_columns_stay():
    hot = Reading(Measurement("a", 1, 1e-2, extra={"family": "x"}), 400)
    cold = Reading(Measurement("a", 0, 1e-6, extra={"family": "x"}), 300)
    measurements, (left,) = at_room_temperature([hot, cold])
    assert measurements == [cold.measurement]
    assert left.reason == "measured at 400 K; the entry has a value at room temperature"
    rows = [
        Reading(Measurement("b", 0, sigma_at(t), doi="10.1/x", extra={"family": "y"}), t)
        for t in (350, 400)
    ]
    ((item,), _) = at_room_temperature(rows)
    assert (item.doi, item.extra["family"]) == ("10.1/x", "y")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(400, 1e-3)], "measured at 400 K only; a second temperature is needed"),
        ([(400, 1e-3), (400, 2e-3)], "measured at 400 K only; a second temperature is needed"),
        ([(400, 1e-3), (500, 1e-5)], "conductivity falls with temperature (E_a -0.76 eV)"),
        ([(400, math.nan), (500, 1e-3)], "a class or an upper bound at another temperature"),
    ],
)
def test_what_cannot_be_extrapolated_is_left_out_once(rows, reason):
    made = [Reading(Measurement("a", 0, s, where=f"t.csv:{t}"), t) for t, s in rows]
    measurements, (left,) = at_room_temperature(made)
    assert measurements == []
    assert left.reason.startswith(reason)
    assert (left.id, left.file) == ("a", "t.csv:400")


@pytest.mark.parametrize(
    ("kelvins", "text"),
    [((480, 560), "far, from 480 K and above"), ((120, 180), "far, from 180 K and below")],
)
def test_far_extrapolation_is_warned_of(caplog, kelvins, text):
    with caplog.at_level(logging.WARNING):
        at_room_temperature(readings("far away", kelvins))
    (record,) = caplog.records
    assert text in record.getMessage()
    assert "far away" in record.getMessage()
