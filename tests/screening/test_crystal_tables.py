import json
import math
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ensemble_examples import argyrodite, rock_salt
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter
from screening_examples import all_entries, lithium_salts, write_json_lines, write_parquet

from sie.datasets.crystal_columns import crystal_columns
from sie.errors import InputError
from sie.screening import tables
from sie.screening.sources import open_source


def same(first, second):
    return (
        np.allclose(first.lattice.matrix, second.lattice.matrix)
        and np.allclose(first.frac_coords, second.frac_coords, atol=1e-5)
        and [site.species for site in first] == [site.species for site in second]
    )


@pytest.mark.parametrize("group", [3, 7, 1000])
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_parquet_rows_come_back_whatever_the_row_groups_and_shards(tmp_path, group, size):
    salts = lithium_salts(11)
    gaps = [None, -1.0, 2.5, math.nan, *[0.0] * 7]
    source = open_source(str(write_parquet(tmp_path / "s.parquet", salts, gaps, group)), size)
    entries = all_entries(source)
    assert [e.id for e in entries] == [f"mp-{i}" for i in range(11)]
    assert [e.place for e in entries] == list(range(11))
    assert all(same(e.structure, s) for e, s in zip(entries, salts, strict=True))
    assert [math.isnan(e.band_gap) for e in entries] == [True, True, False, True, *[False] * 7]
    assert entries[2].band_gap == 2.5


def test_shards_may_be_read_in_any_order_and_left_in_the_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BATCH", 3)
    path = write_parquet(tmp_path / "s.parquet", lithium_salts(20), [1.0] * 20, 6)
    source = open_source(str(path), 4)
    for number in (3, 0, 4, 1, 1, 2):
        shard = source.shards[number]
        expected = [f"mp-{i}" for i in range(shard.first, shard.first + shard.count)]
        assert next(source.reader.read(shard)).id == expected[0]
        assert [e.id for e in source.reader.read(shard)] == expected


def test_no_more_than_a_batch_of_rows_is_decoded_at_a_time(tmp_path):
    path = write_parquet(tmp_path / "s.parquet", lithium_salts(4) * 100, [1.0] * 400)
    rows = tables._Rows(path)
    assert {batch.num_rows for batch in rows.between(50, 400)} == {50, tables.BATCH}


def test_a_folder_of_parquet_files_is_one_source(tmp_path):
    write_parquet(tmp_path / "a.parquet", lithium_salts(3), [1.0] * 3)
    write_parquet(tmp_path / "b.parquet", lithium_salts(5), [1.0] * 5)
    source = open_source(str(tmp_path), 2)
    assert [shard.count for shard in source.shards] == [2, 1, 2, 2, 1]
    assert [e.place for e in all_entries(source)] == list(range(8))


def test_a_reader_travels_without_its_open_file(tmp_path):
    path = write_parquet(tmp_path / "s.parquet", lithium_salts(3), [1.0] * 3)
    source = open_source(str(path))
    before = [e.id for e in all_entries(source)]
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - as Ray sends it
    assert [e.id for e in all_entries(copy)] == before


def test_disordered_crystals_come_as_columns_of_a_data_record_or_as_cif_texts(tmp_path):
    columns = {"id": ["x", "y"], **crystal_columns({"x": argyrodite(), "y": rock_salt()})}
    pq.write_table(pa.table(columns), tmp_path / "record.parquet")
    texts = [str(CifWriter(argyrodite())), "no cif"]
    pq.write_table(pa.table({"id": ["x", "y"], "cif": texts}), tmp_path / "cifs.parquet")
    record = all_entries(open_source(str(tmp_path / "record.parquet")))
    assert same(record[0].structure, argyrodite())
    cifs = all_entries(open_source(str(tmp_path / "cifs.parquet")))
    assert not cifs[0].structure.is_ordered
    assert cifs[1].reason == "no atom positions"


