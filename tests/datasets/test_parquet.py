"""Parquet from a stranger: Ray Data's column of pickles must not be opened where Ray Data lives."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sie.datasets.parquet import open_plain
from sie.errors import InputError
from sie.pretraining.sources import from_parquet
from sie.screening.tables import open_parquet

NAME = "ray.data.arrow_pickled_object"


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def poisoned(folder: Path, nested: bool = False) -> tuple[Path, Path]:
    """Write a file whose ids are pickles; return it and the file that unpickling makes."""
    trace, path = folder / "was_here", folder / "x.parquet"
    kind = pa.large_binary()
    mark = {"ARROW:extension:name": NAME, "ARROW:extension:metadata": ""}
    field = pa.field("id", kind, metadata=mark)
    values = pa.array([pickle.dumps(Attack(trace))], kind)
    if nested:
        inner = pa.field("item", kind, metadata=mark)
        field = pa.field("id", pa.list_(inner))
        values = pa.array([[pickle.dumps(Attack(trace))]], pa.list_(kind)).cast(field.type)
    schema = pa.schema([field, pa.field("cif", pa.string())])
    pq.write_table(pa.table([values, pa.array(["data_x"])], schema=schema), path)
    return path, trace


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("read", [open_plain, lambda path: list(from_parquet(path))])
def test_a_column_of_pickles_is_refused(tmp_path, read, nested):
    path, trace = poisoned(tmp_path, nested)
    with pytest.raises(InputError, match="'id' is no plain column"):
        read(path)
    assert not trace.exists()


def test_a_column_of_pickles_runs_nothing_beside_ray_data(tmp_path):
    import ray.data  # noqa: F401 - registers its types with Arrow

    path, trace = poisoned(tmp_path)
    with pytest.raises(InputError, match="'id' is no plain column"):
        open_parquet("x", [path], 10)
    assert not trace.exists()
    # without the check this is what a screening does with the column of names
    pq.ParquetFile(path).read()["id"].to_pylist()
    assert trace.exists()


def test_plain_columns_are_opened(tmp_path):
    pq.write_table(pa.table({"id": ["a"], "numbers": [[1, 2]]}), tmp_path / "x.parquet")
    with open_plain(tmp_path / "x.parquet") as file:
        assert file.read().to_pylist() == [{"id": "a", "numbers": [1, 2]}]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(20) + b"PAR1", b"id\n1\n"])
def test_what_is_no_parquet_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as Parquet") as caught:
        open_plain(tmp_path / "x.parquet")
    assert "\n" not in str(caught.value)
