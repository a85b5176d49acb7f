from __future__ import annotations

import csv
import logging
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sie.datasets import table
from sie.datasets.arrhenius import BOLTZMANN_EV_PER_K, ROOM_K, ArrheniusFit
from sie.datasets.record import Database
from sie.datasets.table import find_columns
from sie.errors import InputError


def line_through(sigma_room: float, energy: float) -> ArrheniusFit:
    """The law that has this conductivity in S/cm at room temperature."""
    log_prefactor = math.log(sigma_room * ROOM_K) + energy / (BOLTZMANN_EV_PER_K * ROOM_K)
    return ArrheniusFit(log_prefactor, energy, 0, 0, 0)


@pytest.fixture
def folder(tmp_path, rock_salt, cif_text):
    cifs = tmp_path / "cifs"
    cifs.mkdir()
    names = ("a.cif", "B.CIF", "12345.cif", "icsd_012346.cif", "EntryWithCollCode12347.cif")
    for i, name in enumerate(names):
        (cifs / name).write_text(cif_text(rock_salt(a=5.1 + 0.1 * i)))
    return tmp_path


def load(folder, text: str, encoding: str = "utf-8") -> Database:
    path = folder / "mine.csv"
    path.write_bytes(text.encode(encoding))
    return table.load(path)


def test_a_plain_table(folder):
    database = load(folder, "id,sigma,doi,family\na,2e-3,10.1/x,halide\nb,<1e-10,,\n")
    assert database.name == "mine"
    assert database.ids == ("a", "b")
    assert database.labels.tolist() == [1, 0]
    assert database.table["censored"].tolist() == [False, True]
    assert database.table.loc["a", "family"] == "halide"
    assert database.table.loc["b", "source"] == "B.CIF"


@pytest.mark.parametrize("heading", ["ICSD", "ICSD_ID", "Collection Code", "icsd code"])
def test_icsd_codes_find_their_files(folder, heading):
    text = f"{heading};Ionic conductivity (S/cm)\n12345;1,5e-3\n12346;1e-6\n12347.0;1e-7\n"
    database = load(folder, text)
    assert database.table["source"].tolist() == [
        "12345.cif",
        "icsd_012346.cif",
        "EntryWithCollCode12347.cif",
    ]
    assert database.labels.tolist() == [1, 0, 0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters(folder, encoding, delimiter):
    rows = ["id|T [°C]|log10 sigma|class", "a|25|-3.5|1", "b|25|-7|0"]
    text = "\r\n".join(row.replace("|", delimiter) for row in rows)
    assert load(folder, text, encoding).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        ("id,sigma", "a,fast", "'fast' is not a number"),
        ("id,sigma", "a,", "no conductivity and no class"),
        ("id,sigma", "a,n/a", "no conductivity and no class"),
        ("id,sigma", "nowhere,1e-5", "no CIF"),
        ("id,sigma", "../cifs/a,1e-5", "no CIF"),
        ("id,sigma", ",1e-5", "no id"),
        ("id,sigma", "a", "the line has fewer cells than the header"),
        (
            "id,sigma,temperature",
            "a,1e-5,400",
            "measured at 400 K only; a second temperature is needed",
        ),
        (
            "id,sigma,T [°C]",
            "a,1e-5,126.85",
            "measured at 400 K only; a second temperature is needed",
        ),
        ("id,sigma,T/K", "a,1e-5,warm", "'warm' is not a number"),
        ("id,class", "a,maybe", "'maybe' is not a class; 0 or 1 is"),
        ("id,class,sigma", "a,1,1e-9", "class and conductivity disagree"),
        ("id,log10_sigma,sigma", "a,-3,1e-9", "sigma and log10_sigma disagree"),
        ("id,sigma", "b,1e-3", "id occurs more than once"),
    ],
)
def test_a_bad_row_is_left_out_with_reason_and_line(folder, header, row, reason):
    good = {"id": "b", "sigma": "1e-3", "log10_sigma": "-3", "class": "1"}
    first = ",".join(good.get(name, "") for name in header.split(","))
    database = load(folder, f"{header}\n{first}\n\n{row}\n")
    assert database.ids == ("b",)
    (item,) = database.left_out
    assert (item.reason, item.file) == (reason, "mine.csv:4")


def test_several_temperatures_become_one_at_room_temperature(folder, caplog):
    laws = {"a": (4.1e-4, 0.364), "b": (3e-9, 0.9)}
    rows = ["id,sigma,temperature"]
    for entry, (sigma, energy) in laws.items():
        law = line_through(sigma, energy)
        rows += [f"{entry},{law.sigma(t)!r},{t}" for t in (453.15, 393.15, 423.15)]
    database = load(folder, "\n".join(rows))
    for entry, (sigma, energy) in laws.items():
        row = database.table.loc[entry]
        assert row["sigma_S_per_cm"] == pytest.approx(sigma)
        assert row["activation_energy_eV"] == pytest.approx(energy)
        assert row["lowest_temperature_K"] == 393.15
    assert database.labels.tolist() == [1, 0]
    assert not database.left_out
    assert not caplog.records