def test_json_lines_hold_structures_or_cifs(tmp_path):
    path = write_json_lines(tmp_path / "s.jsonl", lithium_salts(5))
    with path.open("a") as handle:
        handle.write(json.dumps({"id": "c", "cif": str(CifWriter(argyrodite()))}) + "\n")
        handle.write('{"id": 7, "sites": []}\n[1]\nnot json\n')
        nested = {"material_id": "n", "structure": rock_salt().as_dict(), "band_gap": "3.5"}
        handle.write(json.dumps(nested))
    entries = all_entries(open_source(str(path), 2))
    assert [e.id for e in entries] == ["j0", "j1", "j2", "j3", "j4", "c", "7", "#7", "#8", "n"]
    assert same(entries[1].structure, lithium_salts(2)[1])
    assert [e.structure is None for e in entries[6:]] == [True, True, True, False]
    assert entries[9].band_gap == 3.5
    assert entries[7].reason == "no JSON object: not an object"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"numbers": [3, 400]}, "ValueError: "),
        ({"lattice": [1.0, 2.0]}, "ValueError: cannot reshape"),
        ({"frac_coords": [0, 0, 0]}, "StructureError: "),
        ({"lattice": [float("nan")] * 9}, "a cell length or a coordinate is not finite"),
        ({"lattice": [900.0, 0, 0, 0, 900.0, 0, 0, 0, 900.0]}, "impossible cell"),
        ({"numbers": [], "frac_coords": []}, "no atoms"),
        ({"lattice": None}, "ValueError: "),
    ],
)
def test_a_row_without_a_crystal_says_why(tmp_path, change, reason):
    path = write_parquet(tmp_path / "s.parquet", lithium_salts(2)[1:], [1.0])
    row = {**pq.read_table(path).to_pylist()[0], **change}
    schema = pq.read_schema(path)
    pq.write_table(pa.Table.from_pylist([row], schema=schema), path)
    (entry,) = all_entries(open_source(str(path)))
    assert entry.structure is None
    assert entry.reason.startswith(reason)


def test_files_that_are_not_what_they_are_called_are_refused(tmp_path):
    (tmp_path / "x.parquet").write_text("text")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        open_source(str(tmp_path / "x.parquet"))
    pq.write_table(pa.table({"id": ["a"], "lattice": [[1.0]]}), tmp_path / "y.parquet")
    with pytest.raises(InputError, match="id and lattice, numbers, frac_coords, or id and cif"):
        open_source(str(tmp_path / "y.parquet"))
    (tmp_path / "z.jsonl").write_text("\n")
    with pytest.raises(InputError, match="holds no line"):
        open_source(str(tmp_path / "z.jsonl"))


def test_structures_are_those_that_pymatgen_would_build(tmp_path):
    crystal = lithium_salts(2)[1]
    path = write_parquet(tmp_path / "s.parquet", [crystal], [None])
    (entry,) = all_entries(open_source(str(path)))
    assert isinstance(entry.structure, Structure)
    assert entry.structure.matches(crystal)


def test_coordinates_may_be_lists_in_a_list(tmp_path):
    salt = lithium_salts(1)[0]
    frame = pd.DataFrame(
        {
            "id": ["a"],
            "lattice": [salt.lattice.matrix.ravel().tolist()],
            "numbers": [[site.specie.Z for site in salt]],
            "frac_coords": [salt.frac_coords.tolist()],
        }
    )
    frame.to_parquet(tmp_path / "nested.parquet")
    (entry,) = all_entries(open_source(str(tmp_path / "nested.parquet"), 5))
    assert same(entry.structure, salt)


def test_properties_of_sites_are_not_looked_at(tmp_path):
    plain = lithium_salts(1)[0].as_dict()
    plain["sites"][0]["properties"] = {"x": {"@module": "no.such.module", "@class": "Thing"}}
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps({"id": "a", **plain}) + "\n" + "[" * 100_000 + "\n")
    good, bad = all_entries(open_source(str(path), 5))
    assert good.structure is not None
    assert bad.reason.startswith("no JSON object")
