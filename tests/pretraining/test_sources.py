import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymatgen.io.cif import CifWriter

from sie.errors import InputError
from sie.hashing import file_sha256
from sie.pretraining import sources
from sie.pretraining.sources import class_of, read_source


def check(found, table, atol=1e-12):
    assert found.ids == table.ids
    assert found.labels.tolist() == table.labels.tolist()
    assert found.numbers.tolist() == table.numbers.tolist()
    np.testing.assert_allclose(found.lattices, table.lattices, atol=atol)
    np.testing.assert_allclose(found.frac_coords, table.frac_coords, atol=atol)


def test_parquet_with_whole_number_coordinates(parquet, table, monkeypatch):
    monkeypatch.setattr(sources, "BATCH", 7)
    source = read_source(str(parquet))
    check(source.crystals, table)
    assert source.sha256 == file_sha256(parquet)
    assert source.name == "crystals.parquet"


@pytest.mark.parametrize("scale", [None, 1000])
def test_parquet_with_other_coordinates(
    tmp_path, structures, classes, table, parquet_writer, scale
):
    path = tmp_path / "other.parquet"
    gaps = [0.0 if classes[entry] else 1.5 for entry in structures]
    parquet_writer(path, structures, "band_gap", gaps, scale)
    check(read_source(str(path)).crystals, table)


def test_a_crystal_without_its_lists_is_left_out(tmp_path, parquet, structures):
    columns = pq.read_table(parquet)
    numbers = columns["numbers"].to_pylist()
    numbers[4] = None
    place = columns.schema.names.index("numbers")
    holed = columns.set_column(place, "numbers", pa.array(numbers, pa.list_(pa.uint8())))
    pq.write_table(holed, tmp_path / "holed.parquet")
    found = read_source(str(tmp_path / "holed.parquet")).crystals
    assert set(structures) - set(found.ids) == {"x04"}
    assert sum(found.left_out.values()) == 1
    assert found.structure(4) == structures["x05"]


def test_csv_with_cifs(tmp_path, structures, classes):
    (tmp_path / "cifs").mkdir()
    few = dict(list(structures.items())[30:42])
    for entry, structure in few.items():
        CifWriter(structure).write_file(tmp_path / "cifs" / f"{entry}.cif")
    with (tmp_path / "gaps.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "band_gap"])
        writer.writerows([entry, 0 if classes[entry] else 2.5] for entry in few)
        writer.writerow(["y", 1.0])
    found = read_source(str(tmp_path / "gaps.csv"), tmp_path / "cifs").crystals
    assert found.ids == tuple(few)
    assert dict(found.left_out) == {"no CIF": 1}
    for i, entry in enumerate(found.ids):
        assert found.structure(i).composition == few[entry].composition


def test_a_disordered_cif_is_left_out(tmp_path, structures):
    (tmp_path / "cifs").mkdir()
    half = structures["x00"].copy()
    half.replace_species({"Li": {"Li": 0.5, "Na": 0.5}})
    for entry, structure in {"a": half, "b": structures["x01"], "c": structures["x02"]}.items():
        CifWriter(structure).write_file(tmp_path / "cifs" / f"{entry}.cif")
    (tmp_path / "t.csv").write_text("id,label\na,1\nb,1\nc,0\n")
    found = read_source(str(tmp_path / "t.csv"), tmp_path / "cifs").crystals
    assert found.ids == ("b", "c")
    assert dict(found.left_out) == {"disordered": 1}


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("is_metal", True, 1), ("is_metal", "False", 0), ("is_metal", None, None),
        ("label", "1", 1), ("label", 0.0, 0), ("label", 2, None), ("label", "metal", None),
        ("band_gap", 0.0, 1), ("band_gap", "0.01", 0), ("band_gap", -1, None),
        ("band_gap", float("nan"), None), ("band_gap", "", None),
    ],
)  # fmt: skip
def test_what_a_value_means(column, value, expected):
    assert class_of(column, value) == expected


def test_mistakes_get_one_clear_line(tmp_path, parquet):
    def refused(match, path, cifs=None):
        with pytest.raises(InputError, match=match) as caught:
            read_source(str(path), cifs)
        assert "\n" not in str(caught.value)

    refused("no file at .*gone.parquet; give matbench or", tmp_path / "gone.parquet")
    refused("goes with a .csv, and only with one", parquet, tmp_path)
    refused("goes with a .csv, and only with one", "matbench", tmp_path)
    (tmp_path / "x.csv").write_text("id,label\n")
    refused("goes with a .csv, and only with one", tmp_path / "x.csv")
    (tmp_path / "x.xlsx").write_text("")
    refused("cannot read .xlsx files", tmp_path / "x.xlsx")
    (tmp_path / "text.parquet").write_text("no table")
    refused("cannot be read as Parquet", tmp_path / "text.parquet")
    columns = pq.read_table(parquet)
    pq.write_table(columns.drop_columns(["lattice"]), tmp_path / "a.parquet")
    refused("has no column 'lattice'", tmp_path / "a.parquet")
    pq.write_table(columns.drop_columns(["is_metal"]), tmp_path / "b.parquet")
    refused("none of the columns is_metal, label, band_gap", tmp_path / "b.parquet")
    wrong = columns.replace_schema_metadata({"frac_coords_scale": "none"})
    pq.write_table(wrong, tmp_path / "c.parquet")
    refused("frac_coords_scale must be a positive number", tmp_path / "c.parquet")
    number = columns.set_column(3, "frac_coords", pa.array([1.0] * len(columns)))
    pq.write_table(number, tmp_path / "d.parquet")
    refused("frac_coords must hold a list", tmp_path / "d.parquet")


@pytest.mark.shared
def test_the_development_file(shared_data):
    found = read_source(str(shared_data / "mp-gap" / "mp_gap.parquet")).crystals
    assert len(found) == 61_734
    assert found.positive_fraction == pytest.approx(0.424, abs=5e-4)
    assert not found.left_out