def test_a_value_at_room_temperature_is_better_than_a_fit(folder):
    text = "id,sigma,temperature\na,1e-3,400\na,1e-2,500\na,7e-5,RT\nb,1e-3,298"
    database = load(folder, text)
    assert database.table.loc["a", "sigma_S_per_cm"] == 7e-5
    assert [(item.reason, item.file) for item in database.left_out] == [
        ("measured at 400 K; the entry has a value at room temperature", "mine.csv:2"),
        ("measured at 500 K; the entry has a value at room temperature", "mine.csv:3"),
    ]


def test_what_cannot_be_extrapolated_is_left_out_and_far_fits_are_named(folder, caplog):
    text = "id,sigma,temperature\na,1e-3,600\na,<1e-5,500\nb,1e-4,500\nb,1e-3,600"
    database = load(folder, text)
    assert database.ids == ("b",)
    (item,) = database.left_out
    assert item.reason == "a class or an upper bound at another temperature cannot be extrapolated"
    assert "b: conductivity is extrapolated far, from 500 K and above" in caplog.text


def test_a_bad_cif_is_left_out_with_its_file(folder):
    (folder / "cifs" / "a.cif").write_text("nothing")
    database = load(folder, "id,class\na,1\nb,0\n")
    (item,) = database.left_out
    assert item.reason == "no atom positions"
    assert item.file.endswith("a.cif")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("code;sigmaa", "no column for the entry's id"),
        ("id,conductivty", "did you mean sigma by 'conductivty'"),
        ("idd,sigma", "did you mean id by 'idd'"),
        ("id,sigma (mS/cm)", "no column for the conductivity or the class"),
        ("id,sigma,conductivity", "columns 'sigma' and 'conductivity' both mean sigma"),
        ("", "is empty; known columns: id"),
    ],
)
def test_a_bad_header_is_one_clear_line(folder, header, message):
    with pytest.raises(InputError) as caught:
        load(folder, f"{header}\n")
    assert message in str(caught.value)
    assert "mine.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_optional_column_is_warned_of(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        columns = find_columns(["id", "sigma", "temprature", "remark"], tmp_path / "t.csv")
    assert columns == {"id": 0, "sigma": 1}
    assert ["temprature" in item.message for item in caplog.records] == [True]


def test_of_several_ids_the_plain_one_is_taken(tmp_path):
    assert find_columns(["ICSD ID", "ID", "sigma"], tmp_path)["id"] == 1


def test_nothing_usable_is_the_users_mistake(folder):
    with pytest.raises(InputError, match="measured at 400 K"):
        load(folder, "id,sigma,T\na,1e-5,400\n")


def test_missing_places_are_the_users_mistake(folder):
    path = folder / "mine.csv"
    with pytest.raises(InputError, match=r"mine\.csv cannot be read"):
        table.load(path)
    path.write_text("id,sigma\na,1e-3\n")
    with pytest.raises(InputError, match="give another one"):
        table.load(path, folder / "nowhere")
    (folder / "bare").mkdir()
    with pytest.raises(InputError, match=r"holds no \.cif file"):
        table.load(path, folder / "bare")


def test_a_name_that_makes_no_folder_is_the_users_mistake(folder):
    for name in ("mine (2).csv", "..csv"):
        (folder / name).write_text("id,sigma\na,1e-3\n")
        with pytest.raises(InputError, match=r"cannot be called .*; rename it") as caught:
            table.load(folder / name)
        assert str(folder / name) in str(caught.value)


def test_cifs_may_lie_beside_the_table(tmp_path, rock_salt, cif_text):
    (tmp_path / "a.cif").write_text(cif_text(rock_salt()))
    assert load(tmp_path, "id,class\na,1\n").ids == ("a",)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(*[st.text(max_size=8)] * 5), max_size=4), st.binary(max_size=6))
def test_any_cells_end_in_a_database_or_an_input_error(folder, rows, noise):
    path = folder / "any.csv"
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "sigma", "log10_sigma", "class", "T"])
        writer.writerow(["a", "1e-3", "", "", ""])
        writer.writerows(rows)
    path.write_bytes(path.read_bytes() + noise)
    try:
        database = table.load(path)
    except InputError as error:
        assert "any" in str(error)
    else:
        assert database.ids[0] == "a"


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text() | st.text(st.sampled_from('id,;\t\n\r"sigma01\x00')))
def test_any_text_ends_in_a_database_or_an_input_error(folder, text):
    path = folder / "any.csv"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    with pytest.raises(InputError, match=r"any"):
        table.load(path)


def test_a_stated_division_is_kept(tmp_path, rock_salt, cif_text):
    for entry, anion in (("a", "Cl"), ("b", "Br")):
        (tmp_path / f"{entry}.cif").write_text(cif_text(rock_salt(anion)))
    path = tmp_path / "mine.csv"
    path.write_text("id,sigma,Split\na,1e-3,Train\nb,1e-6,TEST\n")
    assert table.load(path).table["split"].tolist() == ["train", "test"]
