"""Opening Parquet files of unknown origin: only plain columns, nothing that runs code.

Which columns are needed, and what stands in them, is known by the modules that read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sie.errors import InputError
from sie.reading import regular_size

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def open_plain(path: Path) -> pq.ParquetFile:
    """Open a Parquet file without extension types.

    Ray Data registers a type of its own with Arrow whose values are pickles: reading such a column
    in a process that has imported Ray Data would run whatever the file's author put there.

    Raises
    ------
    InputError
        When it is no Parquet file, or has such a column.
    """
    import pyarrow.parquet as pq

    with parquet_errors(path):
        regular_size(path)
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
    for field in schema:
        if _extended(field):
            raise InputError(
                f"{path}: column {field.name!r} is no plain column but of an extension type; "
                "write it as numbers or text"
            )
    return file


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn whatever Arrow raises on a broken file into one `InputError` line.

    Arrow's own errors derive from several of Python's; broken text raises a UnicodeDecodeError.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise InputError(f"{path} cannot be read as Parquet: {lines[0][:160]}") from error


def _extended(field: pa.Field) -> bool:
    """Return whether a field or one inside it has an extension type, known here or not."""
    import pyarrow as pa

    kind = field.type
    if isinstance(kind, pa.BaseExtensionType) or b"ARROW:extension:name" in (field.metadata or {}):
        return True
    if pa.types.is_dictionary(kind):
        return _extended(pa.field("", kind.value_type))
    return any(_extended(kind.field(i)) for i in range(kind.num_fields))
