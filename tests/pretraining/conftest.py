"""Sixty tiny ordered crystals in every form that a source may have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymatgen.core import Lattice, Structure

from sie.features.record import OrbitFeatures
from sie.pretraining.parts import Parts
from sie.pretraining.record import Crystal, CrystalTable, collect
from sie.pretraining.settings import Settings

CATIONS = ("Li", "Na", "K", "Mg", "Ca", "Al", "Fe", "Cu", "Zn", "Ti")
ANIONS = ("F", "Cl", "O", "S", "N", "P")


def tiny_structures() -> dict[str, Structure]:
    """Rock salt and CsCl in turns, one primitive or conventional cell each."""
    made = {}
    for i, (cation, anion) in enumerate((c, a) for c in CATIONS for a in ANIONS):
        lattice = Lattice.cubic(3.1 + 0.11 * (i % 13))
        if i % 2:
            made[f"x{i:02d}"] = Structure(lattice, [cation, anion], [[0, 0, 0], [0.5] * 3])
        else:
            made[f"x{i:02d}"] = Structure.from_spacegroup(
                "Fm-3m", Lattice.cubic(5.0 + 0.1 * i % 3), [cation, anion], [[0, 0, 0], [0.5] * 3]
            )
    return made


def as_crystal(entry: str, structure: Structure, label: int | None) -> Crystal:
    return Crystal(
        entry,
        label,
        structure.lattice.matrix.reshape(-1),
        np.array(structure.atomic_numbers),
        structure.frac_coords.reshape(-1),
    )


@pytest.fixture(scope="session")
def structures() -> dict[str, Structure]:
    return tiny_structures()


@pytest.fixture(scope="session")
def classes(structures) -> dict[str, int]:
    """1 for transition metals' crystals."""
    metals = {"Fe", "Cu", "Zn", "Ti"}
    return {
        entry: int(bool(metals & {site.specie.symbol for site in structure}))
        for entry, structure in structures.items()
    }


@pytest.fixture(scope="session")
def table(structures, classes) -> CrystalTable:
    crystals = (as_crystal(k, structure, classes[k]) for k, structure in structures.items())
    return collect("toy", crystals, Counter())


def write_parquet(path: Path, structures, label: str, answers, scale: int | None = 100_000) -> None:
    coordinates = [item.frac_coords.reshape(-1) for item in structures.values()]
    if scale is not None:
        coordinates = [np.round(values * scale).astype(np.int32) for values in coordinates]
    columns = {
        "id": list(structures),
        "lattice": [item.lattice.matrix.reshape(-1).tolist() for item in structures.values()],
        "numbers": [list(item.atomic_numbers) for item in structures.values()],
        "frac_coords": [values.tolist() for values in coordinates],
        label: answers,
    }
    kind = pa.float64() if scale is None else pa.int32()
    built = pa.table(columns).cast(
        pa.schema(
            [
                ("id", pa.string()),
                ("lattice", pa.list_(pa.float64())),
                ("numbers", pa.list_(pa.uint8())),
                ("frac_coords", pa.list_(kind)),
                (label, pa.float64() if label == "band_gap" else pa.bool_()),
            ]
        )
    )
    if scale not in (None, 100_000):
        built = built.replace_schema_metadata({"frac_coords_scale": str(scale)})
    pq.write_table(built, path, row_group_size=17)


@pytest.fixture(scope="session")
def parquet_writer() -> Callable[..., None]:
    return write_parquet


@pytest.fixture
def parquet(tmp_path, structures, classes) -> Path:
    path = tmp_path / "crystals.parquet"
    write_parquet(path, structures, "is_metal", [bool(classes[entry]) for entry in structures])
    return path


@pytest.fixture(scope="session")
def matbench_text(structures, classes) -> str:
    data = [[structure.as_dict(), bool(classes[k])] for k, structure in structures.items()]
    index = list(range(len(data)))
    return json.dumps({"index": index, "columns": ["structure", "is_metal"], "data": data})


@pytest.fixture(scope="session")
def toy() -> tuple[OrbitFeatures, dict[str, int], Parts]:
    """120 structures of a class that the rows tell, and their division."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 5, size=120)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ids = tuple(f"s{i}" for i in range(120))
    rows = rng.normal(size=(offsets[-1], 4)).astype(np.float32)
    features = OrbitFeatures(ids, rows, np.ones(offsets[-1], np.float32), offsets)
    means = np.add.reduceat(rows[:, 0], offsets[:-1])
    labels = dict(zip(ids, (means > 0).astype(int).tolist(), strict=True))
    return features, labels, Parts(ids[:80], ids[80:100], ids[100:])


@pytest.fixture(scope="session")
def small() -> Settings:
    return Settings(
        n_layers=1, n_neurons=16, readout_width=8, readout_steps=2, max_epochs=6, cycle_epochs=2,
        patience=3, batch_size=8, init_lr=1e-2, max_lr=0.1, seed=5,
    )  # fmt: skip


@pytest.fixture(scope="session")
def programs():
    from sie.training.program import ProgramCache

    return ProgramCache()
